"""Hears danger in an utterance, in every language and script, before anything else is considered.

Rule 1: no reviewed phrase is missed for standing inside a longer message, whatever is before or after it.
Two ears, and either suffices: the phrases of content/<language>/danger.yaml, reviewed by people, and a trained classifier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.content import DangerPhrases
from bot.understand.danger import KINDS, probabilities
from bot.understand.fold import words
from bot.understand.linear import Linear

LEVELS = KINDS[1:]  # emergency: danger now · distress: violence, despair · risk: strong signs of exploitation


@dataclass(frozen=True)
class Danger:
    """The phrases of every language, folded: those found anywhere, by their first word, and those that are a whole message."""

    anywhere: Mapping[str, tuple[tuple[str, ...], ...]]
    alone: frozenset[tuple[str, ...]]
    classifier: Linear | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What was heard: one of LEVELS, and whether that is sure or only may be."""

    level: str
    sure: bool


def build_danger(phrases: Iterable[DangerPhrases], classifier: Linear | None = None) -> Danger:
    """What to listen for."""
    anywhere: dict[str, list[tuple[str, ...]]] = {}
    alone = set()
    for language in phrases:
        alone |= {tuple(words(word)) for word in language.words}
        for phrase in language.emergency:
            folded = tuple(words(phrase))
            anywhere.setdefault(folded[0], []).append(folded)
    return Danger({first: tuple(found) for first, found in anywhere.items()}, frozenset(alone), classifier)


def listen(danger: Danger, utterance: str) -> Alarm | None:
    """The danger that the utterance tells of, or None. The whole of it is read, however long."""
    said = words(utterance)
    if holds_phrase(danger, said):
        return Alarm("emergency", sure=True)
    if danger.classifier is None or not said:
        return None
    harmless, *levels = probabilities(danger.classifier, said)
    level = LEVELS[levels.index(max(levels))]
    chance = 1 - harmless
    figures = danger.classifier.figures
    return Alarm(level, chance >= figures["sure"]) if chance >= figures["maybe"] else None


def holds_phrase(danger: Danger, said: list[str]) -> bool:
    """Whether a reviewed phrase stands anywhere among these folded words."""
    return any(
        tuple(said[at : at + len(phrase)]) == phrase for at, word in enumerate(said) for phrase in danger.anywhere.get(word, ())
    )


def cries_for_help(danger: Danger, utterance: str) -> bool:
    """Whether the utterance is nothing but a call for help."""
    return tuple(words(utterance)) in danger.alone
