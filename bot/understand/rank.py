"""Which cards an utterance may mean, learnt from what people write when they need each card, in every language at once."""

from collections.abc import Set
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from bot.understand.features import Utterance
from bot.understand.linear import Linear, scores

CANDIDATES = 5
NOTHING = ""  # the class of everything that no card is about
FOLLOWS = "~"  # how the classes begin that ask on about the card before: ~cost
NEAR = 0.25  # how much likelier a card is for standing near the one she is reading


@dataclass(frozen=True, slots=True)
class Understood:
    """What an utterance may mean: the card when sure, the likeliest cards, best first, and how sure, from 0 to 1."""

    card: str = ""
    candidates: tuple[str, ...] = ()
    confidence: float = 0.0
    follows: str = ""  # instead of a card: what is asked about the card before


def rank(linear: Linear, said: Utterance, near: Set[str] = frozenset(), known: Set[str] | None = None) -> Understood:
    """The card that this means when that is clear, and the likeliest when it is not.

    The cards in `near` are looked at a second time when it is not clear from the words alone; cards not in `known` are left out.
    """
    if not said.words:
        return Understood()
    found = scores(linear, said.question)
    first = choose(linear, found, known)
    if first.card or not near:
        return first
    leaning: NDArray[np.float32] = np.array([NEAR if name in near else 0.0 for name in linear.names], dtype=np.float32)
    return choose(linear, found + leaning, known)


def choose(linear: Linear, found: NDArray[np.float32], known: Set[str] | None) -> Understood:
    """What these scores say."""
    ranked = [(linear.names[at], float(found[at])) for at in np.argsort(-found)[: CANDIDATES + 8]]
    nothing = float(found[linear.names.index(NOTHING)])
    top, best = ranked[0]
    if top.startswith(FOLLOWS):
        return Understood(confidence=confidence(linear, best), follows=top.removeprefix(FOLLOWS))
    likely = [(name, score) for name, score in ranked if name[:1] not in ("", FOLLOWS) and (known is None or name in known)]
    if not likely or nothing - likely[0][1] >= linear.figures["nothing"]:
        return Understood()
    (card, best), second = likely[0], likely[1][1] if len(likely) > 1 else -1.0
    sure = best >= linear.figures["sure"] and best - max(second, nothing) >= linear.figures["ahead"]
    return Understood(card if sure else "", tuple(name for name, _ in likely[:CANDIDATES]), confidence(linear, best))


def confidence(linear: Linear, score: float) -> float:
    """How sure a score is, from 0 to 1: one half where an answer begins to be given."""
    return 1 / (1 + exp(-4 * (score - linear.figures["sure"])))
