"""What a classifier sees of an utterance: its folded words, and the letter groups in them, as numbered and weighted features.

The same function serves training and run time, so that the two cannot drift apart.
"""

from array import array
from collections.abc import Sequence
from itertools import pairwise
from math import log, sqrt
from zlib import crc32

SLOTS = 1 << 17  # features are numbered by their hash; two may share a number, at no cost that could be measured
WORDS = 0.5  # how much whole words weigh beside letter groups: more of it costs Mongolian, whose words have many endings


def tally(words: Sequence[str]) -> tuple[dict[int, int], dict[int, int]]:
    """How often each letter group of two to four, and each word and pair of words, stands in the words, by its number."""
    letters: dict[int, int] = {}
    for word in words:
        padded = f" {word} ".encode()
        for size in (2, 3, 4):
            for at in range(len(padded) - size + 1):
                number = crc32(padded[at : at + size]) % SLOTS
                letters[number] = letters.get(number, 0) + 1
    whole: dict[int, int] = {}
    for piece in (*words, *(f"{first} {second}" for first, second in pairwise(words))):
        number = crc32(f"={piece}".encode()) % SLOTS
        whole[number] = whole.get(number, 0) + 1
    return letters, whole


def vector(words: Sequence[str], rarity: Sequence[float]) -> dict[int, float]:
    """The features as weights: rarer ones weigh more; the letter groups together have length 1, the words WORDS."""
    found: dict[int, float] = {}
    for counts, share in zip(tally(words), (1.0, WORDS), strict=True):
        raw = {number: (1 + log(count)) * rarity[number] for number, count in counts.items()}
        length = sqrt(sum(weight * weight for weight in raw.values())) or 1.0
        for number, weight in raw.items():
            found[number] = found.get(number, 0.0) + share * weight / length
    return found


def rarities(texts: Sequence[Sequence[str]]) -> "array[float]":
    """How rare each feature is among these texts."""
    spread = [0] * SLOTS
    for words in texts:
        for counts in tally(words):
            for number in counts:
                spread[number] += 1
    return array("f", (log((1 + len(texts)) / (1 + count)) + 1 for count in spread))
