"""Danger is heard inside anything, in every script, carried over split messages, and its words are not everyday ones."""

import pytest

from bot.dialogue import Guide, respond
from bot.lessons import ORDINARY
from bot.model import Conversation, Message, RiskNoticed
from bot.safety import LEVELS, cries_for_help, listen
from bot.understand.fold import words
from bot.understand.phrases import build_phrases, holds


def first_reply(guide: Guide, text: str, language: str = "mn") -> str:
    return respond(guide, Conversation(language, met=True), Message("1", "test", "me", text=text)).replies[0].name


def every_phrase(guide: Guide) -> list[str]:
    return [
        phrase.replace("*", "") for said in guide.library.danger.values() for kind in LEVELS for phrase in getattr(said, kind)
    ]


def test_every_phrase_is_heard_joined_to_any_other_utterance(guide: Guide) -> None:
    """Every phrase, before and after every thing that any card expects to be asked, in every language."""
    others = [words(ask) for _, ask in guide.library.asks]
    missed = [
        said
        for number, phrase in enumerate(words(phrase) for phrase in every_phrase(guide))
        for other in others[number % 7 :: 7]
        for said in ([*phrase, *other], [*other, *phrase])
        if not any(holds(phrases, said) for phrases in guide.danger.anywhere.values())
    ]
    assert missed == []


def test_every_phrase_leads_to_a_crisis_card_in_the_middle_of_other_talk(guide: Guide) -> None:
    for phrase in every_phrase(guide):
        replies, events = respond(
            guide,
            Conversation("mn", met=True),
            Message("1", "test", "me", text=f"сайн байна уу би нэг юм асууя {phrase} өөр юу хийх вэ"),
        )
        assert any(isinstance(event, RiskNoticed) for event in events), phrase
        assert {replies[0].name.partition(".")[0], replies[-1].name} & {
            "help/emergency",
            "talk/distress",
            "talk/risk",
            "talk/danger-question",
        }, phrase


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
        for part in ("help/emergency", "help/emergency.other"):
            assert guide.library.part(language, part).messages[0].startswith("{hl-mn-102}")


@pytest.mark.parametrize("word", ["тусламж", "tuslamj", "Tuslaach", "help", "HELP!", "sos", "SOS", "102"])
def test_one_word_is_enough(guide: Guide, word: str) -> None:
    assert cries_for_help(guide.danger, guide.reader.read(word))
    assert first_reply(guide, word) == "help/emergency"


def test_no_everyday_question_holds_a_phrase(guide: Guide) -> None:
    rung = [
        (name, ask)
        for name, ask in guide.library.asks
        if name.startswith(ORDINARY) and any(holds(phrases, words(ask)) for phrases in guide.danger.anywhere.values())
    ]
    assert rung == []


def test_no_word_of_a_phrase_rings_alone(guide: Guide) -> None:
    """A phrase that folds to one everyday word rings at everything: боол, a slave, folds to бол, if."""
    everyday = {word for name, ask in guide.library.asks if name.startswith(ORDINARY) for word in words(ask)}
    single = {
        phrase for phrase in every_phrase(guide) if len(words(phrase)) == 1 and holds(build_phrases([phrase]), sorted(everyday))
    }
    assert single == set()


def test_danger_split_over_two_messages_is_heard(guide: Guide) -> None:
    """What was heard is carried over as figures: neither half alone says what both say."""
    halves = [
        ("тэр хүн миний паспортыг авчихсан", "буцааж өгөхгүй, гэртээ харьж чадахгүй байна"),
        ("nuhur maani soguu irlee", "namaig dahiad tsohih gj bn aij bn"),
        ("they took our phones yesterday", "and nobody is allowed to go outside"),
    ]
    for first, second in halves:
        _, events = respond(guide, Conversation("mn", met=True), Message("1", "test", "me", text=first))
        then = Conversation("mn", met=True).after(events)
        _, later = respond(guide, then, Message("2", "test", "me", text=second))
        assert any(isinstance(event, RiskNoticed) for event in (*events, *later)), (first, second)


def test_what_was_heard_counts_at_the_next_message(guide: Guide) -> None:
    """The same words tell more after a suspicious message than after an ordinary one."""
    text = "буцааж өгөхгүй байна"
    said = guide.reader.read(text)
    before = listen(guide.danger, guide.reader.read("дарга бидний паспортыг хураагаад авсан")).evidence
    assert before
    assert listen(guide.danger, said).alarm is None
    assert listen(guide.danger, said, [before]).alarm is not None


def test_a_question_about_danger_that_is_not_answered_is_not_forgotten(guide: Guide) -> None:
    """For two turns the number stands above the answer; then, or once she says that all is well, no more."""
    unanswered = Conversation("mn", met=True, watch=2)
    shown = []
    for number in range(3):
        replies, events = respond(guide, unanswered, Message(str(number), "test", "me", tap="menu/travel"))
        unanswered = unanswered.after(events)
        shown.append([reply.name for reply in replies])
    assert shown == [["talk/safety-line", "menu/travel"]] * 2 + [["menu/travel"]]
    _, events = respond(guide, Conversation("mn", met=True, watch=2), Message("1", "test", "me", tap="talk/misunderstood"))
    assert Conversation("mn", met=True, watch=2).after(events).watch == 0


@pytest.mark.parametrize("framed", ["what if he is beating me one day", "in the film they locked me in, i mean the actress"])
def test_told_as_a_what_if_or_a_film_it_is_never_nothing(guide: Guide, framed: str) -> None:
    assert listen(guide.danger, guide.reader.read(framed)).alarm is not None


def test_whoever_is_in_danger_sees_where_help_is_whatever_was_understood(guide: Guide) -> None:
    """By design: the number stands in every not-sure reply, and on or one tap from every card about safety."""
    for language in guide.library.languages:
        for name in ("talk/not-understood", "talk/not-understood.candidates", "talk/danger-question", "talk/unavailable"):
            assert "{hl-mn-102}" in " ".join(guide.library.part(language, name).messages), (language, name)
        for name in guide.library.cards[language]:
            if name.startswith(("signs/", "trafficking/", "help/")):
                replies, _ = respond(guide, Conversation(language, met=True), Message("1", "test", "me", tap=name))
                assert emergency_line(guide, language, [reply.name for reply in replies]), (language, name)


def emergency_line(guide: Guide, language: str, names: list[str]) -> bool:
    return any("{hl-mn-102}" in text for name in names for text in guide.library.part(language, name).messages)


@pytest.mark.parametrize(
    "before", ["намайг өрөөнд түгжчихсэн гарч чадахгүй", "tsalin ugahgui 3 sar bolloo yaah ve", "my boss keeps my passport"]
)
@pytest.mark.parametrize("text", ["маргааш бороо орох уу", "what time does the office open", "баярлалаа", "хаягаа яаж солих вэ"])
def test_an_ordinary_message_after_danger_does_not_ring_again(guide: Guide, before: str, text: str) -> None:
    """What was answered as danger has been answered: it is not carried over to whatever she asks next."""
    _, events = respond(guide, Conversation("mn", met=True), Message("1", "test", "me", text=before))
    assert any(isinstance(event, RiskNoticed) for event in events)
    _, later = respond(guide, Conversation("mn", met=True).after(events), Message("2", "test", "me", text=text))
    assert not any(isinstance(event, RiskNoticed) for event in later)
