"""A linear classifier as plain arrays: trained elsewhere, kept in one file, asked with nothing but the standard library."""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bot.understand.features import SLOTS, vector

MAGIC = b"umbrella linear 1\n"


@dataclass(frozen=True)
class Linear:
    """The weights of feature number n stand from starts[n] to starts[n + 1], each for one of the classes."""

    names: tuple[str, ...]  # of the classes
    figures: Mapping[str, float]  # thresholds and the like, set when it was trained
    rarity: Sequence[float]
    bias: Sequence[float]
    starts: Sequence[int]
    classes: Sequence[int]
    weights: Sequence[float]


def scores(linear: Linear, words: Sequence[str]) -> list[float]:
    """One score for each of the classes, in their order. Words are folded ones."""
    found = list(linear.bias)
    starts, classes, weights = linear.starts, linear.classes, linear.weights
    for number, weight in vector(words, linear.rarity).items():
        for at in range(starts[number], starts[number + 1]):
            found[classes[at]] += weight * weights[at]
    return found


def make_linear(
    names: Sequence[str], rarity: Sequence[float], bias: Sequence[float], rows: Sequence[Sequence[float]], smallest: float
) -> Linear:
    """A classifier from its full table of weights, one row a class; weights smaller than `smallest` are left out."""
    starts, classes, weights = array("I", [0]), array("H"), array("f")
    for column in zip(*rows, strict=True):
        for number, weight in enumerate(column):
            if abs(weight) >= smallest:
                classes.append(number)
                weights.append(weight)
        starts.append(len(weights))
    return Linear(tuple(names), {}, array("f", rarity), array("f", bias), starts, classes, weights)


def to_bytes(linear: Linear) -> bytes:
    """The classifier as a file."""
    head = {"names": linear.names, "figures": dict(linear.figures), "held": len(linear.weights)}
    arrays = (
        array("f", linear.rarity),
        array("f", linear.bias),
        array("I", linear.starts),
        array("H", linear.classes),
        array("f", linear.weights),
    )
    return MAGIC + json.dumps(head).encode() + b"\n" + b"".join(part.tobytes() for part in arrays)


def from_bytes(data: bytes) -> Linear:
    """The classifier that was written. Raises ValueError when this is not one, or one of another version."""
    first, _, body = data.removeprefix(MAGIC).partition(b"\n")
    try:
        head = json.loads(first) if data.startswith(MAGIC) else {}
        names, held = tuple(head["names"]), int(head["held"])
        kinds = ("f", SLOTS), ("f", len(names)), ("I", SLOTS + 1), ("H", held), ("f", held)
        parts = [array(kind) for kind, _ in kinds]
        ends = [0]
        for part, (_, count) in zip(parts, kinds, strict=True):
            ends.append(ends[-1] + count * part.itemsize)
        if ends[-1] != len(body):
            raise ValueError("too short or too long")
        for part, (start, end) in zip(parts, pairwise(ends), strict=True):
            part.frombytes(body[start:end])
    except (ValueError, KeyError, TypeError):
        raise ValueError("not a classifier of this version; make one with: umbrella train") from None
    return Linear(names, head["figures"], *parts)
