"""Questions that were not understood become work for staff, and nobody's words are kept on the way."""

import asyncio
from pathlib import Path

import pytest

from bot.dialogue import Guide
from bot.model import Message
from bot.service import Service, terms_of
from bot.store import Store
from bot.store.counts import PEOPLE
from bot.store.sealing import Keys
from bot.unanswered import print_unanswered
from tests.house import settings


async def asked_by(service: Service, people: int, text: str, start: int = 0) -> None:
    for number in range(start, start + people):
        await service.receive(Message(f"{number}{text}", "test", f"person {number}", text=text))


async def test_a_word_is_kept_once_enough_people_have_used_it_and_not_before(guide: Guide, store: Store, tmp_path: Path) -> None:
    service = Service(guide, store)
    await asked_by(service, PEOPLE - 1, "grendelmok hobbitsuri")
    assert await store.unanswered() == []
    assert b"grendel" not in b"".join(path.read_bytes() for path in tmp_path.glob("umbrella.db*"))
    await asked_by(service, 1, "grendelmok zorblaxit", start=100)
    assert [(term, people) for _, term, people in await store.unanswered()] == [("grendelmok", PEOPLE)]


async def test_one_person_who_repeats_herself_is_one_person(guide: Guide, store: Store) -> None:
    service = Service(guide, store)
    for number in range(20):
        await service.receive(Message(str(number), "test", "anna", text="grendelmok hobbitsuri"))
    assert await store.unanswered() == []


async def test_the_nearest_card_is_counted_without_any_word(guide: Guide, store: Store) -> None:
    service = Service(guide, store)
    await asked_by(service, 2, "?!")
    assert [(what, number) for _, what, number in await store.counted()] == [("unanswered.", 2)]


def test_figures_and_short_words_are_never_counted() -> None:
    assert terms_of("99112233 би нэр Бат аб12 a@b.mn") == []
    assert len(terms_of(" ".join(f"word{chr(97 + n)}{chr(97 + m)}" for n in range(26) for m in range(26)))) <= 20


def test_hashes_of_one_week_say_nothing_in_another(keys: Keys) -> None:
    assert keys.of_week("2026-W48", b"word") != keys.of_week("2026-W49", b"word")


def test_staff_can_read_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert asyncio.run(print_unanswered(settings(tmp_path))) == 0
    assert "5 people" in capsys.readouterr().out
