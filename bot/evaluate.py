"""How well the bot understands, measured on wordings that nothing was trained on: `umbrella evaluate`.

The wordings are the cards' `tries` and the files of tests/understanding, which lessons never read. A bound is the 95 % interval
of Wilson (1927) for a share of so many.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import msgspec

from bot.ask import Question, Understanding, look_at
from bot.content import Library
from bot.dialogue import Guide
from bot.files import HOUSE, Faults, read_file
from bot.lessons import ORDINARY
from bot.understand.fold import IS_CYRILLIC

HELD_BACK = HOUSE / "tests" / "understanding"
SCRIPTS = ("mn", "mn-Latin", "en", "mixed")
ENGLISH_WORD = re.compile(r"\b[a-z]{3,}\b")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message, how it is written, and what it is: a card, "" for no card, or a kind of danger."""

    text: str
    script: str
    label: str


@dataclass
class Share:
    """So many of so many."""

    hits: int = 0
    of: int = 0

    def add(self, hit: bool) -> None:
        self.hits += hit
        self.of += 1

    def bounds(self) -> tuple[float, float]:
        """The 95 % interval, from 0 to 1; the whole of it when nothing was counted."""
        if not self.of:
            return 0.0, 1.0
        z, n, p = 1.96, self.of, self.hits / self.of
        middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))

    def __str__(self) -> str:
        if not self.of:
            return "–"
        low, high = self.bounds()
        return f"{100 * self.hits / self.of:.0f} % ({100 * low:.0f}–{100 * high:.0f}) of {self.of}"


@dataclass
class Row:
    """What was counted for one way of writing."""

    shares: dict[str, Share] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Share:
        return self.shares.setdefault(name, Share())


def evaluate(guide: Guide, folder: Path = HELD_BACK) -> dict[str, Row]:
    """The table, by script: what share of questions, strangers and dangers was understood."""
    rows = {script: Row() for script in SCRIPTS}
    for source, one in (*(("tries", one) for one in tries(guide.library)), *held_back(folder)):
        count_question(rows[one.script], source, one, look_at(guide, Question(one.text)))
    for one in dangers(folder):
        count_danger(rows[one.script], one.label, look_at(guide, Question(one.text)))
    return rows


def count_question(row: Row, source: str, asked: Labelled, found: Understanding) -> None:
    if not asked.label:
        row["no card: not answered"].add(found.card is None or found.decision == "smalltalk")
        return
    row[f"{source}: first"].add(found.candidates[:1] == [asked.label])
    row[f"{source}: in three"].add(asked.label in found.candidates[:3])
    row[f"{source}: answered wrongly"].add(found.card not in (None, asked.label))
    row[f"{source}: refused"].add(found.decision == "none")
    if asked.label.startswith(ORDINARY):
        count_danger(row, "ordinary question", found)


def count_danger(row: Row, kind: str, found: Understanding) -> None:
    row[f"{kind}: sure"].add(found.sure)
    row[f"{kind}: sure or maybe"].add(found.danger is not None)


def tries(library: Library) -> Iterator[Labelled]:
    for language, cards in library.cards.items():
        for name, card in cards.items():
            yield from labelled(card.tries, language, name)


def held_back(folder: Path) -> Iterator[tuple[str, Labelled]]:
    """Of tests/understanding/questions-*.yaml: card -> language -> messages; the card "none" is that of no card. With the hand
    that wrote them: those of a and b are oblique on purpose, those of c are everyday questions.
    """
    for path in sorted(folder.glob("questions-*.yaml")):
        for name, by_language in read_file(path, Faults(folder)).items():
            for language, said in by_language.items():
                for one in labelled(said, language, "" if name == "none" else name):
                    yield path.stem.replace("questions-", "hand "), one


def dangers(folder: Path) -> Iterator[Labelled]:
    """Of tests/understanding/danger*.yaml: kind -> language -> messages."""
    for path in sorted(folder.glob("danger*.yaml")):
        for kind, by_language in read_file(path, Faults(folder)).items():
            for language, said in by_language.items():
                yield from labelled(said, language, kind)


def labelled(said: Iterable[str], language: str, label: str) -> Iterator[Labelled]:
    for text in said:
        yield Labelled(text, script_of(text, language), label)


def script_of(text: str, language: str) -> str:
    """One of SCRIPTS. Mixed: Cyrillic with an English or Latin-typed word in it."""
    lower = text.lower()
    if IS_CYRILLIC.search(lower):
        return "mixed" if ENGLISH_WORD.search(lower) else "mn"
    return "en" if language == "en" else "mn-Latin"


def as_table(rows: dict[str, Row]) -> str:
    """The rows as a Markdown table, one line for each share."""
    names: Sequence[str] = tuple(dict.fromkeys(name for row in rows.values() for name in row.shares))
    lines = ["| | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(str(row.shares.get(name, Share())) for row in rows.values()) + " |" for name in names]
    return "\n".join(lines)


def as_json(rows: dict[str, Row]) -> str:
    told = {
        script: {name: {"hits": share.hits, "of": share.of, "bounds": share.bounds()} for name, share in row.shares.items()}
        for script, row in rows.items()
    }
    return msgspec.json.encode(told).decode()
