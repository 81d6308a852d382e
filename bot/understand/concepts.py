"""Words that mean nearly the same are one concept, in every language at once: content/understanding/concepts.

So a wording teaches something about its neighbours: whoever learnt "clinic" knows "emneleg" and "physician" as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.understand.fold import fold

SHORTEST = 3  # letters of a stem, folded


@dataclass(frozen=True, slots=True)
class Concepts:
    """The concepts of whole words, and of the stems that words begin with, by their folded form."""

    words: Mapping[str, tuple[str, ...]]
    stems: Mapping[str, tuple[str, ...]]

    def of(self, word: str) -> tuple[str, ...]:
        """The concepts of a folded word: its own, else those of the longest stem it begins with."""
        if found := self.words.get(word):
            return found
        for length in range(len(word), SHORTEST - 1, -1):
            if found := self.stems.get(word[:length]):
                return found
        return ()


def build_concepts(groups: Iterable[tuple[str, str]]) -> Concepts:
    """From (concept, its words with blanks between; a stem ends in *) in any language."""
    words: dict[str, set[str]] = {}
    stems: dict[str, set[str]] = {}
    for concept, listed in groups:
        for word in listed.split():
            folded = fold(word.rstrip("*"))
            if " " not in folded and len(folded) >= (SHORTEST if word.endswith("*") else 1):
                (stems if word.endswith("*") else words).setdefault(folded, set()).add(concept)
    return Concepts(*({word: tuple(sorted(found)) for word, found in table.items()} for table in (words, stems)))
