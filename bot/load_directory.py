"""Reads content/places.yaml and content/services.yaml: where people are, who helps them, and when.

How they are written is told in docs/content.md, "A service".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from bot.content import Fact
from bot.directory import DAY_AND_NIGHT, Directory, Hours, Need, Place, Service, build_directory
from bot.files import Faults, line_of, read_file
from bot.understand.fold import fold

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PLACES, SERVICES = "places.yaml", "services.yaml"

Degrees = tuple[Annotated[float, msgspec.Meta(ge=-90, le=90)], Annotated[float, msgspec.Meta(ge=-180, le=180)]]
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^([01]?\d|2[0-4]):[0-5]\d$")]
YesOrNo = Literal["yes", "no"]


class WrittenPlace(msgspec.Struct, forbid_unknown_fields=True):
    """A place as it is written."""

    kind: Literal["capital", "district", "aimag", "abroad"]
    name: dict[str, str]
    group: str = ""
    within: str = ""
    centre: dict[str, str] = {}
    spellings: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    points: tuple[Degrees, ...] = ()
    neighbours: tuple[str, ...] = ()
    zone: Annotated[int, msgspec.Meta(ge=-12, le=12)] = 0


class WrittenNeed(msgspec.Struct, forbid_unknown_fields=True):
    """A need as it is written."""

    words: dict[str, tuple[str, ...]] = {}
    cards: tuple[str, ...] = ()


class WrittenHours(msgspec.Struct, forbid_unknown_fields=True):
    """Hours as they are written, when they are neither unknown nor all day and night."""

    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...]
    opens: TimeOfDay
    closes: TimeOfDay


class WrittenService(msgspec.Struct, forbid_unknown_fields=True):
    """A service as it is written."""

    name: dict[str, str]
    needs: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    places: Literal["all"] | Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    facts: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    hours: Literal["day-and-night", "unknown"] | WrittenHours
    confidential: YesOrNo = "no"
    for_neighbours: YesOrNo = "no"


class WrittenWays(msgspec.Struct, forbid_unknown_fields=True):
    """What stands in places.yaml beside the places: how they are told, offered and counted."""

    kinds: dict[str, tuple[str, ...]]
    besides: tuple[str, ...]
    soums: tuple[str, ...]
    groups: tuple[str, ...]
    unclear: dict[str, tuple[str, ...]]
    holidays: tuple[Annotated[str, msgspec.Meta(pattern=r"^[01]\d-[0-3]\d$")], ...]


Written = TypeVar("Written")


def load_directory(content: Path, facts: Mapping[str, Fact], faults: Faults) -> Directory:
    """All places, needs and services. What cannot be read is among the faults, and left out."""
    missing = [path for name in (PLACES, SERVICES) if not (path := content / name).exists()]
    for path in missing:
        faults.add(path, 1, "the finder of services cannot do without this file: docs/content.md, A service")
    if missing:
        return Directory()
    of_places, of_services = read_file(content / PLACES, faults), read_file(content / SERVICES, faults)
    try:
        ways = msgspec.convert({name: found for name, found in of_places.items() if name != "places"}, WrittenWays)
    except msgspec.ValidationError as problem:
        faults.add(content / PLACES, 1, f"{problem}: docs/content.md, A service")
        return Directory()
    return build_directory(
        [
            Place(
                id=name,
                kind=place.kind,
                name=place.name,
                group=place.group,
                within=place.within,
                spellings=place.spellings,
                centres=tuple(place.centre.values()),
                alone=place.alone,
                points=place.points,
                neighbours=place.neighbours,
                zone=place.zone,
            )
            for name, place in entries(content / PLACES, "places", WrittenPlace, of_places, faults)
        ],
        [
            Need(name, tuple(fold(word) for words in need.words.values() for word in words), need.cards)
            for name, need in entries(content / SERVICES, "needs", WrittenNeed, of_services, faults)
        ],
        [
            service_of(name, service, facts)
            for name, service in entries(content / SERVICES, "services", WrittenService, of_services, faults)
        ],
        groups=ways.groups,
        unclear={part: frozenset(places) for part, places in ways.unclear.items()},
        holidays=ways.holidays,
        kinds=ways.kinds,
        besides=ways.besides,
        soums=ways.soums,
    )


def entries(
    path: Path, section: str, kind: type[Written], read: Mapping[str, Any], faults: Faults
) -> Iterator[tuple[str, Written]]:
    """The entries of one section of a file, each by its name."""
    found = read.get(section)
    if not isinstance(found, dict):
        faults.add(path, 1, f"there are no {section}: docs/content.md, A service")
        return
    for name, entry in found.items():
        try:
            yield name, msgspec.convert(entry, kind)
        except msgspec.ValidationError as problem:
            faults.add(path, line_of(path, f"{name}:", after=f"{section}:"), f"{name}: {problem}: docs/content.md, A service")


def service_of(name: str, written: WrittenService, facts: Mapping[str, Fact]) -> Service:
    """A service, with what its facts tell: which are numbers to call, and since when all of them are checked."""
    known = [facts[fact] for fact in written.facts if fact in facts]
    checks = sorted((fact.checked_on, fact.checked_by) for fact in known)
    checked_on, checked_by = checks[0] if checks and all(on for on, _ in checks) else ("", "")
    return Service(
        id=name,
        name=written.name,
        needs=written.needs,
        places=() if written.places == "all" else tuple(written.places),
        facts=written.facts,
        phones=tuple(fact.id for fact in known if fact.kind == "phone"),
        hours=hours_of(written.hours),
        confidential=written.confidential == "yes",
        for_neighbours=written.for_neighbours == "yes",
        checked_on=checked_on,
        checked_by=checked_by,
    )


def hours_of(written: str | WrittenHours) -> Hours | None:
    if isinstance(written, WrittenHours):
        return Hours(tuple(WEEK.index(day) for day in written.days), minute_of(written.opens), minute_of(written.closes))
    return DAY_AND_NIGHT if written == "day-and-night" else None


def minute_of(time: str) -> int:
    """The minute of the day that a time such as 9:00 is."""
    hours, _, minutes = time.partition(":")
    return 60 * int(hours) + int(minutes)
