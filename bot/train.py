"""Trains the danger classifier from the content. Only here is scikit-learn needed; at run time plain arrays do.

The classifier is kept under UMBRELLA_HOME by the hash of what it learnt from: unchanged content is not learnt again.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import yaml

from bot.content import Library
from bot.load import HOUSE, Loader, load_library
from bot.understand.danger import KINDS, Classifier, from_bytes, probabilities, to_bytes
from bot.understand.features import SLOTS, rarities, vector
from bot.understand.fold import words

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
SURE, MAYBE = 0.005, 0.05  # share of ordinary messages that may be taken for danger


def load_classifier(home: Path, library: Library, content: Path = CONTENT) -> Classifier | None:
    """The classifier trained from this content, or None when there is none yet."""
    try:
        return from_bytes(path_of(home, list(lessons(library, content))).read_bytes())
    except (OSError, ValueError):
        return None


def train(home: Path, content: Path = CONTENT) -> Path:
    """Train, unless that has been done for this content, and give back where the classifier is kept."""
    library = load_library(content)
    learnt = list(lessons(library, content))
    path = path_of(home, learnt)
    if load_classifier(home, library, content) is None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(to_bytes(fit(learnt)))
        unfinished.replace(path)
        for old in path.parent.glob("danger-*.bin"):
            if old != path:
                old.unlink()
    return path


def path_of(home: Path, learnt: list[tuple[str, str]]) -> Path:
    """Where the classifier that learnt this is kept: a text that is edited changes nothing, a phrase that is does."""
    return home / "model" / f"danger-{sha256(repr(learnt).encode()).hexdigest()[:16]}.bin"


def lessons(library: Library, content: Path) -> Iterator[tuple[str, str]]:
    """What there is to learn from, as (message, one of KINDS or "lookalike": no danger, but it sounds like it)."""
    for path in sorted((content / "understanding" / "danger").glob("*.yaml")):
        told = yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a safe loader
        for kind, messages in told.items():
            if kind != "framed":  # what-if and past: neither one nor the other, and only ever "maybe"
                yield from ((message, "none" if kind == "background" else kind) for message in messages)
    for phrases in library.danger.values():
        yield from ((phrase, "emergency") for phrase in phrases.emergency for _ in range(PHRASES))
    for cards in library.cards.values():
        for name, card in cards.items():
            if name in TOLD_BY or name.startswith(ORDINARY):
                yield from ((ask, TOLD_BY.get(name, "none")) for ask in card.asks)


def fit(learnt: list[tuple[str, str]]) -> Classifier:
    """The classifier, its two thresholds set so that ordinary messages it has not learnt are seldom taken for danger."""
    texts = [words(message) for message, _ in learnt]
    kinds = [KINDS.index(kind) if kind in KINDS else 0 for _, kind in learnt]
    kept_back = [number for number, (_, kind) in enumerate(learnt) if kind == "none" and number % 5 == 0]
    others = [number for number in range(len(texts)) if number not in set(kept_back)]
    first = fit_weights([texts[n] for n in others], [kinds[n] for n in others])
    danger = sorted((1 - probabilities(first, texts[n])[0] for n in kept_back), reverse=True)
    sure, maybe = (danger[int(share * len(danger))] for share in (SURE, MAYBE))
    whole = fit_weights(texts, kinds)
    return Classifier(whole.rarity, whole.weights, whole.bias, max(sure, 0.5), max(maybe, 0.1))


def fit_weights(texts: list[list[str]], kinds: list[int]) -> Classifier:
    """A multinomial logistic regression over the features of the texts."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    rarity = rarities(texts)
    rows = [vector(text, rarity) for text in texts]
    numbers = [number for row in rows for number in row]
    values = [value for row in rows for value in row.values()]
    ends = [0]
    for row in rows:
        ends.append(ends[-1] + len(row))
    matrix = csr_matrix((values, numbers, ends), shape=(len(rows), SLOTS))
    # a tolerance of 1e-3 can stop before the first step and leave every weight at nothing
    learnt = LogisticRegression(C=10, max_iter=1000, tol=1e-4).fit(matrix, kinds)
    return Classifier(rarity, learnt.coef_.T.ravel().tolist(), learnt.intercept_.tolist(), 0.5, 0.1)
