"""Which cards an utterance may mean: the nearest of the phrases that the cards list under `asks`, in every language at once.

Nearness is the cosine between bags of folded letter groups and words, each weighted by how rare it is among all phrases.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log, sqrt

from bot.understand.fold import CAP, words

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
    """Every phrase of every card, ready to be compared with an utterance."""

    cards: tuple[str, ...]  # the card of each phrase
    postings: Mapping[str, tuple[tuple[int, float], ...]]  # feature -> (phrase, weight)
    rarity: Mapping[str, float]


def features(text: str) -> Counter[str]:
    """The folded words of the text, and the groups of three and four letters in them with a blank at each end."""
    bag: Counter[str] = Counter()
    for word in words(text[:CAP]):
        bag[f"={word}"] += 1
        padded = f" {word} "
        for size in (3, 4):
            bag.update(padded[at : at + size] for at in range(len(padded) - size + 1))
    return bag


def build_index(phrases: Iterable[tuple[str, str]]) -> Index:
    """An index of (card, phrase) pairs."""
    pairs = [(card, features(phrase)) for card, phrase in phrases]
    spread = Counter(feature for _, bag in pairs for feature in bag)
    rarity = {feature: log(1 + len(pairs) / count) for feature, count in spread.items()}
    postings: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, (_, bag) in enumerate(pairs):
        for feature, weight in weighted(bag, rarity).items():
            postings[feature].append((number, weight))
    return Index(tuple(card for card, _ in pairs), {key: tuple(rows) for key, rows in postings.items()}, rarity)


def weighted(bag: Mapping[str, int], rarity: Mapping[str, float]) -> dict[str, float]:
    """The bag as a vector of length 1. A feature that no phrase has weighs as the rarest: strange words lower the score."""
    rarest = max(rarity.values(), default=1.0)
    raw = {feature: (1 + log(count)) * rarity.get(feature, rarest) for feature, count in bag.items()}
    length = sqrt(sum(weight * weight for weight in raw.values())) or 1.0
    return {feature: weight / length for feature, weight in raw.items()}


def rank(index: Index, utterance: str) -> list[tuple[str, float]]:
    """The cards by how near their nearest phrase is, best first, as (card, cosine from 0 to 1)."""
    scores: defaultdict[int, float] = defaultdict(float)
    for feature, weight in weighted(features(utterance), index.rarity).items():
        for phrase, other in index.postings.get(feature, ()):
            scores[phrase] += weight * other
    best: dict[str, float] = {}
    for phrase, score in scores.items():
        card = index.cards[phrase]
        if score > best.get(card, 0.0):
            best[card] = score
    return sorted(best.items(), key=lambda found: -found[1])


def understand(index: Index, utterance: str) -> Understood:
    """The card this utterance means when that is clear, and the likeliest cards when it is not."""
    ranked = rank(index, utterance)
    likely = [found for found in ranked[:CANDIDATES] if found[1] >= LIKELY]
    if not likely:
        return Understood()
    (card, score), second = likely[0], likely[1][1] if len(likely) > 1 else 0.0
    sure = score >= SURE and (score - second >= AHEAD or score > 0.9)
    return Understood(card if sure else "", tuple(name for name, _ in likely))
