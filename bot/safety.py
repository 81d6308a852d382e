"""Hears danger in an utterance, in every language and script, before anything else is considered.

Rule 1: no phrase is missed for standing inside a longer message, whatever is before or after it.
Source of the words: content/<language>/danger.yaml, reviewed by people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.content import DangerPhrases
from bot.understand.fold import words


@dataclass(frozen=True)
class Danger:
    """The phrases of every language, folded: those found anywhere, by their first word, and those that are a whole message."""

    anywhere: Mapping[str, tuple[tuple[str, ...], ...]]
    alone: frozenset[tuple[str, ...]]


def build_danger(phrases: Iterable[DangerPhrases]) -> Danger:
    """What to listen for."""
    anywhere: dict[str, list[tuple[str, ...]]] = {}
    alone = set()
    for language in phrases:
        alone |= {tuple(words(word)) for word in language.words}
        for phrase in language.emergency:
            folded = tuple(words(phrase))
            anywhere.setdefault(folded[0], []).append(folded)
    return Danger({first: tuple(found) for first, found in anywhere.items()}, frozenset(alone))


def in_danger(danger: Danger, utterance: str) -> bool:
    """Whether the utterance holds a danger phrase, anywhere in it. The whole of it is read, however long."""
    said = words(utterance)
    return any(
        tuple(said[at : at + len(phrase)]) == phrase for at, word in enumerate(said) for phrase in danger.anywhere.get(word, ())
    )


def cries_for_help(danger: Danger, utterance: str) -> bool:
    """Whether the utterance is nothing but a call for help."""
    return tuple(words(utterance)) in danger.alone
