"""How likely an utterance tells of danger, and of which kind. Trained by bot/train.py from content/understanding/danger."""

from collections.abc import Sequence
from math import exp

from bot.understand.linear import Linear, scores

KINDS = ("none", "emergency", "distress", "risk")
PIECE = 40  # words of a long message that are looked at together; the next piece begins half-way


def probabilities(linear: Linear, words: Sequence[str]) -> tuple[float, ...]:
    """How likely each of KINDS is, in that order; they add up to 1. A long message is read in pieces, and the worst counts."""
    step = PIECE // 2
    pieces = [words[at : at + PIECE] for at in range(0, max(1, len(words) - step), step)]
    return min((of_piece(linear, piece) for piece in pieces), key=lambda found: found[0])


def of_piece(linear: Linear, words: Sequence[str]) -> tuple[float, ...]:
    found = scores(linear, words)
    top = max(found)
    raised = [exp(score - top) for score in found]
    return tuple(value / sum(raised) for value in raised)
