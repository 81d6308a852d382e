"""What must hold before a person may read the content. Every fault is named by file and line, with what to do."""

import re
from collections.abc import Iterator
from pathlib import Path

from bot.content import KINDS, QUOTE, Card, Library, Part, option_place
from bot.dialogue import BACK, EMERGENCY, MENU, START
from bot.files import Faults, line_of
from bot.limits import COMMON, LABEL, MESSAGE, MESSAGES, OPTIONS, TAP

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
ON_SAFETY = ("signs/", "trafficking/", "help/")
EMERGENCY_FACT = "hl-mn-102"
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
