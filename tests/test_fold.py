"""However a word is typed, it folds to the same skeleton, in linear time, and folding again changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
