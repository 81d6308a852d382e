"""How likely an utterance tells of danger, and of which kind. Trained by bot/train.py from content/understanding/danger."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.understand.features import Utterance
from bot.understand.linear import Linear, scores

# lookalike: no danger, but it sounds like it; framed: danger told of as a what-if, as past, as not so
KINDS = ("none", "lookalike", "emergency", "distress", "risk", "framed")

Scores = NDArray[np.float32]


class Chances(NamedTuple):
    """Probabilities from 0 to 1."""

    any: float  # that danger is told of, framed or not
    levels: tuple[float, ...]  # that it is told of as it is: emergency, distress, risk
    framed: float
    lookalike: float


def danger_scores(linear: Linear, said: Utterance) -> Scores:
    """The scores of KINDS. A long message is read in pieces, and the worst of them counts."""
    found = [scores(linear, piece) for piece in said.pieces]
    return max(found, key=lambda piece: chances(piece).any) if len(found) > 1 else found[0]


def joined(linear: Linear, last: Scores, before: Scores) -> Scores:
    """The scores as if two messages were one: what each adds to the bias, in such shares that the length stays that of one."""
    both: Scores = linear.bias + np.float32(2**-0.5) * (last - linear.bias + before - linear.bias)
    return both


def chances(scores: Scores) -> Chances:
    """How likely each of KINDS is by these scores."""
    raised = np.exp(scores - scores.max())
    none, lookalike, *levels, framed = (raised / raised.sum()).tolist()
    return Chances(1 - none - lookalike, tuple(levels), framed, lookalike)
