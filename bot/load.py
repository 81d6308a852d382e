"""Read the house from disk: content and handlers. What is not whole is refused, with every fault named at once.

Rule 6: a card, a fact or a handler is found by being there; nothing is registered.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import msgspec

import handlers
from bot.check import check
from bot.checks import Band, Check, Question, part_of
from bot.content import Card, ContentError, DangerPhrases, Fact, Library, Part, option_place, parse_parts
from bot.dialogue import FollowUp, Guide, Handler
from bot.files import CONTENT, Faults, line_of, notes, read_file, read_yaml, strings
from bot.load_directory import load_directory
from bot.safety import LEVELS, build_danger
from bot.understand.concepts import build_concepts
from bot.understand.doors import Doors, build_doors
from bot.understand.features import Reader
from bot.understand.fold import fold
from bot.understand.language import vocabulary
from bot.understand.linear import Linear
from bot.understand.phrases import pattern_of
from bot.understand.spelling import Spelling

NO_LANGUAGE = ("facts", "understanding", "checks")


class NotTrained(Exception):
    """Nothing has been trained yet. The message says what to do."""


@dataclass(frozen=True)
class Trained:
    """What has been trained: from this content, when it is fresh, else from an earlier state of it."""

    danger: Linear
    cards: Linear
    spelling: Spelling
    fresh: bool = True


def load_guide(
    trained: Callable[[Library, Path], Trained], content: Path = CONTENT, *, demo: bool = True, language: str = "mn"
) -> Guide:
    """All the bot knows, ready to answer. Raises ContentError naming every fault, and what `trained` raises."""
    library = load_library(content)
    faults = Faults(content.parent)
    reader, follow_ups, doors = (
        load_reader(content, faults),
        load_follow_ups(content, library, faults),
        load_doors(content, faults),
    )
    if faults.found:
        raise ContentError("\n".join(faults.found))
    found = trained(library, content)
    return Guide(
        library=library,
        handlers=owners(library),
        reader=replace(reader, spelling=found.spelling),
        danger=build_danger(library.danger.values(), found.danger),
        cards=found.cards,
        near=near(library),
        follow_ups=follow_ups,
        doors=doors,
        vocabulary=vocabulary(
            {name: [ask for card in cards.values() for ask in card.asks] for name, cards in library.cards.items()}
        ),
        labels=labels(library),
        asked=asked(library),
        fresh=found.fresh,
        demo=demo,
        language=language,
    )


def owners(library: Library) -> dict[str, Handler]:
    """The handler of each card that has one. Raises ContentError where a flow and its file do not match."""
    found = load_handlers()
    owned = {card: handler for card in library.cards["mn"] if (handler := found.get(card.rpartition("/")[2].replace("-", "_")))}
    flows = {card for card, read in library.cards["mn"].items() if read.kind == "flow"}
    if set(owned) != flows:
        raise ContentError(
            f"cards of kind flow and files in handlers/ must match: without handler {sorted(flows - set(owned))}, "
            f"with a handler but of another kind {sorted(set(owned) - flows)}"
        )
    return owned


def near(library: Library) -> dict[str, frozenset[str]]:
    """The cards that stand near each card: those of its section, and those it leads to."""
    cards = next(iter(library.cards.values()))
    sections: dict[str, set[str]] = {}
    for name in cards:
        sections.setdefault(name.partition("/")[0], set()).add(name)
    return {
        name: frozenset(
            sections[name.partition("/")[0]]
            | {option_place(name, option.name).partition(".")[0] for part in card.parts.values() for option in part.options}
        )
        for name, card in cards.items()
    }


def labels(library: Library) -> dict[str, str]:
    """What each label names wherever it is typed, by its folded form: a card, or a language; neither where two share one."""
    owners: dict[str, set[str]] = {}
    for language in library.languages:
        for option in library.part(language, "about/language").options:
            owners.setdefault(fold(option.label), set()).add(option.name)
    for cards in library.cards.values():
        for name, card in cards.items():
            if not name.startswith("talk/"):
                owners.setdefault(fold(card.label), set()).add(name)
    return {label: next(iter(names)) for label, names in owners.items() if len(names) == 1}


def asked(library: Library) -> dict[str, str]:
    """The card of each phrase that is an ask of it and of no other, by its folded form."""
    owners: dict[str, set[str]] = {}
    for name, ask in library.asks:
        owners.setdefault(fold(ask), set()).add(name)
    return {phrase: next(iter(names)) for phrase, names in owners.items() if len(names) == 1}


def load_handlers() -> dict[str, Handler]:
    """Every module in handlers/, by its name. handlers/near_me.py answers the card whose last name is near-me."""
    return {module.name: import_module(f"handlers.{module.name}").handle for module in iter_modules(handlers.__path__)}


def load_library(content: Path) -> Library:
    """Every card in every language, and every fact. Raises ContentError unless all is whole."""
    faults = Faults(content.parent)
    facts = load_facts(content / "facts", faults)
    folders = (path.name for path in content.iterdir() if path.is_dir() and path.name not in NO_LANGUAGE)
    languages = sorted(folders, key=first_mongolian)
    cards = {language: load_cards(content / language, faults) for language in languages}
    danger = {language: load_danger(content / language / "danger.yaml", faults) for language in languages}
    library = Library(cards, facts, danger, load_checks(content, cards["mn"], faults), load_directory(content, facts, faults))
    check(library, content, faults)
    if faults.found:
        raise ContentError("\n".join(faults.found))
    return library


def load_checks(content: Path, cards: Mapping[str, Card], faults: Faults) -> dict[str, Check]:
    """The structure of each check, by its card: content/checks/<the card's last name>.yaml."""
    read = {path.stem: found for path in sorted(content.glob("checks/*.yaml")) if (found := load_check(path, faults))}
    checks = (name for name, card in cards.items() if card.kind == "check")
    return {name: read[last] for name in checks if (last := name.rpartition("/")[2]) in read}


class WrittenBand(msgspec.Struct, forbid_unknown_fields=True):
    """A band as it is written."""

    least: int
    next: tuple[str, ...]


class WrittenCheck(msgspec.Struct, forbid_unknown_fields=True):
    """A file of content/checks as it is written: docs/content.md, A check."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    questions: Annotated[dict[str, dict[str, Annotated[int, msgspec.Meta(ge=0)]]], msgspec.Meta(min_length=1)]
    bands: Annotated[dict[str, WrittenBand], msgspec.Meta(min_length=1)]
    skipped: int


def load_check(path: Path, faults: Faults) -> Check | None:
    try:
        written = msgspec.convert(read_file(path, faults), WrittenCheck)
    except msgspec.ValidationError as problem:
        faults.add(path, 1, f"{problem}: docs/content.md, A check")
        return None
    return Check(
        version=written.version,
        questions=tuple(Question(name, scores) for name, scores in written.questions.items()),
        bands=tuple(Band(name, band.least, band.next) for name, band in written.bands.items()),
        skipped=written.skipped,
    )


def first_mongolian(language: str) -> tuple[bool, str]:
    return language != "mn", language


def load_facts(folder: Path, faults: Faults) -> dict[str, Fact]:
    raw: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name, entry in read_file(path, faults).items():
            if name in raw:
                faults.add(path, line_of(path, f"{name}:"), f"the fact {name} stands already in {raw[name][0].name}; keep one")
            raw[name] = (path, entry if isinstance(entry, dict) else {})
    return {name: load_fact(name, path, entry, raw, faults) for name, (path, entry) in raw.items()}


def load_fact(name: str, path: Path, entry: dict[str, Any], raw: dict[str, tuple[Path, dict[str, Any]]], faults: Faults) -> Fact:
    of = entry.get("of")
    if of and of not in raw:
        faults.add(path, line_of(path, f"{name}:"), f"{name} is `of: {of}`, which is no fact; name the fact it comes from")
    whole = {**raw[of][1], **entry} if of in raw else entry
    value = entry.get("value")
    values = value if isinstance(value, dict) else {} if value is None else {"mn": str(value), "en": str(value)}
    for needed in ("kind", "confidence", "publish"):
        if needed not in whole:
            faults.add(path, line_of(path, f"{name}:"), f"{name} has no `{needed}`: docs/content.md, A fact")
    return Fact(
        id=name,
        kind=str(entry.get("kind", "")),
        value={language: str(words) for language, words in values.items()},
        sourced=bool(whole.get("source")),
        confidence=str(whole.get("confidence", "unverified")),
        publish=str(whole.get("publish", "no")),
        checked_on=str(whole.get("checked_on") or ""),
        checked_by=str(whole.get("checked_by") or ""),
    )


def load_danger(path: Path, faults: Faults) -> DangerPhrases:
    if not path.exists():
        faults.add(path, 1, f"every language needs its danger phrases: words, {', '.join(LEVELS)}")
        return DangerPhrases((), ())
    read = read_file(path, faults)
    found = DangerPhrases(*(strings(read.get(kind)) for kind in ("words", *LEVELS)))
    for phrase in (*found.words, *found.emergency, *found.distress, *found.risk):
        try:
            pattern_of(phrase)
        except ValueError as problem:
            faults.add(path, line_of(path, phrase), str(problem))
    return found


def load_reader(content: Path, faults: Faults) -> Reader:
    """What reads utterances, with the concepts of content/understanding/concepts."""
    groups = []
    for path in notes(content, "concepts"):
        for concept, listed in read_file(path, faults).items():
            if not isinstance(listed, dict) or not all(isinstance(words, str) for words in listed.values()):
                faults.add(path, line_of(path, f"{concept}:"), f"{concept} needs its words by language: `en: word word`")
            else:
                groups += [(concept, words) for words in listed.values()]
    return Reader(build_concepts(groups))


def load_follow_ups(content: Path, library: Library, faults: Faults) -> dict[str, FollowUp]:
    """What short questions ask about the card just read, and which card answers them where."""
    found = {}
    for path in notes(content, "follow-ups"):
        for name, read in read_file(path, faults).items():
            leads = read.get("leads") or {}
            for card in leads.values():
                if not library.has(card):
                    faults.add(path, line_of(path, f"{name}:"), f"{name} leads to {card}, and there is no such card")
            found[name] = FollowUp(tuple(leads.items()))
    return found


def load_doors(content: Path, faults: Faults) -> Doors:
    read = [read_file(path, faults) for path in notes(content, "doors")]
    return build_doors(
        *([word for one in read for said in one[kind].values() for word in said] for kind in ("kin", "mine", "work"))
    )


def load_cards(folder: Path, faults: Faults) -> dict[str, Card]:
    return {
        str(path.relative_to(folder).with_suffix("")): card
        for path in sorted(folder.glob("*/*.md"))
        if (card := load_card(path, faults))
    }


def load_card(path: Path, faults: Faults) -> Card | None:
    pieces = re.split(r"^---\n", path.read_text(encoding="utf-8"), maxsplit=2, flags=re.MULTILINE)
    if len(pieces) != 3 or pieces[0]:
        faults.add(path, 1, "a card begins with a line ---, its head, and a line --- again: docs/content.md")
        return None
    _, head, body = pieces
    read = read_yaml(path, head, 2, faults)
    if read is None:
        return None
    try:
        parts = list(parse_parts(body, first_line=head.count("\n") + 3))
    except ValueError as problem:
        line = int(re.findall(r"line (\d+)", str(problem))[0])
        faults.add(path, line, str(problem).partition(": ")[2])
        return None
    names = [name for name, _ in parts]
    for twice in {name for name in names if names.count(name) > 1}:
        faults.add(path, line_of(path, f"## {twice}"), f"two parts are called {twice}; rename one")
    if read.get("kind") == "check":
        parts = [(name, with_question(name, part)) for name, part in parts]
    reviewed = read.get("reviewed") or {}
    return Card(
        label=str(read.get("label", "")),
        parts=dict(parts),
        kind=str(read.get("kind", "article")),
        asks=strings(read.get("asks")),
        tries=strings(read.get("tries")),
        source=strings(read.get("source")),
        reviewed=(str(reviewed.get("by", "")), str(reviewed.get("on", ""))),
    )


def with_question(question: str, part: Part) -> Part:
    """The part with answers that name their question: the button of an old question must not answer a new one."""
    return replace(part, options=tuple(replace(option, name=f".{part_of(question, option.name)}") for option in part.options))
