"""Mends misspelt words: a folded word that nobody here has ever written becomes the nearest one that somebody has.

On questions with two misspelt words this finds the right card for 3 to 4 more of each hundred: docs/understanding.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

SHORTEST = 5  # letters of a word that is mended: shorter ones have too many neighbours
ALIKE = 80.0  # per cent of letters in common, in order
NEARLY = 85.0  # the same, of a whole label
MENDED = 12  # words of one message at most: time must not grow with what somebody types


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words that are known, and those of them worth mending to, by their first letter and length."""

    known: frozenset[str]
    near: Mapping[tuple[str, int], tuple[str, ...]]

    def mend(self, words: Sequence[str]) -> list[str]:
        """The words, with those that are not known replaced by their nearest neighbour where there is one near enough."""
        found = []
        left = MENDED
        for word in words:
            if word in self.known or len(word) < SHORTEST or not left:
                found.append(word)
            else:
                left -= 1
                found.append(self.nearest(word))
        return found

    def nearest(self, word: str) -> str:
        """The known word that is nearest, of those with the same first letter and about as long; else the word itself."""
        near = [other for length in (-1, 0, 1) for other in self.near.get((word[0], len(word) + length), ())]
        best = process.extractOne(word, near, scorer=fuzz.ratio, score_cutoff=ALIKE)
        return best[0] if best else word


def nearly(said: str, names: Iterable[str]) -> str:
    """The one of these folded names that this is nearly, when it is long enough to tell; else ""."""
    best = process.extractOne(said, list(names), scorer=fuzz.ratio, score_cutoff=NEARLY) if len(said) >= SHORTEST else None
    return best[0] if best else ""


def build_spelling(known: Iterable[str], common: Iterable[str]) -> Spelling:
    """From every folded word that is known, and those that are common enough to mend to."""
    near: dict[tuple[str, int], list[str]] = {}
    for word in common:
        if len(word) >= SHORTEST - 1:
            near.setdefault((word[0], len(word)), []).append(word)
    return Spelling(frozenset(known), {key: tuple(sorted(found)) for key, found in near.items()})
