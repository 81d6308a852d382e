"""A linear classifier as plain arrays: trained elsewhere, kept in one file, asked in some tens of microseconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.understand.features import SLOTS, Seen, weigh

MAGIC = b"umbrella linear 3\n"
ALIGNED = 64  # bytes


@dataclass(frozen=True)
class Linear:
    """The weights of feature number n are weights[rows[n]] * steps[rows[n]], one for each class.

    Row 0 is that of all features without weight.
    """

    names: tuple[str, ...]  # of the classes
    figures: Mapping[str, float]  # thresholds and the like, set when it was trained
    rarity: NDArray[np.float32]
    bias: NDArray[np.float32]
    rows: NDArray[np.int32]
    steps: NDArray[np.float32]  # how much one unit of a row's weights is
    weights: NDArray[np.int8]  # a quarter of the memory of full precision, and no answer that differs


def scores(linear: Linear, seen: Seen) -> NDArray[np.float32]:
    """One score for each of the classes, in their order."""
    rows = linear.rows[seen.numbers]
    weights: NDArray[np.float32] = linear.weights[rows].astype(np.float32)
    weighed: NDArray[np.float32] = weigh(seen, linear.rarity) * linear.steps[rows]
    found: NDArray[np.float32] = linear.bias + weighed @ weights
    return found


def make_linear(names: Sequence[str], rarity: NDArray[np.float32], bias: Any, table: Any) -> Linear:
    """A classifier from its full table of weights, a row for each class."""
    full = np.asarray(table, dtype=np.float32).T
    largest = np.abs(full).max(axis=1)
    kept = np.flatnonzero(largest)
    rows = np.zeros(SLOTS, dtype=np.int32)
    rows[kept] = np.arange(1, len(kept) + 1)
    steps = np.concatenate([[0], largest[kept] / 127]).astype(np.float32)
    weights = np.vstack([np.zeros((1, full.shape[1])), np.rint(full[kept] / steps[1:, None])]).astype(np.int8)
    return Linear(tuple(names), {}, rarity, np.asarray(bias, dtype=np.float32), rows, steps, weights)


def to_bytes(linear: Linear) -> bytes:
    """The classifier as a file: a head, filled up with blanks so that the arrays after it can be read where they lie."""
    told = {"names": linear.names, "figures": dict(linear.figures), "held": len(linear.weights)}
    head = MAGIC + json.dumps(told).encode()
    head += b" " * (-(len(head) + 1) % ALIGNED) + b"\n"
    parts = linear.rarity, linear.bias, linear.rows, linear.steps, linear.weights
    return head + b"".join(part.tobytes() for part in parts)


def from_bytes(data: bytes | mmap) -> Linear:
    """The classifier that was written. Of a mapped file only the pages that are asked for are ever in memory.

    Raises ValueError when this is not one, or one of another version.
    """
    try:
        if data[: len(MAGIC)] != MAGIC:
            raise ValueError("something else")
        begin = data.find(b"\n", len(MAGIC)) + 1
        head = json.loads(data[len(MAGIC) : begin])
        names, held = tuple(head["names"]), int(head["held"])
        kinds: tuple[tuple[Any, int], ...] = (
            (np.float32, SLOTS),
            (np.float32, len(names)),
            (np.int32, SLOTS),
            (np.float32, held),
            (np.int8, held * len(names)),
        )
        starts = list(accumulate((np.dtype(kind).itemsize * count for kind, count in kinds), initial=begin))
        if starts[-1] != len(data):
            raise ValueError("too short or too long")
        parts = [np.frombuffer(data, kind, count, start) for start, (kind, count) in zip(starts, kinds, strict=False)]
    except (ValueError, KeyError, TypeError):
        raise ValueError("not a classifier of this version; make one with: umbrella train") from None
    rarity, bias, rows, steps, weights = parts
    return Linear(names, head["figures"], rarity, bias, rows, steps, weights.reshape(held, len(names)))
