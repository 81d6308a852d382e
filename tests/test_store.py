"""One message is answered once, and what happened is kept with it or not at all; each thing is kept for its time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.dialogue import Guide, respond
from bot.model import Answer, Conversation, Message, Reply
from bot.service import Service
from bot.store import Store, StoreUnavailable
from bot.store.sealing import BadKey, Keys, Unsealable, make_keys, read_or_make_secret

DAY = 86_400.0


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def dated(tmp_path: Path, keys: Keys, clock: Clock) -> AsyncIterator[Store]:
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/dated.db", keys, clock)
    await store.open()
    yield store
    await store.close()


def tap(number: int, name: str, who: str = "anna") -> Message:
    return Message(str(number), "test", who, tap=name)


async def test_a_message_delivered_twice_is_answered_once(service: Service) -> None:
    assert await service.accept(tap(1, "signs/list"))
    assert not await service.accept(tap(1, "signs/list"))
    assert len(await service.store.waiting()) == 1


async def test_the_same_number_on_another_channel_is_another_message(service: Service) -> None:
    assert await service.accept(Message("1", "test", "anna", tap="signs/list"))
    assert await service.accept(Message("1", "other", "anna", tap="signs/list"))


async def test_messages_that_come_together_are_answered_in_order_and_build_on_each_other(guide: Guide, store: Store) -> None:
    places = ["signs/list", "travel/checklist", "travel/checklist.offer", "back", "menu/main"]
    kept = await asyncio.gather(
        *(
            store.turn(message, lambda talk, message=message: respond(guide, talk, message), sends=True)  # type: ignore[misc]
            for message in (tap(number, place) for number, place in enumerate(places))
        )
    )
    assert [item.answer.replies[-1].name for item in kept if item] == [
        "signs/list", "travel/checklist", "travel/checklist.offer", "travel/checklist", "menu/main",
    ]  # fmt: skip
    assert [letter.letter.replies[-1].name for letter in await store.waiting()] == [
        item.answer.replies[-1].name for item in kept if item
    ]


async def test_one_turn_that_fails_does_not_undo_its_neighbours(guide: Guide, store: Store) -> None:
    def fail(_: Conversation) -> Answer:
        raise ZeroDivisionError

    first = store.turn(tap(1, "signs/list"), lambda talk: respond(guide, talk, tap(1, "signs/list")), sends=True)
    broken = store.turn(tap(2, "signs/list", "bold"), fail, sends=True)
    last = store.turn(tap(3, "menu/main"), lambda talk: respond(guide, talk, tap(3, "menu/main")), sends=True)
    results = await asyncio.gather(first, broken, last, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["Kept", "ZeroDivisionError", "Kept"]
    assert await store.conversation("test", "bold") is None
    again = await store.turn(tap(2, "signs/list", "bold"), lambda talk: respond(guide, talk, tap(2, "signs/list")), sends=True)
    assert again is not None


async def test_after_a_failure_of_ours_the_person_is_still_told_where_help_is(store: Store, guide: Guide) -> None:

    def fail(_turn: object) -> Answer:
        raise ZeroDivisionError

    service = Service(replace(guide, handlers={**guide.handlers, "about/delete": fail}), store)
    received = await service.receive(tap(1, "about/delete"))
    assert [words.name for words in received.words] == ["talk/unavailable"]
    assert "102" in received.words[0].text


async def test_everything_about_a_person_can_be_deleted(service: Service) -> None:
    await service.accept(tap(1, "about/delete"))
    await service.accept(tap(2, "yes"))
    assert await service.store.conversation("test", "anna") is None
    (told,) = await service.store.waiting()
    assert told.letter.replies[0].name == "about/delete.done"


async def test_what_is_kept_is_forgotten_in_its_time(dated: Store, guide: Guide, clock: Clock) -> None:
    service = Service(guide, dated)
    await service.accept(tap(1, "signs/list"))
    times = {"conversations_days": 30, "seen_days": 2, "outbox_hours": 24, "counts_weeks": 104}
    clock.now += 25 * 3600
    await dated.purge(**times)
    assert await dated.waiting() == []
    assert not await service.accept(tap(1, "signs/list"))  # its id is still known
    clock.now += 3 * DAY
    await dated.purge(**times)
    assert await dated.conversation("test", "anna") is not None
    clock.now += 30 * DAY
    await dated.purge(**times)
    assert await dated.conversation("test", "anna") is None


async def test_deleted_rows_are_gone_from_the_files(dated: Store, guide: Guide, clock: Clock, tmp_path: Path) -> None:
    service = Service(guide, dated)
    for number in range(50):
        await service.accept(tap(number, "registration/no-documents", f"person {number}"))
    assert any(b"registration/no-documents" in path.read_bytes() for path in tmp_path.glob("dated.db*"))
    clock.now += 60 * DAY
    await dated.purge(conversations_days=30, seen_days=2, outbox_hours=24, counts_weeks=104)
    assert not any(b"registration/no-documents" in path.read_bytes() for path in tmp_path.glob("dated.db*"))


async def test_feedback_is_counted_by_the_week_and_belongs_to_nobody(dated: Store, guide: Guide) -> None:
    service = Service(guide, dated)
    for number, who in enumerate(("anna", "bold")):
        await service.accept(tap(number, "about/feedback", who))
        await service.accept(Message(f"{who} 2", "test", who, tap="yes"))
    await service.accept(Message("x", "test", "anna", tap="hard"))
    assert await dated.counted() == [("2024-W40", "feedback.clear.hard", 1), ("2024-W40", "feedback.helped.yes", 2)]


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.turn(tap(1, "signs/list"), lambda _: Answer([Reply("signs/list")], []), sends=False)


async def test_a_database_that_cannot_be_opened_is_named(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "umbrella.db").mkdir()
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/umbrella.db", keys)
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        await store.open()


async def test_an_opened_database_is_opened_again_as_it_was(tmp_path: Path, keys: Keys, guide: Guide) -> None:
    for expected in (True, False):
        store = Store(f"sqlite+aiosqlite:///{tmp_path}/again.db", keys)
        await store.open()
        assert await Service(guide, store).accept(tap(1, "signs/list")) is expected
        await store.close()


def test_a_sealed_address_opens_only_with_its_key_and_for_its_person(keys: Keys) -> None:
    anna, bold = keys.pseudonym("telegram", "1"), keys.pseudonym("telegram", "2")
    sealed = keys.seal("7000001", anna)
    assert keys.unseal(sealed, anna) == "7000001"
    assert b"7000001" not in sealed
    for opener, person in ((keys, bold), (make_keys(bytes(32)), anna)):
        with pytest.raises(Unsealable):
            opener.unseal(sealed, person)
    with pytest.raises(Unsealable):
        keys.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), anna)


def test_pseudonyms_differ_by_channel_and_by_key(keys: Keys) -> None:
    assert (
        len({keys.pseudonym("telegram", "1"), keys.pseudonym("web", "1"), make_keys(bytes(32)).pseudonym("telegram", "1")}) == 3
    )


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    first = read_or_make_secret(None, tmp_path)
    assert read_or_make_secret(None, tmp_path) == first
    assert (tmp_path / "keys/umbrella.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("given", ["", "abc", "zz" * 32, "00" * 31])
def test_a_bad_key_is_refused_with_the_way_to_make_one(tmp_path: Path, given: str) -> None:
    with pytest.raises(BadKey, match="64 hex digits"):
        read_or_make_secret(given, tmp_path)


async def test_a_letter_that_is_put_off_again_and_again_is_forgotten_in_its_time_all_the_same(
    dated: Store, guide: Guide, clock: Clock
) -> None:
    await Service(guide, dated).accept(tap(1, "signs/list"))
    (letter,) = await dated.waiting()
    for _ in range(30):
        clock.now += 3600
        await dated.postpone(replace(letter, due=clock.now + 60))
        await dated.purge(conversations_days=30, seen_days=2, outbox_hours=24, counts_weeks=104)
    assert await dated.waiting() == []
