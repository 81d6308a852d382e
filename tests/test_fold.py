"""However a word is typed, it folds to the same skeleton, in linear time, and folding again changes nothing."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.understanding import latin_typed
from bot.files import CONTENT
from bot.load import load_library
from bot.understand.fold import fold

SAME = [
    ("хүн", "hvn", "hun", "xvn", "khun", "hün"),
    ("байна", "baina", "bna", "bn", "бна"),
    ("цагдаа", "tsagdaa", "cagdaa", "tsagda"),
    ("паспорт", "pasport", "passport"),
    ("өвөө", "uvuu", "ovoo", "övöö"),
    ("шалгах", "shalgah", "6algah", "shalgakh", "shalgax"),
    ("чадахгүй", "chadahgui", "4adahgui", "chadahgu", "chadaxgui"),
    ("үнэмлэх", "unemleh", "unemlekh", "vnemleh"),
    ("явж", "yavj", "yvj", "yawj"),
    ("гэж", "gej", "gj"),
    ("ажил", "ajil", "azhil", "АЖИЛ"),
    ("юу", "yu", "yuu"),
    ("зөвлөгөө", "зєвлєгєє", "зовлогоо", "zuvluguu", "zovlogoo"),
]


@pytest.mark.parametrize("spellings", SAME, ids=lambda row: row[0])
def test_every_spelling_of_a_word_has_one_skeleton(spellings: tuple[str, ...]) -> None:
    assert len({fold(word) for word in spellings}) == 1, {word: fold(word) for word in spellings}


@given(st.text(max_size=300))
def test_folding_never_raises_and_gives_plain_words(text: str) -> None:
    folded = fold(text)
    assert folded == " ".join(folded.split())
    assert folded == folded.lower()


@given(st.text(alphabet="абвгдежзийклмнопрстуүфхцчшыьэюяөёabcdefghijklmnopqrstuvwxyz46 '", max_size=30))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("text", ["v" * 60_000, "yv" * 30_000, "а" * 60_000, "x4" * 30_000, "'" * 60_000, "a'" * 30_000])
def test_hostile_input_is_folded_all_the_same(text: str) -> None:
    assert len(fold(text)) <= 2 * len(text)


@pytest.fixture(scope="module")
def everyday_words() -> list[str]:
    """Every Cyrillic word that the cards' asks hold, but those whose Latin typing is another word's as well."""
    asks = " ".join(ask for card in load_library(CONTENT).cards["mn"].values() for ask in card.asks).lower()
    found = sorted(set(re.findall(r"[а-яөүё]{2,}", asks)))
    return [word for word in found if not AMBIGUOUS.search(word)]


# v for ү beside another vowel may be в; ts and s, sh and h run together; yu is ю and ию; 4 after one letter may be a number
AMBIGUOUS = re.compile(r"[үө][йүе]|в[үв]|ц[сц]|чс|шх|сх|ью|ю[тр]|[еи]ю|юү|хш|ъе|тс|кх|ье|тэг|^.ч")


@given(st.data(), st.randoms())
@settings(max_examples=500, deadline=None)
def test_a_word_has_the_skeleton_of_its_latin_typing_in_anybodys_habits(
    everyday_words: list[str], data: st.DataObject, dice: random.Random
) -> None:
    word = data.draw(st.sampled_from(everyday_words))
    typed = latin_typed(word, dice)
    assert fold(typed) == fold(word), typed


def test_nearly_every_word_is_tested_so(everyday_words: list[str]) -> None:
    assert len(everyday_words) > 2_000
