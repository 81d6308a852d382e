"""What the bot knows: cards and facts, each card in every language, and how to put a reply into words.

A card is an intent together with its words. Its name is its path without the language:
content/mn/help/police.md and content/en/help/police.md are the card "help/police". docs/content.md says how a file is written.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bot.checks import Check
from bot.directory import Directory
from bot.model import Added, Reply

KINDS = ("article", "menu", "steps", "story", "quiz", "check", "flow", "labels")


class ContentError(Exception):
    """Content files are wrong. The message names every fault, with file and line and what to change."""


@dataclass(frozen=True, slots=True)
class Option:
    """Something to choose: the name of a place, or of an answer, and the label of its button."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Words:
    """One message, ready to send: the reply's name, the text, and the options under it."""

    name: str
    text: str
    options: tuple[Option, ...] = ()
    phones: tuple[str, ...] = ()  # the telephone numbers in the text, as they stand in it: where a channel can, a tap calls them


@dataclass(frozen=True, slots=True)
class Part:
    """A card's beginning, or one of its steps, scenes or questions: one to a few messages, and the options under the last."""

    messages: tuple[str, ...]
    options: tuple[Option, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class Card:
    """An intent with its words in one language."""

    label: str
    parts: Mapping[str, Part]  # "" is the card's beginning; the rest in the order they are written
    kind: str = "article"
    asks: tuple[str, ...] = ()  # what people write when they need this card: the bot learns from these
    tries: tuple[str, ...] = ()  # kept back: the tests check that they lead here
    source: tuple[str, ...] = ()  # the facts that the text rests on
    reviewed: tuple[str, str] = ("", "")  # by whom, and on which day

    def after(self, part: str) -> str:
        """The step that follows this one, or "" after the last."""
        names = list(self.parts)
        at = names.index(part)
        return names[at + 1] if at + 1 < len(names) else ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A number, an address, a fee or a date, once, with its source: docs/content.md, "A fact"."""

    id: str
    kind: str
    value: Mapping[str, str]  # by language; the same in each for a number
    sourced: bool
    confidence: str
    publish: str
    checked_on: str = ""  # the day on which a member of staff has dialled or read it; "" until then
    checked_by: str = ""

    @property
    def quotable(self) -> bool:
        """Whether a card may rest on it: sourced, believed, and not marked as unfit for the public."""
        return self.sourced and self.confidence != "unverified" and self.publish in ("yes", "after_check")


@dataclass(frozen=True, slots=True)
class Library:
    """All content, whole in every language."""

    cards: Mapping[str, Mapping[str, Card]]  # language -> name -> card
    facts: Mapping[str, Fact] = field(default_factory=dict)
    danger: Mapping[str, "DangerPhrases"] = field(default_factory=dict)  # by language
    checks: Mapping[str, Check] = field(default_factory=dict)  # by their card
    directory: Directory = field(default_factory=Directory)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.cards)

    @property
    def asks(self) -> tuple[tuple[str, str], ...]:
        """What people write when they need a card, in every language, as (card, phrase)."""
        return tuple((name, ask) for cards in self.cards.values() for name, card in cards.items() for ask in card.asks)

    def card(self, language: str, place: str) -> Card:
        """The card that this place is, or is a part of."""
        return self.cards[language][place.partition(".")[0]]

    def part(self, language: str, place: str) -> Part:
        """What is said at this place."""
        card, _, part = place.partition(".")
        return self.cards[language][card].parts[part]

    def has(self, place: str) -> bool:
        """Whether this is the name of a card, or of a part of one."""
        card, _, part = place.partition(".")
        cards = next(iter(self.cards.values()))
        return card in cards and part in cards[card].parts


@dataclass(frozen=True, slots=True)
class DangerPhrases:
    """What people say when they are in danger, in one language: content/<language>/danger.yaml."""

    words: tuple[str, ...]  # a message that is only this is a cry for help
    emergency: tuple[str, ...]  # anywhere in a message: danger now
    distress: tuple[str, ...] = ()  # violence, despair
    risk: tuple[str, ...] = ()  # strong signs of exploitation


HEADING = re.compile(r"^## ([a-z][a-z0-9-]*)\s*$")
OPTION = re.compile(r"^\* (\.?[a-z][\w/.-]*)(?:: +(\S.*))?$")
QUOTE = re.compile(r"\{([a-z][a-z0-9-]*)\}")


def parse_parts(body: str, first_line: int = 1) -> Iterator[tuple[str, Part]]:
    """Read a card's body: its beginning, then one part for each heading.

    Yields (name of the part, Part), in order. An option without words has the label "".
    Raises ValueError with the line number when a line looks like an option or heading and is not one.
    """
    name, line, texts, options = "", first_line, [""], list[Option]()
    for number, row in enumerate(body.splitlines(), start=first_line):
        if heading := HEADING.match(row):
            yield name, Part(tuple(text.strip() for text in texts if text.strip()), tuple(options), line)
            name, line, texts, options = heading[1], number, [""], []
        elif option := OPTION.match(row):
            options.append(Option(option[1], (option[2] or "").strip()))
        elif row.rstrip() == "---":
            texts.append("")
        elif row.startswith(("#", "* ")):
            raise ValueError(f"line {number}: neither a part (## name) nor a button (* name: words): {row.strip()}")
        elif options and row.strip():
            raise ValueError(f"line {number}: text after the buttons; put it before them: {row.strip()}")
        else:
            texts[-1] += row + "\n"
    yield name, Part(tuple(text.strip() for text in texts if text.strip()), tuple(options), line)


def option_place(card: str, option: str) -> str:
    """The place an option of this card leads to. ".bus" is a part of the card itself; the rest stands for itself."""
    return f"{card}{option}" if option.startswith(".") else option


def label_of(option: Added, language: str, library: Library) -> str:
    """What an added option is called: its button's words in talk/buttons, else the label of the card it leads to."""
    if option.button:
        return button(option.button, language, library)
    return library.card(language, option.name).label


def button(name: str, language: str, library: Library) -> str:
    """The words on one of the bot's own buttons, such as back. Raises KeyError for a button that talk/buttons does not have."""
    return {option.name: option.label for option in library.cards[language]["talk/buttons"].parts[""].options}[name]


def offered(reply: Reply, language: str, library: Library) -> tuple[Option, ...]:
    """The options under a reply, labelled: the text's own first, then those the turn added, each name once.

    An option the turn added may lead to a card that has been taken out since: it is left out.
    """
    card = reply.name.partition(".")[0]
    found: dict[str, Option] = {}
    for option in library.part(language, reply.name).options:
        place = option_place(card, option.name)
        found.setdefault(place, Option(place, option.label or library.card(language, place).label))
    for added in reply.options:
        if added.name not in found and (added.button or library.has(added.name)):
            found[added.name] = Option(added.name, label_of(added, language, library))
    return tuple(found.values())


def put_into_words(reply: Reply, language: str, library: Library) -> list[Words]:
    """The words for a reply in this language: one to a few messages, the options under the last."""
    quote = quoted(language, library.facts)
    messages = library.part(language, reply.name).messages
    options = offered(reply, language, library)
    return [
        Words(reply.name, QUOTE.sub(quote, text), options if last else (), phones_in(text, language, library))
        for text, last in zip(messages, [*[False] * (len(messages) - 1), True], strict=True)
    ]


def phones_in(text: str, language: str, library: Library) -> tuple[str, ...]:
    """The telephone numbers that a text quotes."""
    facts = (library.facts[name] for name in QUOTE.findall(text))
    return tuple(dict.fromkeys(fact.value[language] for fact in facts if fact.kind == "phone"))


def quoted(language: str, facts: Mapping[str, Fact]) -> Callable[[re.Match[str]], str]:
    """Replaces the name of a fact by its value."""
    return lambda match: facts[match[1]].value[language]
