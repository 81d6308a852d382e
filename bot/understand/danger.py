"""How likely an utterance tells of danger, and of which kind: a linear classifier whose weights are plain arrays.

It is trained by bot/train.py from content/understanding/danger; here it is only asked. Needs nothing but the standard library.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from bot.understand.features import SLOTS, dot, vector

KINDS = ("none", "emergency", "distress", "risk")
MAGIC = b"umbrella danger 1\n"
PIECE = 40  # words of a long message that are looked at together; the next piece begins half-way


@dataclass(frozen=True)
class Classifier:
    rarity: Sequence[float]
    weights: Sequence[float]
    bias: Sequence[float]
    sure: float  # from this probability on it is danger
    maybe: float  # from this one on it may be


def probabilities(classifier: Classifier, words: Sequence[str]) -> tuple[float, ...]:
    """How likely each of KINDS is, in that order; they add up to 1. A long message is read in pieces, and the worst counts."""
    step = PIECE // 2
    pieces = [words[at : at + PIECE] for at in range(0, max(1, len(words) - step), step)]
    return min((of_piece(classifier, piece) for piece in pieces), key=lambda found: found[0])


def of_piece(classifier: Classifier, words: Sequence[str]) -> tuple[float, ...]:
    scores = dot(vector(words, classifier.rarity), classifier.weights, len(KINDS), classifier.bias)
    top = max(scores)
    raised = [exp(score - top) for score in scores]
    return tuple(value / sum(raised) for value in raised)


def to_bytes(classifier: Classifier) -> bytes:
    """The classifier as a file."""
    head = array("f", (*classifier.bias, classifier.sure, classifier.maybe))
    return MAGIC + head.tobytes() + array("f", classifier.rarity).tobytes() + array("f", classifier.weights).tobytes()


def from_bytes(data: bytes) -> Classifier:
    """The classifier that was written. Raises ValueError when this is not one, or one of another version."""
    numbers = array("f")
    body = data.removeprefix(MAGIC)
    if body is data or len(body) != 4 * (len(KINDS) + 2 + SLOTS * (1 + len(KINDS))):
        raise ValueError("not a danger classifier of this version; make one with: umbrella train")
    numbers.frombytes(body)
    bias, (sure, maybe), rest = numbers[: len(KINDS)], numbers[len(KINDS) : len(KINDS) + 2], numbers[len(KINDS) + 2 :]
    return Classifier(rest[:SLOTS], rest[SLOTS:], bias, sure, maybe)
