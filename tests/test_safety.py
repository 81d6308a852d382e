"""Danger is heard inside anything, in every script, and its words do not fold onto everyday ones."""

import pytest

from bot.dialogue import Guide, respond
from bot.model import Conversation, Message
from bot.safety import cries_for_help, listen


def first_reply(guide: Guide, text: str, language: str = "mn") -> str:
    return respond(guide, Conversation(language, met=True), Message("1", "test", "me", text=text)).replies[0].name


def test_danger_is_heard_joined_to_any_other_utterance(guide: Guide) -> None:
    """Every phrase, before and after every thing that any card expects to be asked, in every language."""
    others = [ask for cards in guide.library.cards.values() for card in cards.values() for ask in card.asks]
    phrases = [phrase for language in guide.library.danger.values() for phrase in language.emergency]
    missed = [
        said
        for number, phrase in enumerate(phrases)
        for other in others[number % 7 :: 7]
        for said in (f"{phrase}, {other}", f"{other}. {phrase}")
        if listen(guide.danger, said) is None
    ]
    assert missed == []


@pytest.mark.parametrize(
    "text",
    [
        "намайг зодож байна",
        "НАМАЙГ ЗОДОЖ БАЙНА!!!",
        "namaig zodoj baina",
        "namaig zodoj bna",
        "Namaig zodoj bn 😭😭",
        "намайг цоожилчихсон гарч чадахгүй байна",
        "namaig tsoojilchihson garch chadahgui bna",
        "namaig coojilchihson",
        "He is hitting me",
        "my husband, he's beating me right now",
        "they won't let me leave the hotel",
        "x" * 3000 + " намайг алах гэж байна " + "y" * 3000,
    ],
)
def test_danger_leads_to_the_emergency_card(guide: Guide, text: str) -> None:
    assert first_reply(guide, text) == "help/emergency"


def test_the_number_is_the_first_thing_on_the_screen(guide: Guide) -> None:
    for language in guide.library.languages:
        part = guide.library.part(language, "help/emergency")
        assert part.messages[0].startswith("{hl-mn-102}")


@pytest.mark.parametrize("word", ["тусламж", "tuslamj", "Tuslaach", "help", "HELP!", "sos", "SOS", "102"])
def test_one_word_is_enough(guide: Guide, word: str) -> None:
    assert cries_for_help(guide.danger, word)
    assert first_reply(guide, word) == "help/emergency"


def test_no_everyday_question_is_heard_as_danger(guide: Guide) -> None:
    """The cards' own everyday asks, those about help and signs aside, do not ring the alarm."""
    rung = [
        (name, ask)
        for cards in guide.library.cards.values()
        for name, card in cards.items()
        if name.partition("/")[0] in ("registration", "internal", "return", "campaign", "menu", "talk")
        for ask in card.asks
        if listen(guide.danger, ask)
    ]
    assert rung == []
