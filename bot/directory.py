"""Who helps with what, and where: finds the place a person means and the services for it.

Rule 1: there is always an answer; where nothing is known nearby, that is said, and what helps everywhere is given.
Rule 2: no clock is read and no place is kept: the time and the place are arguments.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import cos, hypot, radians

from bot.understand.fold import fold, words
from bot.understand.spelling import nearly

LOCAL, NEIGHBOUR, NATIONWIDE, EVERYWHERE = "local", "neighbour", "nationwide", "everywhere"  # why just these services
SHOWN = 3  # services in one answer
LONGEST = 3  # words of a place's name, with the word for what it is
FAR = 400.0  # kilometres from every place we know: she is somewhere else in the world
DEGREE = 111.2  # kilometres of one degree of latitude
DAY = 24 * 60  # minutes
ABROAD = "abroad"  # the kind of places beyond the border
ENDINGS = (
    "d",
    "t",
    "ad",
    "od",
    "ed",
    "id",
    "n",
    "in",
    "ni",
    "as",
    "os",
    "es",
    "is",
    "g",
    "ig",
    "ar",
    "or",
    "er",
    "ro",
    "lo",
    "tai",
)  # folded


@dataclass(frozen=True, slots=True)
class Place:
    """The capital, a district, an aimag, or a place abroad."""

    id: str
    kind: str  # capital, district, aimag or abroad
    name: Mapping[str, str]  # by language
    group: str = ""  # under which the finder offers it
    within: str = ""  # the capital, for its districts
    spellings: tuple[str, ...] = ()  # other ways to write its name, that of its centre among them
    centres: tuple[str, ...] = ()  # the names of its centre
    alone: tuple[str, ...] = ()  # names that mean something else in a sentence, and count only when they are all that is said
    points: tuple[tuple[float, float], ...] = ()  # latitude and longitude of its towns
    neighbours: tuple[str, ...] = ()
    zone: int = 0  # hours before or behind the clocks of Ulaanbaatar


@dataclass(frozen=True, slots=True)
class Need:
    """Something that people need help with."""

    id: str
    words: tuple[str, ...] = ()  # folded: that tell it, by how they begin
    cards: tuple[str, ...] = ()  # that answer it for any place


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there: on these days of the week, 0 for Monday, between these minutes of the day."""

    days: tuple[int, ...]
    opens: int
    closes: int


DAY_AND_NIGHT = Hours(tuple(range(7)), 0, DAY)


@dataclass(frozen=True, slots=True)
class Service:
    """Somebody who helps. What is said of it is the part svc-<id> of the finder's card."""

    id: str
    name: Mapping[str, str]
    needs: tuple[str, ...]
    places: tuple[str, ...] = ()  # () is everywhere
    facts: tuple[str, ...] = ()  # that it rests on
    phones: tuple[str, ...] = ()  # those of the facts that are numbers to call
    hours: Hours | None = None  # None: nobody has told us
    confidential: bool = False  # a shelter: where it is must never be told
    for_neighbours: bool = False  # people of the places around may go there as well
    checked_on: str = ""  # the day of the oldest check of its facts; "" while one of them is not checked
    checked_by: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The services for a place and a need, and why just these: LOCAL, NEIGHBOUR, NATIONWIDE or EVERYWHERE."""

    reason: str
    services: tuple[str, ...]
    neighbour: str = ""  # the place that the first of them is at, when it is another than was asked for


@dataclass(frozen=True, slots=True)
class Directory:
    """All places, needs and services, in the order in which they are written."""

    places: Mapping[str, Place] = field(default_factory=dict)
    needs: Mapping[str, Need] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    unclear: Mapping[str, frozenset[str]] = field(default_factory=dict)  # what asks which is meant -> the places sharing a name
    holidays: frozenset[str] = frozenset()  # month and day, such as 07-11, on which offices are closed
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)  # folded name, without blanks -> the places it may mean
    alone: Mapping[str, frozenset[str]] = field(default_factory=dict)  # the same, of names that count only by themselves
    besides: frozenset[str] = frozenset()  # folded words beside a name that tell nothing of where
    soums: frozenset[str] = frozenset()  # folded words that make the name before them that of a soum: it tells no aimag


def build_directory(
    places: Iterable[Place],
    needs: Iterable[Need],
    services: Iterable[Service],
    *,
    groups: tuple[str, ...] = (),
    unclear: Mapping[str, frozenset[str]] | None = None,
    holidays: Iterable[str] = (),
    kinds: Mapping[str, Sequence[str]] | None = None,
    besides: Iterable[str] = (),
    soums: Iterable[str] = (),
) -> Directory:
    """A directory that knows its places by every spelling. `kinds`: what people put after the name of an aimag, a district …"""
    after = kinds or {}
    known = {place.id: place for place in places}
    names: dict[str, set[str]] = {}
    alone: dict[str, set[str]] = {}
    for place in known.values():
        for name in spelt(place):
            names.setdefault(joined(name), set()).add(place.id)
        for name in place.alone:
            alone.setdefault(joined(name), set()).add(place.id)
        for name in named_with_kind(place, after):
            names.setdefault(joined(name), set()).add(place.id)
    kind_words = (fold(word) for listed in after.values() for word in listed)
    return Directory(
        places=known,
        needs={need.id: need for need in needs},
        services={service.id: service for service in services},
        groups=groups,
        unclear=unclear or {},
        holidays=frozenset(holidays),
        names={name: frozenset(ids) for name, ids in names.items() if name not in alone},
        alone={name: frozenset(ids) for name, ids in alone.items()},
        besides=frozenset((*(fold(word) for word in besides), *kind_words)),
        soums=frozenset(fold(word) for word in soums),
    )


def spelt(place: Place) -> list[str]:
    """Every way to write the name of a place or of its centre."""
    return [*place.name.values(), *place.spellings, *place.centres]


def named_with_kind(place: Place, kinds: Mapping[str, Sequence[str]]) -> list[str]:
    """The names with what the place is: "Сүхбаатар дүүрэг" is one place where "Сүхбаатар" is several."""
    whole = [*place.name.values(), *place.spellings, *place.alone]
    return [
        *(f"{name} {word}" for name in whole for word in kinds.get(place.kind, ())),
        *(f"{name} {word}" for name in (*place.centres, *place.alone) for word in kinds.get("centre", ())),
    ]


def joined(text: str) -> str:
    """The folded text without blanks: Говь-Алтай, Говь Алтай and Govialtai are one name."""
    return "".join(words(text))


def places_named(directory: Directory, said: Sequence[str]) -> tuple[str, ...]:
    """The places that these folded words name: none, one, or those of which it is not clear which is meant.

    The longest name counts. A district narrows its city, and any other place named beside an unclear name decides it.
    """
    found, at = list[frozenset[str]](), 0
    while at < len(said):
        lengths = range(min(LONGEST, len(said) - at), 0, -1)
        length, ids = next(((n, ids) for n in lengths if (ids := named("".join(said[at : at + n]), directory.names))), (1, None))
        at += length
        if ids and not soum_named(directory, said[at : at + 1]):
            found.append(ids)
    if not found:
        return ordered(named_alone(directory, said), directory)
    told = frozenset(chain.from_iterable(found))
    common = frozenset.intersection(*(with_districts(ids, directory) for ids in found)) & told
    return ordered(common or told, directory)


def named_alone(directory: Directory, said: Sequence[str]) -> frozenset[str]:
    """The places that the words name when they are nothing but a name, which may then be misspelt, or mean something else too."""
    whole = "".join(word for word in said if word not in directory.besides and not word.isdigit())
    names = {**directory.names, **directory.alone}
    return named(whole, names) or names.get(nearly(whole, names), frozenset())


def named(word: str, names: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """The places of this name, which may stand in any case: Ховдод, Ховдын, Ховдоос."""
    return next((names[stem] for stem in stems(word) if stem in names), None)


def stems(word: str) -> Iterator[str]:
    """The word as it is, and without each ending that it may have."""
    yield word
    for ending in ENDINGS:
        if word.endswith(ending):
            yield word.removesuffix(ending)


def with_districts(ids: frozenset[str], directory: Directory) -> frozenset[str]:
    """These places, and the districts of a city among them."""
    return ids | {place.id for place in directory.places.values() if place.within in ids}


def ordered(ids: Iterable[str], directory: Directory) -> tuple[str, ...]:
    wanted = set(ids)
    return tuple(place for place in directory.places if place in wanted)


def soum_named(directory: Directory, said: Sequence[str]) -> bool:
    """Whether these folded words speak of a soum."""
    return any(stem in directory.soums for word in said for stem in stems(word))


def need_named(directory: Directory, said: Sequence[str]) -> str:
    """The first need that these folded words tell, or ""."""
    text = f" {' '.join(said)}"
    return next((need.id for need in directory.needs.values() if any(f" {word}" in text for word in need.words)), "")


def which_of(directory: Directory, places: Iterable[str]) -> str:
    """What asks which of these places is meant, or "" when nothing does."""
    wanted = frozenset(places)
    return next((part for part, ids in directory.unclear.items() if wanted and wanted <= ids), "")


def nearest_place(directory: Directory, latitude: float, longitude: float) -> str:
    """The place nearest to a point, by the nearest of its towns; "" when all are too far."""
    ways = [(distance(latitude, longitude, *point), place.id) for place in directory.places.values() for point in place.points]
    away, place = min(ways, default=(FAR, ""))
    return place if away < FAR else ""


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The kilometres between two points, as if the earth were flat between them: right to a few in a hundred."""
    east = (other_longitude - longitude) * cos(radians((latitude + other_latitude) / 2))
    return DEGREE * hypot(other_latitude - latitude, east)


def services_for(directory: Directory, place: str = "", need: str = "") -> Found:
    """At most SHOWN services: those of the place, else of the nearest neighbour, then those that help everywhere.

    Somebody who is there day and night comes before others that fit as well. EVERYWHERE: no place is given, or all are the same.
    """
    fitting = sorted(
        (service for service in directory.services.values() if not need or need in service.needs),
        key=lambda service: service.hours != DAY_AND_NIGHT,
    )
    everywhere = tuple(service.id for service in fitting if not service.places)
    if not place or not any(service.places for service in fitting):
        return Found(EVERYWHERE, everywhere[:SHOWN])
    local = services_at(directory, place, fitting)
    if local:
        return Found(LOCAL, (*local[: SHOWN - 1], *everywhere)[:SHOWN])
    for neighbour in by_distance(directory, place):
        if there := services_at(directory, neighbour, (service for service in fitting if service.for_neighbours)):
            return Found(NEIGHBOUR, (there[0], *everywhere)[: SHOWN - 1], neighbour)  # its name is told as well
    return Found(NATIONWIDE, everywhere[:SHOWN])


def services_at(directory: Directory, place: str, services: Iterable[Service]) -> tuple[str, ...]:
    """Those of these services that are at the place, in its districts, or in the city it is a district of."""
    around = with_districts(frozenset((place,)), directory) | {directory.places[place].within}
    return tuple(service.id for service in services if around & set(service.places))


def by_distance(directory: Directory, place: str) -> list[str]:
    """The neighbours of a place, the nearest first; those whose distance nobody knows last, in the order written."""
    here = directory.places[place]

    def away(other: str) -> float:
        points = directory.places[other].points
        return distance(*here.points[0], *points[0]) if here.points and points else FAR

    return sorted(here.neighbours, key=away)


def open_at(hours: Hours | None, weekday: int, minute: int, zone: int = 0, *, holiday: bool = False) -> bool | None:
    """Whether somebody is there at this minute of this day, by the clocks of Ulaanbaatar; None when the hours are not known.

    `zone`: by how many hours the clocks of the place differ. `holiday`: the day there is a public holiday, on which only
    those answer who always do.
    """
    if hours is None:
        return None
    if hours == DAY_AND_NIGHT:
        return True
    days, there = divmod(minute + 60 * zone, DAY)
    return not holiday and (weekday + days) % 7 in hours.days and hours.opens <= there < hours.closes
