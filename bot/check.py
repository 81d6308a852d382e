"""What must hold before a person may read the content. Every fault is named by file and line, with what to do."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bot.checks import BEGIN, SKIP, SKIPPED, UNKNOWN, Check, part_of
from bot.content import KINDS, QUOTE, Card, Library, Part, option_place
from bot.dialogue import BACK, EMERGENCY, FINDER, FINDERS, MENU, START
from bot.directory import ABROAD, EVERYWHERE, LOCAL, NATIONWIDE, NEIGHBOUR, Directory, Place, Service, places_named
from bot.files import Faults, line_of
from bot.limits import COMMON, LABEL, MESSAGE, MESSAGES, OPTIONS, TAP
from bot.understand.fold import words

NEEDED = (START, MENU, EMERGENCY, "help/counsellor", "help/abroad", "about/language", *FINDERS)
NEEDED_TALK = (
    "hello",
    "demo",
    "not-understood",
    "misunderstood",
    "media",
    "buttons",
    "unavailable",
    "page",
    "later",
    "resumed",
    "deletion",
    "safety-line",
    "group",
    "distress",
    "risk",
    "danger-question",
)
BUTTONS = (BACK, "menu", "help", "start", "next", "continue", "restart", UNKNOWN, SKIP)
PEOPLE = {"help/counsellor", "help/hotlines"}
ON_SAFETY = ("signs/", "trafficking/", "help/")
EMERGENCY_FACT = "hl-mn-102"
EMPTY = Card("", {})
ADDRESS = re.compile(  # words of an address, or of the way to one
    r"гудамж|өргөн чөлөө|тоот|хороо|хороолол|давхар|хаяг:|байрны|-р байр|зогсоол|хажууд|хажуугийн"
    r"|эсрэг талд|урд талд|хойд талд"
    r"|\b(?:street|avenue|road|khoroo|building|floor|apartment|flat|gate|opposite|behind|next to|near the|address:)\b",
    re.IGNORECASE,
)
TYPED_DIGITS = re.compile(
    r"(?<![\w{])(?!20[0-3]\d(?!\d))\+?\d(?:[ -]?\d){2,}"
)  # three digits or more that are not a year of ours


def check(library: Library, content: Path, faults: Faults) -> None:
    """Everything that must hold before a person may read this."""
    for name in (*NEEDED, *(f"talk/{last}" for last in NEEDED_TALK)):
        if not all(name in cards for cards in library.cards.values()):
            faults.add(content / "mn" / f"{name}.md", 1, "the bot cannot do without this card; write it in every language")
    for language, cards in library.cards.items():
        for name, card in cards.items():
            path = content / language / f"{name}.md"
            for line, what in (*card_faults(name, card, library), *twin_faults(name, card, language, library)):
                faults.add(path, line if isinstance(line, int) else line_of(path, line), what)
            for quoted in sorted(set(card.source) | set(quotes(card))):
                if wrong := fact_fault(quoted, quoted in quotes(card), library):
                    faults.add(path, line_of(path, "source:"), wrong)
        buttons = cards["talk/buttons"].parts[""].options if "talk/buttons" in cards else ()
        for missing in set(BUTTONS) - {option.name for option in buttons}:
            faults.add(content / language / "talk/buttons.md", 1, f"add the button `* {missing}: …`")
    check_checks(library, content, faults)
    check_directory(library, content, faults)


def card_faults(name: str, card: Card, library: Library) -> Iterator[tuple[int | str, str]]:
    if card.kind not in KINDS:
        yield "kind:", f"kind is one of {', '.join(KINDS)}, not {card.kind!r}"
    if not card.label or len(card.label) > LABEL:
        yield "label:", f"a label has 1 to {LABEL} characters; this has {len(card.label)}: {card.label!r}"
    if not all(card.reviewed):
        yield "reviewed:", "say who read this text and when: `reviewed: {by: …, on: …}`"
    if name.startswith(ON_SAFETY) and not any(f"{{{EMERGENCY_FACT}}}" in text for text in card.parts[""].messages):
        yield card.parts[""].line, f"a card about safety names the emergency number: quote {{{EMERGENCY_FACT}}}"
    for same in sorted(set(card.asks) & set(card.tries)):
        yield "tries:", f"a try may not be an ask as well: {same!r}"
    for part_name, part in card.parts.items():
        yield from part_faults(name, part_name, part, card, library)


def part_faults(name: str, part_name: str, part: Part, card: Card, library: Library) -> Iterator[tuple[int, str]]:
    here = f"{name}.{part_name}" if part_name else name
    if not part.messages:
        yield part.line, f"{here} says nothing; write its text"
    if len(part.messages) > MESSAGES:
        yield part.line, f"{here} has {len(part.messages)} messages; at most {MESSAGES}, else make two cards"
    for text in part.messages:
        if len(text) > MESSAGE:
            yield part.line, f"a message has {len(text)} characters; at most {MESSAGE}, else put a line --- in it: {text[:40]!r}"
        if digits := TYPED_DIGITS.search(QUOTE.sub("", text)):
            yield part.line, f"digits are quoted from content/facts, never typed: {digits[0].strip()!r}"
    if len(part.options) > OPTIONS - COMMON and card.kind != "labels":
        yield (
            part.line,
            f"{here} has {len(part.options)} buttons; at most {OPTIONS - COMMON}, since help, menu and back come on top",
        )
    for option in part.options:
        place = option_place(name, option.name)
        if len(option.label) > LABEL:
            yield part.line, f"a button has {len(option.label)} characters; at most {LABEL}: {option.label!r}"
        if len(place.encode()) > TAP:
            yield part.line, f"the name {place} is too long for a button; at most {TAP} bytes"
        if card.kind == "check":
            if not option.label:
                yield part.line, f"every answer needs words: `* {option.name.rpartition('-')[2]}: …`"
            continue  # where an answer leads, content/checks says
        if "/" in place and not library.has(place):
            yield part.line, f"the button `* {option.name}` leads nowhere: there is no {place}"
        if "/" not in place and card.kind not in ("flow", "labels"):
            yield part.line, f"only a flow has answers of its own; name a card or a part for `* {option.name}`"
        if not option.label and (place.partition(".")[2] or "/" not in place):
            yield part.line, f"the button `* {option.name}` needs words: `* {option.name}: …`"


def check_checks(library: Library, content: Path, faults: Faults) -> None:
    """Every check has its structure and its words, and the two agree."""
    cards = [name for name, card in library.cards["mn"].items() if card.kind == "check"]
    for path in sorted(content.glob("checks/*.yaml")):
        if path.stem not in {name.rpartition("/")[2] for name in cards}:
            faults.add(path, 1, f"no card of kind check is called {path.stem}; write it, or remove this file")
    for name in cards:
        path = content / "checks" / f"{name.rpartition('/')[2]}.yaml"
        check = library.checks.get(name)
        if check is None:
            if not path.exists():
                faults.add(content / "mn" / f"{name}.md", 1, f"a check needs its structure: write content/checks/{path.name}")
            continue
        for start, what in structure_faults(check, library):
            faults.add(path, line_of(path, start), what)
        for language, known in library.cards.items():
            if name in known and known[name].kind == "check":
                for line, what in words_faults(check, known[name]):
                    faults.add(content / language / f"{name}.md", line, what)


def structure_faults(check: Check, library: Library) -> Iterator[tuple[str, str]]:
    """What is wrong with a check before any word of it: where, as the beginning of a line, and what."""
    questions, bands = (question.name for question in check.questions), (band.name for band in check.bands)
    names = [BEGIN, SKIPPED, *questions, *bands, *check.answers]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        yield "questions:", f"{twice} means two things; rename one ({UNKNOWN} and {SKIP} are always there)"
    for question in check.questions:
        if not question.scores or len(question.answers) > OPTIONS - COMMON:
            yield f"{question.name}:", f"{question.name} has {len(question.scores)} answers; 1 to {OPTIONS - COMMON - 2}"
    least = [band.least for band in check.bands]
    if least[-1] != 0 or any(higher <= lower for higher, lower in pairwise(least)):
        yield "bands:", f"bands stand from the highest to the lowest, and the lowest begins at 0: these begin at {least}"
    sums = {0}
    for question in check.questions:
        sums = {total + counts for total in sums for counts in (0, *question.scores.values())}
    for band, higher in zip(check.bands, (max(sums) + 1, *least), strict=False):
        if not any(band.least <= total < higher for total in sums):
            yield f"{band.name}:", f"no answers add up to {band.name}: they reach {sorted(sums)}"
        for card in band.next:
            if not library.has(card):
                yield f"{band.name}:", f"the next step {card} leads nowhere: there is no such card"
        if not PEOPLE & set(band.next) or len(band.next) > OPTIONS - COMMON:
            yield f"{band.name}:", f"the next steps lead to a person as well: one of {', '.join(sorted(PEOPLE))}"
    if not 0 < check.skipped <= len(check.questions):
        yield "skipped:", f"skipped is from how many open questions on the result says so: 1 to {len(check.questions)}"


def words_faults(check: Check, card: Card) -> Iterator[tuple[int, str]]:
    """What the words of a check in one language lack, or have too much of."""
    for missing in check.parts:
        if missing not in card.parts:
            yield 1, f"content/checks names {missing}: write its words under `## {missing}`"
    questions = {question.name: question for question in check.questions}
    for name, part in card.parts.items():
        if name and name not in (*check.parts, *check.answers):
            yield part.line, f"nobody ever sees {name}: it is no question, answer or band of content/checks"
        wanted = [f".{part_of(name, answer)}" for answer in questions[name].scores] if name in questions else []
        if [option.name for option in part.options] != wanted:
            buttons = ", ".join(questions[name].scores) if name in questions else "none"
            yield part.line, f"the buttons of {name or 'the beginning'} are, in this order: {buttons}"
        if len({option.label.casefold() for option in part.options}) < len(part.options):
            yield part.line, f"two answers of {name} have the same words"
        if name and name not in questions and len(part.messages) > 1:
            yield part.line, f"{name} is one message: a result says several parts at once"
    for number, question in enumerate(check.questions, start=1):
        begins = f"{number}/{len(check.questions)}. "
        part = card.parts.get(question.name, Part(()))
        if part.messages and not part.messages[0].startswith(begins):
            yield part.line, f"the question begins with how far she is: {begins!r}"


def check_directory(library: Library, content: Path, faults: Faults) -> None:
    """Every place can be chosen, every service rests on facts and has its words, and every need has somebody to call."""
    directory = library.directory
    for place in directory.places.values():
        for what in place_faults(place, library):
            path = content / "places.yaml"
            faults.add(path, line_of(path, f"{place.id}:", after="places:"), what)
    for service in directory.services.values():
        for what in service_faults(service, library):
            path = content / "services.yaml"
            faults.add(path, line_of(path, f"{service.id}:", after="services:"), what)
    for start, what in answer_faults(library):
        path = content / "services.yaml"
        faults.add(path, line_of(path, start, after="needs:"), what)
    for ids, names in shared_names(directory).items():
        if ids not in directory.unclear.values():
            path = content / "places.yaml"
            shared = ", ".join(sorted(ids))
            faults.add(path, line_of(path, "unclear:"), f"{shared} are all called {names[0]}: say here what asks which is meant")
    for language, cards in library.cards.items():
        for name in FINDERS:
            if name in cards:
                path = content / language / f"{name}.md"
                for line, what in finder_faults(name, cards[name], directory):
                    faults.add(path, line, what)


def place_faults(place: Place, library: Library) -> Iterator[str]:
    known = library.directory.places
    for language in library.languages:
        if not place.name.get(language):
            yield f"{place.id} has no name in {language}"
    for other in (*place.neighbours, *([place.within] if place.within else [])):
        if other not in known:
            yield f"{place.id} names {other}, which is no place here"
    for other in place.neighbours:
        if other in known and place.id not in known[other].neighbours:
            yield f"{place.id} has the neighbour {other}, which does not name it back"
    if place.group and place.group not in library.directory.groups:
        yield f"{place.id} is in the group {place.group}, which is not among the groups"


def service_faults(service: Service, library: Library) -> Iterator[str]:
    directory = library.directory
    for language in library.languages:
        if not service.name.get(language):
            yield f"{service.id} has no name in {language}"
        if f"svc-{service.id}" not in library.cards[language].get(FINDER, EMPTY).parts:
            yield f"{service.id} has no words: write ## svc-{service.id} in content/{language}/{FINDER}.md"
    for place in service.places:
        if place not in directory.places:
            yield f"{service.id} is at {place}, which is no place in content/places.yaml"
    for need in service.needs:
        if need not in directory.needs:
            yield f"{service.id} helps with {need}, which is not among the needs"
    for fact in service.facts:
        if wrong := fact_fault(fact, is_quoted=False, library=library):
            yield wrong
        elif service.confidential and library.facts[fact].kind == "address":
            yield f"{service.id} is confidential: it cannot rest on the address {fact}"


def answer_faults(library: Library) -> Iterator[tuple[str, str]]:
    """Needs for which some place would be left without a number, or that lead nowhere."""
    directory = library.directory
    for need in directory.needs.values():
        everywhere = [service for service in directory.services.values() if need.id in service.needs and not service.places]
        if not any(service.phones for service in everywhere):
            yield f"{need.id}:", f"whoever asks for {need.id} has nobody to call: a service for all places needs a phone"
        for card in need.cards:
            if not library.has(card):
                yield f"{need.id}:", f"{need.id} leads to {card}, and there is no such card"


def shared_names(directory: Directory) -> dict[frozenset[str], list[str]]:
    """The sets of places that share a name, with the names they share."""
    found: dict[frozenset[str], list[str]] = {}
    for name, ids in (*directory.names.items(), *directory.alone.items()):
        if len(ids) > 1:
            found.setdefault(ids, []).append(name)
    return found


def finder_faults(name: str, card: Card, directory: Directory) -> Iterator[tuple[int, str]]:
    """What a finder's card lacks: every place to choose, the words for each, and nothing about a service that is not there."""
    if card.kind != "flow":
        yield 1, f"{name} finds services by its handler: kind is flow"
    chosen = {option.name for part in card.parts.values() for option in part.options}
    here = [place.id for place in directory.places.values() if place.kind != ABROAD]
    for missing in sorted({*here, *directory.groups} - chosen):
        yield 1, f"nobody can choose {missing}: add a button to it"
    for missing in sorted({"need", "unknown", *directory.groups, *directory.unclear} - card.parts.keys()):
        yield 1, f"is without the part ## {missing}"
    for which, places in directory.unclear.items():
        if which in card.parts and not places <= {option.name for option in card.parts[which].options}:
            yield card.parts[which].line, f"{which} must offer {', '.join(sorted(places))}"
    answers = {"all", *directory.places, *directory.groups, *directory.needs}
    for part in card.parts.values():
        for option in part.options:
            if "/" not in option.name and option.name not in answers:
                yield part.line, f"the finder knows no place or need {option.name}: content/places.yaml, content/services.yaml"
    if name != FINDER:
        return
    reasons = (LOCAL, NEIGHBOUR, NATIONWIDE, EVERYWHERE, "location", "location-abroad")
    for missing in sorted({*here, *reasons} - card.parts.keys()):
        yield 1, f"is without the part ## {missing}"
    for part_name, part in card.parts.items():
        if part_name.startswith("pl-") and part_name not in directory.places:
            yield part.line, f"{part_name} is no place of content/places.yaml"
        if part_name.startswith("svc-"):
            yield from words_of_service_faults(part_name, part, directory)


def words_of_service_faults(part_name: str, part: Part, directory: Directory) -> Iterator[tuple[int, str]]:
    service = directory.services.get(part_name.removeprefix("svc-"))
    text = "\n".join(part.messages)
    quoted = set(QUOTE.findall(text))
    if service is None:
        yield part.line, f"{part_name} is about no service of content/services.yaml; remove it, or add the service"
        return
    for fact in sorted(quoted - set(service.facts)):
        yield part.line, f"{part_name} quotes {fact}, which is not among the facts of {service.id}"
    if service.phones and not quoted & set(service.phones):
        yield part.line, f"{part_name} names no number to call: quote one of {', '.join(service.phones)}"
    if service.confidential:
        for said in (text, *service.name.values()):
            plain = QUOTE.sub("", said)
            if ADDRESS.search(plain) or places_named(directory, words(plain)):
                yield part.line, f"{part_name} is confidential: nothing in it may tell where it is"


def twin_faults(name: str, card: Card, language: str, library: Library) -> Iterator[tuple[int | str, str]]:
    """What this card has otherwise than its twin in another language."""
    for other, cards in library.cards.items():
        twin = cards.get(name)
        if twin is None:
            yield 1, f"is missing in {other}: write content/{other}/{name}.md"
        elif language != "mn" and other == "mn":
            if twin.kind != card.kind:
                yield "kind:", f"is {card.kind} here and {twin.kind} in {other}"
            if set(twin.source) != set(card.source):
                yield "source:", f"rests on other facts than in {other}: {sorted(set(twin.source) ^ set(card.source))}"
            if list(twin.parts) != list(card.parts):
                yield 1, f"has the parts {list(card.parts)}; in {other} they are {list(twin.parts)}"
            else:
                yield from differing_parts(card, twin, other)
            if bool(twin.asks) != bool(card.asks) or bool(twin.tries) != bool(card.tries):
                yield 1, f"asks and tries must stand in both languages or in neither (compare {other})"


def differing_parts(card: Card, twin: Card, other: str) -> Iterator[tuple[int, str]]:
    for part_name, part in card.parts.items():
        theirs = twin.parts[part_name]
        if [option.name for option in part.options] != [option.name for option in theirs.options]:
            yield part.line, f"has other buttons than in {other}: {[option.name for option in theirs.options]}"
        if len(part.messages) != len(theirs.messages):
            yield part.line, f"has {len(part.messages)} messages; in {other} there are {len(theirs.messages)}"
        ours, others = (sorted(QUOTE.findall("".join(texts))) for texts in (part.messages, theirs.messages))
        if set(ours) != set(others):
            yield part.line, f"quotes other facts than in {other}: {sorted(set(ours) ^ set(others))}"


def quotes(card: Card) -> list[str]:
    """The facts quoted in the card's texts."""
    return [name for part in card.parts.values() for text in part.messages for name in QUOTE.findall(text)]


def fact_fault(name: str, is_quoted: bool, library: Library) -> str:
    fact = library.facts.get(name)
    if fact is None:
        return f"there is no fact {name} in content/facts"
    if not fact.quotable:
        why = f"publish {fact.publish}, confidence {fact.confidence}, sourced {fact.sourced}"
        return f"the fact {name} may not reach a person: {why}"
    if is_quoted and set(fact.value) < set(library.languages):
        return f"the fact {name} has no value to quote in every language; give it a `value`"
    return ""
