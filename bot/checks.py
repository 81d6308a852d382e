"""A check: questions about what a person can see, what each answer counts, and what the answers add up to.

Pure sums over names. Rule 1: what she does not know or does not say counts nothing.
The structure stands once, in content/checks/<name>.yaml; the words stand in the card's two files. docs/content.md, "A check".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

UNKNOWN, SKIP = "unknown", "skip"  # every question can be answered so
BEGIN = "begin"  # the tap that begins a check, at first or again
SKIPPED = "skipped"  # the part that says so when many questions were left open
SIGNS = 3  # signs that a result names at most

Given = Mapping[str, str]  # question -> answer


@dataclass(frozen=True, slots=True)
class Question:
    """One question, and what each of its answers counts: 0 for what is no sign."""

    name: str
    scores: Mapping[str, int]

    @property
    def answers(self) -> tuple[str, ...]:
        """All its answers, in the order of the buttons."""
        return (*self.scores, UNKNOWN, SKIP)


@dataclass(frozen=True, slots=True)
class Band:
    """What a score means from here on: a part of the card, and the cards that are the next steps."""

    name: str
    least: int
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """The structure of a check, the same in every language."""

    version: int  # changes with the meaning: answers given to another version count no more
    questions: tuple[Question, ...]
    bands: tuple[Band, ...]  # from the highest
    skipped: int  # from so many open questions on, the result says so

    @property
    def answers(self) -> tuple[str, ...]:
        """What the buttons send, of every answer to every question."""
        return tuple(part_of(question.name, answer) for question in self.questions for answer in question.answers)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that its card must have. It may explain any other answer as well."""
        signs = (
            part_of(question.name, answer) for question in self.questions for answer, counts in question.scores.items() if counts
        )
        return (*(question.name for question in self.questions), *signs, *(band.name for band in self.bands), SKIPPED)

    def answer_named(self, part: str) -> tuple[str, str] | None:
        """The question and the answer that a button of this check means; None when it means neither."""
        for question in self.questions:
            for answer in question.answers:
                if part_of(question.name, answer) == part:
                    return question.name, answer
        return None

    def band_named(self, part: str) -> Band | None:
        """The band that this part is about, if it is about one."""
        return next((band for band in self.bands if band.name == part), None)


def part_of(question: str, answer: str) -> str:
    """The part of the card that explains this answer, which is also what its button sends."""
    return f"{question}-{answer}"


def still_given(check: Check, given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The answers that still fit a question of the check."""
    fitting = {question.name: question.answers for question in check.questions}
    return {question: answer for question, answer in given if answer in fitting.get(question, ())}


def reached(check: Check, given: Given) -> str:
    """The first question that is not answered yet; "" when all are."""
    return next((question.name for question in check.questions if question.name not in given), "")


def score(check: Check, given: Given) -> int:
    """What the answers add up to."""
    return sum(question.scores.get(given.get(question.name, SKIP), 0) for question in check.questions)


def band(check: Check, given: Given) -> Band:
    """The highest band that the score reaches. There is one for every score: the lowest begins at 0."""
    total = score(check, given)
    return next(band for band in check.bands if band.least <= total)


def signs(check: Check, given: Given) -> tuple[str, ...]:
    """The parts that explain the weightiest signs seen, at most SIGNS of them, the weightiest first."""
    seen = [
        (-counts, at, part_of(question.name, given[question.name]))
        for at, question in enumerate(check.questions)
        if (counts := question.scores.get(given.get(question.name, SKIP), 0))
    ]
    return tuple(part for _, _, part in sorted(seen)[:SIGNS])


def many_open(check: Check, given: Given) -> bool:
    """Whether so many questions were skipped or not known that the result must say so."""
    return sum(given.get(question.name, SKIP) in (UNKNOWN, SKIP) for question in check.questions) >= check.skipped
