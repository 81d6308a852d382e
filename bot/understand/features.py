"""What a classifier sees of an utterance: its folded words, the letter groups in them and what they mean, as numbered features.

The same reader serves training and run time, so that the two cannot drift apart. It runs once a message, for all who ask.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bot.understand.concepts import Concepts
from bot.understand.fold import CAP, words
from bot.understand.spelling import Spelling

SLOTS = 1 << 17  # features are numbered by their hash; two may share a number, at no cost that could be measured
SHARES = (1.0, 0.8, 0.5)  # how much letter groups, words and concepts weigh, each taken together
PIECE = 40  # words of a long message that are looked at together; the next piece begins half-way


@dataclass(frozen=True, slots=True)
class Seen:
    """The features of some words, by number, and how often each is there: letter groups first, then words, then concepts."""

    numbers: NDArray[np.int32]
    often: NDArray[np.float32]  # 1 + log(count)
    ends: tuple[int, int, int]  # where the letter groups, the words and the concepts end


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a person wrote, folded and looked at once."""

    words: tuple[str, ...]  # all of them, however many
    question: Seen  # of its first CAP characters
    pieces: tuple[Seen, ...]  # of the whole, in pieces of PIECE words


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads with this knowledge of what words mean and how they are spelt."""

    concepts: Concepts
    spelling: Spelling | None = None  # while it learns it mends nothing: what it learns from is how words are spelt

    def read(self, text: str) -> Utterance:
        """The text as classifiers and phrases see it. Time grows with the length of the text, and with nothing else."""
        said = tuple(self.words(text))
        starts = range(0, max(1, len(said) - PIECE // 2), PIECE // 2)
        pieces = tuple(self.see(said[at : at + PIECE]) for at in starts)
        whole = len(text) <= CAP and len(pieces) == 1
        return Utterance(said, pieces[0] if whole else self.see(self.words(text[:CAP])), pieces)

    def words(self, text: str) -> list[str]:
        """The folded words of the text, misspelt ones mended."""
        said = words(text)
        return self.spelling.mend(said) if self.spelling else said

    def see(self, words: Sequence[str]) -> Seen:
        """The features of these folded words."""
        groups = tally(letter_groups(words))
        whole = tally(f"={piece}".encode() for piece in (*words, *(f"{first} {second}" for first, second in pairwise(words))))
        meanings = [found for word in words if (found := self.concepts.of(word))]
        alone = (f"~{concept}".encode() for found in meanings for concept in found)
        pairs = (f"~{one} {other}".encode() for left, right in pairwise(meanings) for one, other in product(left, right))
        meant = tally((*alone, *pairs))
        numbers = np.array([*groups, *whole, *meant], dtype=np.int32)
        counts = np.array([*groups.values(), *whole.values(), *meant.values()], dtype=np.float32)
        ends = len(groups), len(groups) + len(whole), len(numbers)
        return Seen(numbers, np.log(counts) + np.float32(1), ends)


def letter_groups(words: Sequence[str]) -> Iterable[bytes]:
    """The groups of two to four letters in each word, with a blank at each end."""
    for word in words:
        padded = f" {word} ".encode()
        for size in (2, 3, 4):
            for at in range(len(padded) - size + 1):
                yield padded[at : at + size]


def tally(pieces: Iterable[bytes]) -> dict[int, int]:
    """How often each piece is there, by the number of its feature."""
    counts: dict[int, int] = {}
    for piece in pieces:
        number = crc32(piece) % SLOTS
        counts[number] = counts.get(number, 0) + 1
    return counts


def weigh(seen: Seen, rarity: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each feature weighs: rarer ones more; each kind has the length of its share."""
    raw = seen.often * rarity[seen.numbers]
    for start, end, share in zip((0, *seen.ends), seen.ends, SHARES, strict=False):
        part = raw[start:end]
        length = np.sqrt(part @ part)
        if length:
            part *= np.float32(share) / length
    return raw


def rarities(texts: Iterable[Seen]) -> NDArray[np.float32]:
    """How rare each feature is among these texts."""
    spread, held = np.zeros(SLOTS, dtype=np.int64), 0
    for seen in texts:
        spread[np.unique(seen.numbers)] += 1
        held += 1
    return (np.log((1 + held) / (1 + spread)) + 1).astype(np.float32)
