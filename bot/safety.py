"""Hears danger in an utterance, in every language and script, before anything else is considered.

Rule 1: no reviewed phrase is missed for standing inside a longer message, whatever is before or after it.
Rule 2: told as a what-if, as past, as not so or as a figure of speech, danger is only "maybe"; it is never nothing.
Two ears, and either suffices: the phrases of content/<language>/danger.yaml, reviewed by people, and a trained classifier.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bot.content import DangerPhrases
from bot.understand.danger import Chances, chances, danger_scores, joined
from bot.understand.features import Utterance
from bot.understand.fold import words
from bot.understand.linear import Linear
from bot.understand.phrases import Phrases, build_phrases, holds

LEVELS = ("emergency", "distress", "risk")  # danger now · violence, despair · strong signs of exploitation
FRAMED = 0.5  # from this chance on a reviewed phrase is told as a what-if, as past, as not so, or as a figure of speech
SUSPICIOUS = 0.1  # from this chance on, what was heard is carried over to the next messages
TELLING = 0.08  # from this chance on, a message is read as one with what was heard before: a harmless word rings nothing

Evidence = tuple[int, ...]  # the scores of one message for each kind of danger, in hundredths: figures, never words


@dataclass(frozen=True)
class Danger:
    """The phrases of every language, folded: those found anywhere, and those that are a whole message."""

    anywhere: Mapping[str, Phrases]  # by level, the gravest first
    alone: frozenset[tuple[str, ...]]
    classifier: Linear


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was heard: one of LEVELS, and whether that is sure or only may be."""

    level: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Heard:
    """The alarm, if there is one, and what should be carried over to the next messages."""

    alarm: Alarm | None
    evidence: Evidence = ()


def build_danger(phrases: Iterable[DangerPhrases], classifier: Linear) -> Danger:
    """What to listen for."""
    heard = list(phrases)
    anywhere = {level: build_phrases(phrase for said in heard for phrase in getattr(said, level)) for level in LEVELS}
    return Danger(anywhere, frozenset(tuple(words(word)) for said in heard for word in said.words), classifier)


def listen(danger: Danger, said: Utterance, before: Sequence[Evidence] = ()) -> Heard:
    """The danger that the utterance tells of. The whole of it is read, however long, and with it what was heard just before."""
    if not said.words:
        return Heard(None)
    scores = danger_scores(danger.classifier, said)
    alone = chances(scores)
    evidence = tuple(round(100 * float(score)) for score in scores) if alone.any >= SUSPICIOUS else ()
    for level, phrases in danger.anywhere.items():
        if holds(phrases, said.words):
            return Heard(Alarm(gravest(level, alone), sure=alone.framed + alone.lookalike < FRAMED), evidence)
    earlier = (np.array(scored, dtype=np.float32) / np.float32(100) for scored in (before if alone.any >= TELLING else ()))
    found = max((alone, *(chances(joined(danger.classifier, scores, then)) for then in earlier)), key=lambda one: one.any)
    sure = sum(found.levels) >= danger.classifier.figures["sure"]
    if not sure and found.any < danger.classifier.figures["maybe"]:
        return Heard(None, evidence)
    return Heard(Alarm(LEVELS[found.levels.index(max(found.levels))], sure), evidence)


def gravest(level: str, chances: Chances) -> str:
    """This level, or emergency when the classifier hears that more likely than anything else."""
    return "emergency" if chances.levels[0] > 0.5 else level


def cries_for_help(danger: Danger, said: Utterance) -> bool:
    """Whether the utterance is nothing but a call for help."""
    return said.words in danger.alone
