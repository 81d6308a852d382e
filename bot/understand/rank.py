"""Which cards an utterance may mean, learnt from the phrases that the cards list under `asks`, in every language at once.

A trained classifier tells best. Until there is one, the nearest of the phrases does: nearness is the cosine between bags of
folded letter groups and words, each weighted by how rare it is among all phrases.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import log, sqrt

from bot.understand.fold import CAP, words
from bot.understand.linear import Linear, scores

SURE = 0.62  # from here on the card is shown at once
LIKELY = 0.30  # from here on it is offered as a button
AHEAD = 0.05  # how far the best must lead the second to be shown at once, unless it is nearly word for word
CANDIDATES = 3


@dataclass(frozen=True, slots=True)
class Understood:
    """What an utterance may mean: the card when sure, and the likeliest cards, best first."""

    card: str = ""
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Index:
    """Every phrase of every card, ready to be compared with an utterance.

    The phrases that hold feature number n, and how much it weighs in each, stand from starts[n] to starts[n + 1].
    """

    cards: tuple[str, ...]  # the card of each phrase
    numbers: Mapping[str, int]  # feature -> its number
    rarity: Sequence[float]
    starts: Sequence[int]
    phrases: Sequence[int]
    weights: Sequence[float]


def features(text: str) -> Counter[str]:
    """The folded words of the text, and the groups of three and four letters in them with a blank at each end."""
    bag: Counter[str] = Counter()
    for word in words(text[:CAP]):
        bag[f"={word}"] += 1
        padded = f" {word} "
        for size in (3, 4):
            bag.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    return bag


@lru_cache(maxsize=2)  # most edits change texts and leave the phrases as they are
def build_index(phrases: tuple[tuple[str, str], ...]) -> Index:
    """An index of (card, phrase) pairs."""
    numbers: dict[str, int] = {}
    held, counts, ends = array("I"), array("H"), array("I")  # each phrase's features, one phrase after the other
    for _, phrase in phrases:
        for feature, count in features(phrase).items():
            held.append(numbers.setdefault(feature, len(numbers)))
            counts.append(count)
        ends.append(len(held))
    spread = Counter(held)
    rarity = array("f", (log(1 + len(phrases) / spread[number]) for number in range(len(numbers))))
    starts = array("I", accumulate((spread[number] for number in range(len(numbers))), initial=0))
    free, found, weights = starts[:-1], array("I", bytes(4 * len(held))), array("f", bytes(4 * len(held)))
    for row, (start, end) in enumerate(pairwise((0, *ends))):
        raw = [(1 + log(counts[at])) * rarity[held[at]] for at in range(start, end)]
        length = sqrt(sum(weight * weight for weight in raw)) or 1.0
        for at, weight in zip(range(start, end), raw, strict=True):
            slot = free[held[at]]
            found[slot], weights[slot] = row, weight / length
            free[held[at]] = slot + 1
    return Index(tuple(card for card, _ in phrases), numbers, rarity, starts, found, weights)


def weighted(bag: Mapping[str, int], numbers: Mapping[str, int], rarity: Sequence[float]) -> dict[str, float]:
    """The bag as a vector of length 1. A feature that no phrase has weighs as the rarest: strange words lower the score."""
    rarest = log(1 + len(numbers))
    raw = {
        feature: (1 + log(count)) * (rarity[numbers[feature]] if feature in numbers else rarest) for feature, count in bag.items()
    }
    length = sqrt(sum(weight * weight for weight in raw.values())) or 1.0
    return {feature: weight / length for feature, weight in raw.items()}


def rank(index: Index, utterance: str) -> list[tuple[str, float]]:
    """The cards by how near their nearest phrase is, best first, as (card, cosine from 0 to 1)."""
    scores: defaultdict[int, float] = defaultdict(float)
    for feature, weight in weighted(features(utterance), index.numbers, index.rarity).items():
        number = index.numbers.get(feature)
        if number is not None:
            for at in range(index.starts[number], index.starts[number + 1]):
                scores[index.phrases[at]] += weight * index.weights[at]
    best: dict[str, float] = {}
    for phrase, score in scores.items():
        card = index.cards[phrase]
        if score > best.get(card, 0.0):
            best[card] = score
    return sorted(best.items(), key=lambda found: -found[1])


def by_nearest_phrase(index: Index, utterance: str) -> Understood:
    """The card this utterance means when that is clear, and the likeliest cards when it is not, by the nearest of the phrases."""
    ranked = rank(index, utterance)
    likely = [found for found in ranked[:CANDIDATES] if found[1] >= LIKELY]
    if not likely:
        return Understood()
    (card, score), second = likely[0], likely[1][1] if len(likely) > 1 else 0.0
    sure = score >= SURE and (score - second >= AHEAD or score > 0.9)
    return Understood(card if sure else "", tuple(name for name, _ in likely))


def by_classifier(linear: Linear, utterance: str) -> Understood:
    """The same by a classifier, whose class "" stands for everything that no card is about."""
    said = words(utterance[:CAP])
    ranked = sorted(zip(scores(linear, said), linear.names, strict=True), reverse=True)
    nothing = next(score for score, name in ranked if name == "")
    (best, card), (second, _), *_ = likely = [found for found in ranked if found[1]][:CANDIDATES]
    if not said or nothing - best >= linear.figures["nothing"]:
        return Understood()
    sure = best >= linear.figures["sure"] and best - second >= linear.figures["ahead"]
    return Understood(card if sure else "", tuple(name for _, name in likely))
