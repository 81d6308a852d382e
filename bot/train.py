"""Trains, from the content, what tells danger and what tells the cards apart. Only here is scikit-learn needed.

Each classifier is kept under UMBRELLA_HOME by the hash of what it learnt from: unchanged content is not learnt again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml

from bot.content import Library
from bot.load import HOUSE, Loader, Trained, asks, load_library
from bot.understand.danger import KINDS, probabilities
from bot.understand.features import SLOTS, rarities, vector
from bot.understand.fold import words
from bot.understand.linear import Linear, from_bytes, make_linear, to_bytes

CONTENT = HOUSE / "content"
# Cards whose asks tell of danger themselves, and of which kind.
TOLD_BY = {
    "help/emergency": "emergency",
    "help/violence": "distress",
    "help/feelings": "distress",
    "trafficking/passport": "risk",
    "trafficking/debt": "risk",
    "trafficking/scam-centres": "risk",
    "trafficking/domestic-work": "risk",
    "trafficking/forced-labour": "risk",
    "trafficking/entertainment": "risk",
    "trafficking/boyfriend": "risk",
}
# Sections whose asks are ordinary questions. Those of the other cards may be either, and teach nothing here.
ORDINARY = ("registration/", "internal/", "campaign/", "about/", "menu/", "talk/", "return/avrr", "return/who", "return/before")
PHRASES = 3  # how often a reviewed phrase counts: short and plain, where the messages are long
VERSION = 1  # of how it is trained: a change trains anew
SMALLEST = 0.02  # weights below this are left out: that costs nothing that could be measured
# Chosen on the cards' `tries`: from "sure" on and leading by "ahead" it is answered; "nothing" below nonsense it is not guessed.
CARD_FIGURES = {"sure": -0.45, "ahead": 0.15, "nothing": 0.2}
SURE, MAYBE = 0.005, 0.05  # share of ordinary messages that may be taken for danger


Lessons = list[tuple[str, str]]  # message, and its class


def load_trained(home: Path, library: Library, content: Path = CONTENT) -> Trained:
    """What was trained from this content. Each is None when there is none yet."""
    return Trained(
        danger=read(path_of(home, "danger", danger_lessons(library, content))),
        cards=read(path_of(home, "cards", card_lessons(library, content))),
    )


def train(home: Path, content: Path = CONTENT) -> list[Path]:
    """Train, unless that has been done for this content, and give back where the classifiers are kept."""
    library = load_library(content)
    danger, cards = danger_lessons(library, content), card_lessons(library, content)
    return [keep(path_of(home, "danger", danger), danger, fit_danger), keep(path_of(home, "cards", cards), cards, fit_cards)]


def keep(path: Path, learnt: Lessons, fit: Callable[[Lessons], Linear]) -> Path:
    """Fit and write, unless the file is there, and take away what was learnt from older content."""
    if read(path) is None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(to_bytes(fit(learnt)))
        unfinished.replace(path)
        for old in path.parent.glob(f"{path.name.partition('-')[0]}-*.bin"):
            if old != path:
                old.unlink()
    return path


def read(path: Path) -> Linear | None:
    try:
        return from_bytes(path.read_bytes())
    except (OSError, ValueError):
        return None


def path_of(home: Path, name: str, learnt: Lessons) -> Path:
    """Where the classifier that learnt this is kept: a text that is edited changes nothing, a phrase that is does."""
    return home / "model" / f"{name}-{sha256(repr((VERSION, learnt)).encode()).hexdigest()[:16]}.bin"


def notes(content: Path, folder: str) -> Iterator[dict[str, Any]]:
    """The files of content/understanding/<folder>."""
    for path in sorted((content / "understanding" / folder).glob("*.yaml")):
        yield yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a safe loader


def card_lessons(library: Library, content: Path) -> Lessons:
    """What people write when they need a card, as (message, card), and what no card is about, as (message, "")."""
    told = [(ask, name) for name, ask in asks(library)]
    for more in notes(content, "questions"):
        told += [(ask, name) for name, by_language in more.items() for said in by_language.values() for ask in said]
    return told + [(message, "") for more in notes(content, "danger") for message in more["background"]]


def danger_lessons(library: Library, content: Path) -> Lessons:
    """As (message, one of KINDS or "lookalike": no danger, but it sounds like it)."""
    told: Lessons = []
    for more in notes(content, "danger"):
        for kind, messages in more.items():
            if kind != "framed":  # what-if and past: neither one nor the other, and only ever "maybe"
                told += [(message, "none" if kind == "background" else kind) for message in messages]
    for phrases in library.danger.values():
        told += [(phrase, "emergency") for phrase in phrases.emergency for _ in range(PHRASES)]
    return told + [
        (ask, TOLD_BY.get(name, "none")) for name, ask in asks(library) if name in TOLD_BY or name.startswith(ORDINARY)
    ]


def fit_danger(learnt: Lessons) -> Linear:
    """The danger classifier, its two thresholds set so that ordinary messages it has not learnt are seldom taken for danger."""
    texts = [words(message) for message, _ in learnt]
    kinds = [KINDS.index(kind) if kind in KINDS else 0 for _, kind in learnt]
    kept_back = [number for number, (_, kind) in enumerate(learnt) if kind == "none" and number % 5 == 0]
    others = sorted(set(range(len(texts))) - set(kept_back))
    first = fit_probabilities([texts[n] for n in others], [kinds[n] for n in others])
    danger = sorted((1 - probabilities(first, texts[n])[0] for n in kept_back), reverse=True)
    sure, maybe = (danger[int(share * len(danger))] for share in (SURE, MAYBE))
    return replace(fit_probabilities(texts, kinds), figures={"sure": max(sure, 0.5), "maybe": max(maybe, 0.1)})


def fit_probabilities(texts: list[list[str]], kinds: list[int]) -> Linear:
    """A multinomial logistic regression over the features of the texts."""
    from sklearn.linear_model import LogisticRegression

    rarity = rarities(texts)
    # a tolerance of 1e-3 can stop before the first step and leave every weight at nothing
    learnt = LogisticRegression(C=10, max_iter=1000, tol=1e-4).fit(matrix(texts, rarity), kinds)
    return make_linear(KINDS, rarity, learnt.intercept_.tolist(), learnt.coef_.tolist(), smallest=1e-4)


def fit_cards(learnt: Lessons) -> Linear:
    """The classifier that tells the cards apart: one line between each and all others."""
    from sklearn.svm import LinearSVC

    texts = [words(message) for message, _ in learnt]
    rarity = rarities(texts)
    fitted = LinearSVC(C=1).fit(matrix(texts, rarity), [card for _, card in learnt])
    names = [str(name) for name in fitted.classes_]
    return replace(
        make_linear(names, rarity, fitted.intercept_.tolist(), fitted.coef_.tolist(), smallest=SMALLEST), figures=CARD_FIGURES
    )


def matrix(texts: list[list[str]], rarity: Sequence[float]) -> Any:
    """The features of the texts as scikit-learn takes them."""
    from scipy.sparse import csr_matrix

    rows = [vector(text, rarity) for text in texts]
    ends = [0, *accumulate(len(row) for row in rows)]
    values, numbers = [value for row in rows for value in row.values()], [number for row in rows for number in row]
    return csr_matrix((values, numbers, ends), shape=(len(rows), SLOTS))
