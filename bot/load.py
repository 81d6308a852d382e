"""Read the house from disk: content and handlers. What is not whole is refused, with every fault named at once.

Rule 6: a card, a fact or a handler is found by being there; nothing is registered.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar

import yaml

import handlers
from bot.content import KINDS, QUOTE, Card, ContentError, DangerPhrases, Fact, Library, Part, option_place, parse_parts
from bot.dialogue import BACK, EMERGENCY, MENU, START, Guide, Handler
from bot.limits import COMMON, LABEL, MESSAGE, MESSAGES, OPTIONS, TAP
from bot.safety import build_danger
from bot.understand.fold import fold
from bot.understand.language import vocabulary
from bot.understand.linear import Linear
from bot.understand.rank import build_index, by_classifier, by_nearest_phrase

HOUSE = Path(__file__).parent.parent
NO_LANGUAGE = ("facts", "understanding")
NEEDED = (START, MENU, EMERGENCY, "help/counsellor", "about/language")
NEEDED_TALK = (
    "hello",
    "demo",
    "not-understood",
    "misunderstood",
    "media",
    "buttons",
    "unavailable",
    "page",
    "group",
    "distress",
    "risk",
    "danger-question",
)
BUTTONS = (BACK, "menu", "help", "start", "next", "continue", "restart")
TYPED_DIGITS = re.compile(
    r"(?<![\w{])(?!20[0-3]\d(?!\d))\+?\d(?:[ -]?\d){2,}"
)  # three digits or more that are not a year of ours


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as people write it: yes, no, on and off are words, not truth values."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass
class Faults:
    """What is wrong in the files read so far, as lines to show."""

    root: Path
    found: list[str] = field(default_factory=list)

    def add(self, path: Path, line: int, what: str) -> None:
        shown = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        self.found.append(f"{shown}:{line}: {what}")


def load_guide(
    content: Path = HOUSE / "content",
    *,
    demo: bool = True,
    language: str = "mn",
    trained: Callable[[Library], "Trained"] = lambda _: Trained(),
) -> Guide:
    """All the bot knows, ready to answer. Where nothing is trained yet, danger is heard by its phrases alone and
    questions are understood by the nearest phrase.

    Raises ContentError naming every fault.
    """
    library = load_library(content)
    found = load_handlers()
    owners = {card: handler for card in library.cards["mn"] if (handler := found.get(card.rpartition("/")[2].replace("-", "_")))}
    flows = {card for card, read in library.cards["mn"].items() if read.kind == "flow"}
    if set(owners) != flows:
        raise ContentError(
            f"cards of kind flow and files in handlers/ must match: without handler {sorted(flows - set(owners))}, "
            f"with a handler but of another kind {sorted(set(owners) - flows)}"
        )
    classifiers = trained(library)
    understand = (
        partial(by_classifier, classifiers.cards) if classifiers.cards else partial(by_nearest_phrase, build_index(asks(library)))
    )
    phrases = {name: [ask for card in cards.values() for ask in card.asks] for name, cards in library.cards.items()}
    return Guide(
        library=library,
        handlers=owners,
        danger=build_danger(library.danger.values(), classifiers.danger),
        understand=understand,
        vocabulary=vocabulary(phrases),
        labels=labels(library),
        demo=demo,
        language=language,
    )


@dataclass(frozen=True)
class Trained:
    """What has been trained from this content: nothing, until `umbrella train` has run."""

    danger: Linear | None = None
    cards: Linear | None = None


def asks(library: Library) -> tuple[tuple[str, str], ...]:
    """What people write when they need a card, in every language, as (card, phrase)."""
    return tuple((name, ask) for cards in library.cards.values() for name, card in cards.items() for ask in card.asks)


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
    library = Library(cards, facts, danger)
    check(library, content, faults)
    if faults.found:
        raise ContentError("\n".join(faults.found))
    return library


def first_mongolian(language: str) -> tuple[bool, str]:
    return language != "mn", language


def load_facts(folder: Path, faults: Faults) -> dict[str, Fact]:
    raw: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name, entry in (read_yaml(path, path.read_text(encoding="utf-8"), 1, faults) or {}).items():
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
    )


def load_danger(path: Path, faults: Faults) -> DangerPhrases:
    if not path.exists():
        faults.add(path, 1, "every language needs its danger phrases: words, emergency")
        return DangerPhrases((), ())
    read = read_yaml(path, path.read_text(encoding="utf-8"), 1, faults) or {}
    return DangerPhrases(strings(read.get("words")), strings(read.get("emergency")))


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


def read_yaml(path: Path, text: str, first_line: int, faults: Faults) -> dict[str, Any] | None:
    try:
        read = yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader, the C one where libyaml is there
    except yaml.MarkedYAMLError as problem:
        line = (problem.problem_mark.line if problem.problem_mark else 0) + first_line
        faults.add(path, line, f"cannot be read: {problem.problem}; put words with : or # or quotes in them between quotes")
        return None
    if not isinstance(read, dict):
        faults.add(path, first_line, "must hold `name: value` lines")
        return None
    return read


def strings(value: Any) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


def line_of(path: Path, start: str) -> int:
    """The line that starts with these words, or 1."""
    rows = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, row in enumerate(rows, start=1) if row.lstrip("- ").startswith(start)), 1)


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


def card_faults(name: str, card: Card, library: Library) -> Iterator[tuple[int | str, str]]:
    if card.kind not in KINDS:
        yield "kind:", f"kind is one of {', '.join(KINDS)}, not {card.kind!r}"
    if not card.label or len(card.label) > LABEL:
        yield "label:", f"a label has 1 to {LABEL} characters; this has {len(card.label)}: {card.label!r}"
    if not all(card.reviewed):
        yield "reviewed:", "say who read this text and when: `reviewed: {by: …, on: …}`"
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
        if "/" in place and not library.has(place):
            yield part.line, f"the button `* {option.name}` leads nowhere: there is no {place}"
        if "/" not in place and card.kind not in ("flow", "labels"):
            yield part.line, f"only a flow has answers of its own; name a card or a part for `* {option.name}`"
        if not option.label and (place.partition(".")[2] or "/" not in place):
            yield part.line, f"the button `* {option.name}` needs words: `* {option.name}: …`"


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
