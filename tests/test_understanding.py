"""How well questions are understood, measured on wordings that nothing was trained on. The floors only ever rise."""

from pathlib import Path

import pytest
import yaml

from bot.ask import Question, look_at
from bot.dialogue import Guide, respond, understand
from bot.evaluate import Row, evaluate
from bot.model import Conversation, LanguageNoticed, Message

MISUNDERSTOOD = yaml.safe_load((Path(__file__).parent / "understanding" / "misunderstood.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(guide: Guide) -> dict[str, Row]:
    return evaluate(guide)


def reached(rows: dict[str, Row], name: str) -> dict[str, float]:
    return {script: row[name].hits / row[name].of for script, row in rows.items() if row[name].of >= 20}


def test_wordings_kept_back_lead_to_their_card(rows: dict[str, Row]) -> None:
    assert min(reached(rows, "tries: first").values()) >= 0.60
    assert min(reached(rows, "tries: in three").values()) >= 0.78
    assert max(reached(rows, "tries: answered wrongly").values()) <= 0.16
    assert max(reached(rows, "tries: refused").values()) <= 0.05


def test_everyday_questions_of_a_hand_that_was_not_learnt_from_lead_to_their_card(rows: dict[str, Row]) -> None:
    assert min(reached(rows, "hand c: first").values()) >= 0.88
    assert min(reached(rows, "hand c: in three").values()) >= 0.94
    assert max(reached(rows, "hand c: refused").values()) <= 0.05


def test_what_no_card_is_about_is_seldom_answered_with_one(rows: dict[str, Row]) -> None:
    assert min(reached(rows, "no card: not answered").values()) >= 0.80


def test_danger_told_in_words_that_nothing_was_trained_on_is_heard(rows: dict[str, Row]) -> None:
    for kind, at_all, surely in (("emergency", 0.92, 0.75), ("distress", 0.92, 0.62), ("risk", 0.92, 0.75)):
        assert together(rows, f"{kind}: sure or maybe") >= at_all, kind
        assert together(rows, f"{kind}: sure") >= surely, kind
    assert together(rows, "lookalike: sure") <= 0.10
    assert together(rows, "lookalike: sure or maybe") <= 0.30
    assert together(rows, "framed: sure") <= 0.10


def together(rows: dict[str, Row], name: str) -> float:
    return sum(row[name].hits for row in rows.values()) / sum(row[name].of for row in rows.values())


def test_ordinary_questions_seldom_ring_the_alarm(rows: dict[str, Row]) -> None:
    assert max(reached(rows, "ordinary question: sure").values()) <= 0.02
    assert max(reached(rows, "ordinary question: sure or maybe").values()) <= 0.10


def test_every_ask_of_a_card_leads_to_it_or_offers_it(guide: Guide) -> None:
    found = [name in understand(guide, guide.reader.read(ask)).candidates[:3] for name, ask in guide.library.asks]
    assert sum(found) / len(found) >= 0.985


@pytest.mark.parametrize("text", MISUNDERSTOOD, ids=str)
def test_what_was_once_misunderstood_is_understood(guide: Guide, text: str) -> None:
    """Messages that were misunderstood, once mended, stay so: the file only grows."""
    wanted = MISUNDERSTOOD[text]
    found = look_at(guide, Question(text))
    if "card" in wanted:
        assert wanted["card"] in found.candidates[:3]
    if "danger" in wanted:
        assert found.danger == wanted["danger"] or (wanted["danger"] == "any" and found.danger)


@pytest.mark.parametrize("nonsense", ["", " ", "?!", "😀", "ъъъъ", "zzzz qqqq", "1234567"])
def test_nonsense_is_not_guessed_at(guide: Guide, nonsense: str) -> None:
    assert understand(guide, guide.reader.read(nonsense)).card == ""


@pytest.mark.parametrize(
    ("place", "text", "card"),
    [
        ("registration/move-to-ulaanbaatar", "and how much does it cost?", "registration/fee-and-time"),
        ("registration/id-card", "үнэ нь хэд вэ", "registration/id-card"),
        ("travel/visa", "hed ve", "travel/money"),
        ("registration/where", "which papers do i need", "registration/documents"),
        ("help/shelter", "хаана байдаг вэ", "help/near-me"),
        ("help/police", "what's their number", "help/hotlines"),
    ],
)
def test_a_short_question_is_about_the_card_just_read(guide: Guide, place: str, text: str, card: str) -> None:
    assert understand(guide, guide.reader.read(text), place).card == card


def test_a_short_question_about_nothing_offers_what_it_may_be_about(guide: Guide) -> None:
    found = understand(guide, guide.reader.read("how much does it cost"))
    assert (found.card, "registration/fee-and-time" in found.candidates) == ("", True)


@pytest.mark.parametrize(
    ("spoken", "text", "then"),
    [
        ("mn", "how do i register my new address in the city", "en"),
        ("en", "хаягаа яаж бүртгүүлэх вэ хотод нүүж ирлээ", "mn"),
        ("en", "hayagaa yaj burtguuleh ve hotod nuuj irlee", "mn"),
        ("mn", "visa", "mn"),
        ("mn", "hello", "mn"),
        ("en", "ok", "en"),
    ],
)
def test_the_conversation_follows_when_she_clearly_writes_the_other_language(
    guide: Guide, spoken: str, text: str, then: str
) -> None:
    _, events = respond(guide, Conversation(spoken, met=True), Message("1", "test", "me", text=text))
    assert Conversation(spoken, met=True).after(events).language == then
    assert any(isinstance(event, LanguageNoticed) for event in events) == (spoken != then)
