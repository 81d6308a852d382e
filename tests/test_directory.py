"""The finder of services: every place is known by every spelling, every need has somebody to call, no shelter is given away."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.telegram import read
from bot.check import ADDRESS
from bot.content import ContentError, put_into_words
from bot.dialogue import FINDER, FINDERS, Guide, respond
from bot.directory import (
    ABROAD,
    DAY_AND_NIGHT,
    EVERYWHERE,
    LOCAL,
    NATIONWIDE,
    NEIGHBOUR,
    Hours,
    Place,
    nearest_place,
    need_named,
    open_at,
    places_named,
    services_for,
    which_of,
)
from bot.files import CONTENT
from bot.load import load_library
from bot.model import Conversation, Message, say
from bot.store import dump, restore
from bot.understand.fold import words

LIBRARY = load_library(CONTENT)
DIRECTORY = LIBRARY.directory
PLACES = list(DIRECTORY.places.values())
HERE = [place.id for place in PLACES if place.kind != ABROAD]
SPELLINGS = [
    (place.id, name) for place in PLACES for name in (*place.name.values(), *place.spellings, *place.centres, *place.alone)
]
LATIN: dict[str, tuple[str, ...]] = {  # the ways in which people type a Cyrillic letter
    "а": ("a",), "б": ("b",), "в": ("v", "w"), "г": ("g",), "д": ("d",), "е": ("e", "ye"), "ж": ("j", "zh"), "з": ("z",),
    "и": ("i",), "й": ("i", "y"), "к": ("k",), "л": ("l",), "м": ("m",), "н": ("n",), "о": ("o",), "ө": ("o", "u", "ö"),
    "п": ("p",), "р": ("r",), "с": ("s",), "т": ("t",), "у": ("u", "o"), "ү": ("u", "v", "ü"), "ф": ("f",), "х": ("h", "kh", "x"),
    "ц": ("ts", "c"), "ч": ("ch",), "ш": ("sh",), "ы": ("y", "i"), "ь": ("i",), "э": ("e",), "ю": ("yu",), "я": ("ya",),
}  # fmt: skip


def found(text: str) -> tuple[str, ...]:
    return places_named(DIRECTORY, words(text))


@st.composite
def typed_in_latin(draw: st.DrawFn) -> tuple[Place, str]:
    """A place, and its Mongolian name as somebody may type it in Latin letters."""
    place = draw(st.sampled_from([place for place in PLACES if place.kind != ABROAD]))
    name = place.name["mn"].lower()
    return place, "".join(draw(st.sampled_from(LATIN[letter])) if letter in LATIN else letter for letter in name)


@pytest.mark.parametrize(("place", "name"), SPELLINGS, ids=[f"{place} {name}" for place, name in SPELLINGS])
def test_a_place_is_known_by_each_of_its_names(place: str, name: str) -> None:
    for typed in (name, name.upper(), name.lower(), name.replace("-", " "), name.replace("-", ""), f" {name}. "):
        named = found(typed)
        assert place in named
        assert named == (place,) or which_of(DIRECTORY, named), f"{typed} may be {named}, and nothing asks which"


@given(typed_in_latin())
@settings(max_examples=400)
def test_a_place_is_known_however_its_name_is_typed_in_latin_letters(typed: tuple[Place, str]) -> None:
    place, name = typed
    assert place.id in found(name), name


@given(typed_in_latin(), st.data())
def test_a_place_is_known_when_one_letter_of_a_longer_name_is_missing(typed: tuple[Place, str], data: st.DataObject) -> None:
    place, name = typed
    folded = "".join(words(name))
    if len(folded) >= 8:
        at = data.draw(st.integers(1, len(folded) - 1))
        assert place.id in places_named(DIRECTORY, [folded[:at] + folded[at + 1 :]])


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("Ховдод", "pl-043"),
        ("ховдын", "pl-043"),
        ("Ховдоос", "pl-043"),
        ("Увсад байна", "pl-046"),
        ("uvsad", "pl-046"),
        ("Дорноговьд хаана хандах вэ", "pl-063"),
        ("dornogovid baigaa", "pl-063"),
        ("Налайхаас", "pl-ub-na"),
        ("Баянхонгорын төвд", "pl-069"),
        ("Говь-Алтайд", "pl-065"),
        ("УБ-д", "pl-ub"),
        ("Төв аймагт", "pl-047"),
        ("Төв аймгийн Зуунмод", "pl-047"),
        ("СХД 7-р хороо", "pl-ub-sh"),
        ("ХУД", "pl-ub-hu"),
        ("Хан-Уул дүүргийн 4-р хороо", "pl-ub-hu"),
        ("Улаанбаатар Баянгол дүүрэг", "pl-ub-bg"),
        ("Замын-Үүдэд", "pl-063"),
        ("i am in Erdenet", "pl-035"),
        ("Алтай хот", "pl-065"),
        ("Дархан, Дархан-Уул", "pl-037"),
    ],
)
def test_a_place_is_known_in_a_sentence_and_in_every_case(said: str, place: str) -> None:
    assert found(said) == (place,)


@pytest.mark.parametrize(
    ("said", "places"),
    [
        ("Сүхбаатар", ("pl-ub-sb", "pl-051", "pl-049")),
        ("suhbaatart", ("pl-ub-sb", "pl-051", "pl-049")),
        ("Сүхбаатар аймаг", ("pl-051",)),
        ("Сүхбаатар дүүргийн 3-р хороо", ("pl-ub-sb",)),
        ("Сүхбаатар хот", ("pl-049",)),
        ("Сэлэнгэ аймгийн Сүхбаатар", ("pl-049",)),
        ("УБ, Сүхбаатар", ("pl-ub-sb",)),
        ("Ховд эсвэл Увс", ("pl-046", "pl-043")),
    ],
)
def test_what_is_said_beside_an_unclear_name_decides_it(said: str, places: tuple[str, ...]) -> None:
    assert found(said) == places


@pytest.mark.parametrize(
    "said",
    [
        "надад хамгийн ойр төв хаана байдаг вэ",
        "хүүхдийн цэцэрлэг хаана байна",
        "хэнтэй ярих вэ",
        "hentei yarih ve",
        "манай суманд эмнэлэг бий юу",
        "болгоныг хэлж өгөөч",
        "би ажил хийж bgd ядарлаа",
        "мөрөн дээр очсон",
        "Булган сумын эмнэлэг",
        "help me please",
        "",
    ],
)
def test_ordinary_words_are_not_taken_for_places(said: str) -> None:
    assert found(said) == ()


def test_what_people_say_in_danger_names_no_place() -> None:
    """No phrase of danger may be swallowed by the finder as an answer."""
    phrases = [
        phrase.replace("*", "")
        for said in LIBRARY.danger.values()
        for phrase in (*said.words, *said.emergency, *said.distress, *said.risk)
    ]
    assert {phrase: found(phrase) for phrase in phrases if found(phrase)} == {}


@given(st.text(max_size=200))
def test_no_text_breaks_the_finder(text: str) -> None:
    assert set(found(text)) <= set(DIRECTORY.places)
    assert need_named(DIRECTORY, words(text)) in ("", *DIRECTORY.needs)


@pytest.mark.parametrize(
    ("said", "need"),
    [
        ("Дархан хамгаалах байр", "shelter"),
        ("хүүхэдтэйгээ хонох газар", "shelter"),
        ("өмгөөлөгч хэрэгтэй", "legal"),
        ("хуулийн зөвлөгөө", "legal"),
        ("setgel zuich", "counselling"),
        ("emneleg haana bna", "medical"),
        ("цагдаагийн хэсэг", "police"),
        ("a psychologist in uvs", "counselling"),
        ("where do i register", "registration"),
        ("services for returnees", "return"),
        ("сайн байна уу", ""),
    ],
)
def test_a_need_is_told_by_its_words(said: str, need: str) -> None:
    assert need_named(DIRECTORY, words(said)) == need


@pytest.mark.parametrize("place", [place for place in PLACES if place.points], ids=lambda place: place.id)
def test_whoever_stands_in_a_town_is_told_its_place(place: Place) -> None:
    for latitude, longitude in place.points:
        assert nearest_place(DIRECTORY, latitude, longitude) == place.id


@pytest.mark.parametrize(
    ("latitude", "longitude", "place"),
    [
        (47.9, 106.8, "pl-ub"),
        (49.4, 106.3, "pl-037"),
        (44.6, 103.5, "pl-053"),
        (43.7, 112.0, "pl-x-erlian"),
        (39.0, 117.2, "pl-x-abroad"),
        (37.6, 127.0, ""),
        (41.0, 29.0, ""),
        (0.0, 0.0, ""),
    ],
)
def test_a_location_is_turned_into_the_nearest_place(latitude: float, longitude: float, place: str) -> None:
    assert nearest_place(DIRECTORY, latitude, longitude) == place


def test_every_place_and_need_has_an_answer_with_somebody_to_call() -> None:
    for place, need in product(["", *HERE], DIRECTORY.needs):
        answer = services_for(DIRECTORY, place, need)
        services = [DIRECTORY.services[name] for name in answer.services]
        assert 1 <= len(set(answer.services)) == len(services) <= 3
        assert all(need in service.needs for service in services)
        assert any(service.phones for service in services), (place, need)
        near = [bool(service.places) for service in services]
        assert near == sorted(near, reverse=True), "what is near comes first"
        assert any(near) == (answer.reason in (LOCAL, NEIGHBOUR))
        assert bool(answer.neighbour) == (answer.reason == NEIGHBOUR)
        always = [service.hours == DAY_AND_NIGHT for service in services if not service.places]
        assert always == sorted(always, reverse=True), "who is there day and night comes first"


def test_the_reason_says_where_the_services_are() -> None:
    assert services_for(DIRECTORY, "pl-061", "violence").reason == LOCAL
    assert services_for(DIRECTORY, "pl-ub", "violence").services[0] == "one-stop-centres", "a city has what its districts have"
    assert services_for(DIRECTORY, "pl-ub-sh", "registration").services[0] == "document-centres", (
        "a district has what its city has"
    )
    assert services_for(DIRECTORY, "pl-046", "violence").neighbour == "pl-071"
    assert services_for(DIRECTORY, "pl-047", "registration").reason == NATIONWIDE, "papers are not made in the next aimag"
    assert services_for(DIRECTORY, "pl-047", "police").reason == EVERYWHERE, "the police are the same everywhere"
    assert services_for(DIRECTORY, "", "violence").reason == EVERYWHERE


def test_a_shelter_is_never_told_by_its_place() -> None:
    confidential = [service for service in DIRECTORY.services.values() if service.confidential]
    assert confidential
    for service in confidential:
        assert service.places == ()
        for language in LIBRARY.languages:
            text = " ".join(LIBRARY.part(language, f"{FINDER}.svc-{service.id}").messages)
            assert not ADDRESS.search(re.sub(r"\{.*?\}", "", text))
            assert found(text) == ()


def test_no_answer_is_longer_than_a_screen_with_its_facts_in_it() -> None:
    for place, need in product(HERE, DIRECTORY.needs):
        answer = services_for(DIRECTORY, place, need)
        assert len([part for part in (answer.reason, answer.neighbour, *answer.services) if part]) <= 4
    for language, service in product(LIBRARY.languages, DIRECTORY.services):
        assert len(put_into_words(say(f"{FINDER}.svc-{service}"), language, LIBRARY)[0].text) <= 400, (language, service)


# When somebody is there.

OFFICE = Hours((0, 1, 2, 3, 4), 9 * 60, 18 * 60)


@pytest.mark.parametrize(
    ("hours", "weekday", "minute", "zone", "holiday", "there"),
    [
        (OFFICE, 0, 9 * 60, 0, False, True),
        (OFFICE, 0, 9 * 60, -1, False, False),
        (OFFICE, 0, 10 * 60, -1, False, True),
        (OFFICE, 4, 17 * 60 + 59, 0, False, True),
        (OFFICE, 4, 18 * 60, 0, False, False),
        (OFFICE, 4, 18 * 60 + 30, -1, False, True),
        (OFFICE, 5, 12 * 60, 0, False, False),
        (OFFICE, 2, 12 * 60, 0, True, False),
        (Hours((6,), 23 * 60, 24 * 60), 0, 30, -1, False, True),
        (Hours((0,), 0, 60), 6, 23 * 60 + 30, 1, False, True),
        (DAY_AND_NIGHT, 6, 3 * 60, -1, True, True),
        (None, 0, 12 * 60, 0, False, None),
    ],
)
def test_somebody_is_there_by_the_clock_of_the_place(
    hours: Hours | None, weekday: int, minute: int, zone: int, holiday: bool, there: bool | None
) -> None:
    assert open_at(hours, weekday, minute, zone, holiday=holiday) is there


def test_the_three_western_aimags_are_an_hour_behind() -> None:
    assert {place.id: place.zone for place in PLACES if place.zone} == {"pl-071": -1, "pl-046": -1, "pl-043": -1}


def test_naadam_is_a_holiday() -> None:
    assert {"07-11", "07-12", "07-13"} <= DIRECTORY.holidays


# What is not whole is refused.


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content, to be spoilt."""
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


def edit(path: Path, before: str, after: str, times: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert before in text, "the test changes nothing"
    path.write_text(text.replace(before, after, times), encoding="utf-8")


def drop(path: Path, name: str) -> None:
    """Take out an entry of a file."""
    text = path.read_text(encoding="utf-8")
    without = re.sub(rf"(?m)^  {name}:\n(?:    .*\n)+", "", text.partition("services:\n")[2] or text)
    assert without != text
    path.write_text(text.partition("services:\n")[0] + "services:\n" + without, encoding="utf-8")


CARD, PLACES_FILE, SERVICES_FILE = "mn/help/near-me.md", "places.yaml", "services.yaml"
IN_CARD = "Хаана байдгийг нь"  # what svc-shelters says of where they are
SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("a service at no place", lambda c: edit(c / SERVICES_FILE, "[pl-046, pl-043, ", "[pl-999, "), "at pl-999"),
    ("an unknown need", lambda c: edit(c / SERVICES_FILE, "needs: [medical]", "needs: [medical, dentist]"), "dentist"),
    ("an unknown fact", lambda c: edit(c / SERVICES_FILE, "facts: [hl-mn-103]", "facts: [hl-mn-103, hl-1]"), "no fact hl-1"),
    ("a fact not for the public", lambda c: edit(c / SERVICES_FILE, "[hl-mn-103]", "[hl-mn-103, hl-mn-1903]"), "may not"),
    ("a service named once", lambda c: edit(c / SERVICES_FILE, "{mn: Цагдаа, en: Police}", "{mn: Цагдаа}"), "no name in en"),
    ("a place named once", lambda c: edit(c / PLACES_FILE, "{mn: Увс, en: Uvs}", "{mn: Увс}"), "no name in en"),
    ("hours that are none", lambda c: edit(c / SERVICES_FILE, "hours: day-and-night", "hours: always"), "child-line"),
    ("a service without words", lambda c: edit(c / CARD, "## svc-iom\n", "## svc-other\n"), "write ## svc-iom"),
    ("words without a service", lambda c: drop(c / SERVICES_FILE, "mignet"), "svc-mignet is about no service"),
    ("nobody to call", lambda c: drop(c / SERVICES_FILE, "ambulance"), "nobody to call"),
    ("another's fact", lambda c: edit(c / CARD, "## svc-iom\n", "## svc-iom\n{hl-mn-103} "), "not among the facts"),
    ("no number", lambda c: edit(c / CARD, "{hl-mn-1890}: монголоор", "утас: монголоор"), "names no number"),
    ("a shelter's street", lambda c: edit(c / CARD, IN_CARD, "Энхтайваны гудамж. Хаана"), "confidential"),
    ("a shelter's avenue", lambda c: edit(c / "en/help/near-me.md", "Where they", "Peace Avenue. Where they"), "confidential"),
    ("a shelter's aimag", lambda c: edit(c / CARD, IN_CARD, "Дарханд бий. Хаана"), "confidential"),
    ("a shelter's khoroo", lambda c: edit(c / CARD, IN_CARD, "4-р хороонд. Хаана"), "confidential"),
    ("half a neighbour", lambda c: edit(c / PLACES_FILE, "neighbours: [pl-049]", "neighbours: [pl-049, pl-071]"), "name it back"),
    ("a shared name", lambda c: edit(c / PLACES_FILE, "[Bagahangai]", "[Bagahangai, Ховд]"), "asks which is meant"),
    ("a place without button", lambda c: edit(c / CARD, "* pl-073: Архангай", ""), "nobody can choose pl-073"),
    ("a place without words", lambda c: edit(c / CARD, "## pl-073\n", "## pl-074\n"), "without the part ## pl-073"),
    ("a button to no need", lambda c: edit(c / CARD, "* medical: ", "* dentist: "), "dentist"),
    ("no places at all", lambda c: (c / PLACES_FILE).unlink(), "cannot do without"),
    ("no finder", lambda c: edit(c / CARD, "kind: flow", "kind: menu"), "kind is flow"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_a_fault_of_the_directory_is_named_with_its_file_and_line(
    content: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(content)
    with pytest.raises(ContentError) as caught:
        load_library(content)
    assert told in str(caught.value)
    assert all(line.startswith("content/") and line.split(":")[1].isdigit() for line in str(caught.value).splitlines())


def test_the_fault_of_a_service_is_named_at_its_own_line(content: Path) -> None:
    """`police` is the name of a need as well, further up in the file."""
    edit(content / SERVICES_FILE, "{mn: Цагдаа, en: Police}", "{mn: Цагдаа}")
    rows = (content / SERVICES_FILE).read_text(encoding="utf-8").splitlines()
    line = max(number for number, row in enumerate(rows, 1) if row == "  police:")
    with pytest.raises(ContentError, match=rf"services\.yaml:{line}:"):
        load_library(content)


def test_a_service_is_checked_when_all_its_facts_are(content: Path) -> None:
    assert all(not service.checked_on for service in DIRECTORY.services.values()), "nobody has dialled a number yet"
    hotlines = content / "facts/hotlines.yaml"
    text = hotlines.read_text(encoding="utf-8")
    first, name, rest = text.partition("hl-mn-103:")
    rest = rest.replace("checked_on: null", "checked_on: 2026-12-01", 1).replace("checked_by: null", "checked_by: Bat", 1)
    hotlines.write_text(first + name + rest, encoding="utf-8")
    services = load_library(content).directory.services
    assert (services["ambulance"].checked_on, services["ambulance"].checked_by) == ("2026-12-01", "Bat")
    assert services["police"].checked_on == ""


# In a conversation.


def located(latitude: float, longitude: float) -> Message:
    return Message("1", "test", "me", attachment="location", point=(latitude, longitude))


@pytest.mark.parametrize("language", ["mn", "en"])
def test_a_location_is_answered_by_the_finder_and_forgotten(guide: Guide, language: str) -> None:
    replies, events = respond(guide, Conversation(language, met=True), located(48.1, 91.7))
    assert [reply.name for reply in replies] == [f"{FINDER}.location", f"{FINDER}.pl-043", f"{FINDER}.need"]
    kept = dump(Conversation(language, met=True).after(events)) + repr(events)
    assert "48.1" not in kept
    assert "91.7" not in kept


def test_a_location_answers_the_finder_that_asked_for_it(guide: Guide) -> None:
    conversation = Conversation("mn", met=True)
    conversation = conversation.after(respond(guide, conversation, Message("1", "test", "me", tap="return/services")).events)
    replies, _ = respond(guide, conversation, located(47.9, 106.9))
    assert [reply.name for reply in replies] == [f"{FINDER}.location", f"{FINDER}.pl-ub", "return/services.need"]


@pytest.mark.parametrize("point", [(37.6, 127.0), (43.7, 112.0), (39.9, 116.4)])
def test_a_location_beyond_the_border_is_shown_help_abroad(guide: Guide, point: tuple[float, float]) -> None:
    replies, _ = respond(guide, Conversation("mn", met=True), located(*point))
    assert [reply.name for reply in replies] == [f"{FINDER}.location-abroad", "help/abroad"]


def test_a_location_that_the_channel_cannot_read_is_answered_as_before(guide: Guide) -> None:
    replies, _ = respond(guide, Conversation("mn", met=True), Message("1", "test", "me", attachment="location"))
    assert [reply.name for reply in replies] == ["talk/media.location"]


def shared(**fields: Any) -> dict[str, Any]:
    message = {"chat": {"type": "private", "id": 7}, "location": {"latitude": 47.918873, "longitude": 106.917702}, **fields}
    return {"update_id": 1, "message": message}


def test_a_shared_location_is_rounded_before_anybody_else_sees_it() -> None:
    message = read(shared())
    assert isinstance(message, Message)
    assert message.point == (47.9, 106.9)
    assert "106" not in str(message), "nor does it show in a log or an error"


@pytest.mark.parametrize("location", [{}, {"latitude": "47", "longitude": "106"}, None, [47.9, 106.9], {"latitude": 47.9}])
def test_a_location_without_figures_is_still_an_attachment(location: Any) -> None:
    message = read(shared(location=location))
    assert isinstance(message, Message)
    assert (message.attachment, message.point) == ("location", None)


def test_a_location_that_moves_is_answered_once() -> None:
    update = shared()
    assert read({"update_id": 2, "edited_message": update["message"]}) is None


def test_no_place_is_remembered_after_the_answer(guide: Guide) -> None:
    conversation = Conversation("mn", met=True)
    for number, said in enumerate(("help/near-me", "Ховд", "shelter", "menu/main")):
        tap = said if said.isascii() else ""
        message = Message(str(number), "test", "me", tap=tap, text="" if tap else said)
        conversation = restore(dump(conversation.after(respond(guide, conversation, message).events)))
    assert "pl-" not in dump(conversation)


def test_danger_is_first_at_every_question_of_the_finder(guide: Guide) -> None:
    cries = {"mn": "Дарханд намайг зодож байна", "en": "he is hitting me in Darkhan"}
    for language, finder in product(cries, FINDERS):
        card = guide.library.card(language, finder)
        for part in card.parts:
            asked = f"{finder}.{part}" if part else finder
            waiting = replace(Conversation(language, met=True), asked=asked)
            replies, _ = respond(guide, waiting, Message("1", "test", "me", text=cries[language]))
            assert replies[0].name.startswith("help/emergency"), asked
