"""Every conversation in tests/conversations is played, in both languages, and is forgotten and remembered between all turns."""

from dataclasses import replace
from typing import Any

import pytest

from bot.channels.telegram import write
from bot.content import put_into_words
from bot.dialogue import Guide, respond
from bot.limits import LIMITS
from bot.model import Conversation, Message, Said, StepReached, Went, WentBack
from bot.store import dump, restore
from bot.terminal import as_text
from bot.transcript import message_of, spoken
from tests.conftest import PLAYED, SCRIPTS, named

# events that scripts need not list
UNTOLD = ("Said", "Went", "WentBack", "Asked", "StepReached", "CheckAnswered", "CheckEnded", "LanguageNoticed", "Suspected")


@pytest.mark.parametrize(("turns", "language"), PLAYED)
def test_the_bot_answers_as_the_script_says(guide: Guide, turns: list[dict[str, Any]], language: str) -> None:
    conversation = Conversation() if turns[0].get("first") else Conversation(language, met=True)
    for number, turn in enumerate(turns):
        message = message_of(turn, language, number)
        hint = spoken(turn.get("hint", language), language)
        replies, events = respond(guide, conversation, replace(message, language=hint))

        assert [reply.name for reply in replies] == named(turn["bot"])
        told = [as_text(event) for event in events if type(event).__name__ not in UNTOLD]
        assert [event.split()[0] if "Language" in event else event for event in told] == turn.get("events", [])

        conversation = restore(dump(conversation.after(events)))  # as if the bot had been restarted
        if "speaks" in turn:
            assert conversation.language == turn["speaks"][language]
        for reply in replies:
            for words in put_into_words(reply, conversation.language or language, guide.library):
                assert write("7", words)
                assert all(len(words.options) <= limits.options for limits in LIMITS.values())


def test_every_handler_has_a_conversation(guide: Guide) -> None:
    handled = {card.rpartition("/")[2].replace("-", "_") for card in guide.handlers}
    assert handled <= set(SCRIPTS)


def test_help_and_the_menu_are_under_every_turn(guide: Guide) -> None:
    for language in guide.library.languages:
        for name, card in guide.library.cards[language].items():
            if name.startswith("talk/") or card.kind == "labels":
                continue
            replies, _ = respond(guide, Conversation(language, met=True), Message("1", "test", "me", tap=name))
            options = {option.name for words in put_into_words(replies[-1], language, guide.library) for option in words.options}
            assert name == "help/emergency" or "help/emergency" in options, name
            assert name == "menu/main" or "menu/main" in options, name


def test_every_button_under_every_place_leads_where_it_says(guide: Guide) -> None:
    """From each place, each button is pressed: none ends in "I did not understand"."""
    library = guide.library
    places = [
        f"{name}.{part}" if part else name
        for name, card in library.cards["mn"].items()
        if card.kind != "labels" and not name.startswith("talk/")
        for part in card.parts
    ]
    lost = []
    for place in places:
        _, events = respond(guide, Conversation("mn", met=True), Message("1", "test", "me", tap=place))
        there = Conversation("mn", met=True).after(events)
        for reply in there.said:
            for words in put_into_words(reply, "mn", library):
                for option in words.options:
                    replies, _ = respond(guide, there, Message("2", "test", "me", tap=option.name))
                    if replies[0].name.startswith("talk/not-understood"):
                        lost.append((place, option.name))
    assert lost == []


def test_going_somewhere_and_back_is_the_whole_of_what_is_remembered(guide: Guide) -> None:
    conversation = Conversation("mn", met=True)
    for number in range(200):
        tap = ("signs/list", "travel/checklist", "travel/checklist.offer", "menu/help")[number % 4]
        _, events = respond(guide, conversation, Message(str(number), "test", "me", tap=tap))
        conversation = conversation.after(events)
        assert {type(event) for event in events} <= {Said, Went, WentBack, StepReached}
    assert len(dump(conversation)) < 2_000
