"""Finds reviewed phrases among the words of an utterance, wherever they stand, however they were typed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.understand.fold import fold, words

SHORTEST = 3  # letters of a stem, folded

Pattern = tuple[tuple[str, bool], ...]  # folded words, and whether each is a stem, which any word that begins with it fits


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases by their first word, and by their first stem."""

    words: Mapping[str, tuple[Pattern, ...]]
    stems: Mapping[str, tuple[Pattern, ...]]


def build_phrases(phrases: Iterable[str]) -> Phrases:
    """The phrases, ready to be looked for. A word that ends in * is a stem: "амиа хорло*"."""
    whole: dict[str, list[Pattern]] = {}
    stems: dict[str, list[Pattern]] = {}
    for phrase in phrases:
        pattern = pattern_of(phrase)
        first, is_stem = pattern[0]
        (stems if is_stem else whole).setdefault(first, []).append(pattern)
    return Phrases(*({first: tuple(several) for first, several in table.items()} for table in (whole, stems)))


def pattern_of(phrase: str) -> Pattern:
    """The phrase as folded words and stems. Raises ValueError for a stem that is too short to tell anything."""
    found: list[tuple[str, bool]] = []
    for word in phrase.split():
        if word.endswith("*"):
            stem = fold(word[:-1])
            if len(stem) < SHORTEST or " " in stem:
                raise ValueError(f"{word} is too short a stem; at least {SHORTEST} letters")
            found.append((stem, True))
        else:
            found += [(folded, False) for folded in words(word)]
    if not found:
        raise ValueError(f"{phrase!r} has no words")
    return tuple(found)


def holds(phrases: Phrases, said: Sequence[str]) -> bool:
    """Whether one of the phrases stands anywhere among these folded words."""
    for at, word in enumerate(said):
        if any(fits(pattern, said, at) for pattern in phrases.words.get(word, ())):
            return True
        for length in range(SHORTEST, len(word) + 1):
            if any(fits(pattern, said, at) for pattern in phrases.stems.get(word[:length], ())):
                return True
    return False


def fits(pattern: Pattern, said: Sequence[str], at: int) -> bool:
    """Whether the pattern stands at this place."""
    there = said[at : at + len(pattern)]
    return len(there) == len(pattern) and all(
        word.startswith(wanted) if is_stem else word == wanted for word, (wanted, is_stem) in zip(there, pattern, strict=True)
    )
