"""Trains, from the content, what hears danger and what tells the cards apart. Only here is scikit-learn needed.

What was trained is kept by the digest of what it was learnt from: unchanged content is not learnt again.
"""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import accumulate, pairwise
from mmap import ACCESS_READ, mmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from bot.content import Library
from bot.files import CONTENT, Faults
from bot.lessons import Lesson, Lessons, digest, read_lessons
from bot.load import NotTrained, Trained, load_library, load_reader
from bot.understand.concepts import Concepts
from bot.understand.danger import KINDS, chances
from bot.understand.features import Reader, Seen, rarities, weigh
from bot.understand.fold import words
from bot.understand.linear import Linear, from_bytes, make_linear, scores, to_bytes
from bot.understand.spelling import Spelling, build_spelling

# Chosen on the cards' `tries`: from "sure" on and leading by "ahead" it is answered; "nothing" below nonsense it is not guessed.
CARD_FIGURES = {"sure": -0.45, "ahead": 0.15, "nothing": 0.3}
FALSE_ALARMS = {"none": (0.0065, 0.05), "lookalike": (0.15, 0.33)}  # share of harmless messages that may be: sure, or asked about
KEPT = ("danger", "words", "cards")  # the files of one training, the last one written last
COMMON = 3  # times that a word was written by those we learn from, for others to be mended to it
FOLDS = 5  # one of so many messages is kept back to set the thresholds by


def load_trained(models: Path, library: Library, content: Path = CONTENT) -> Trained:
    """What was trained from this content, else the latest that was trained from other content. Raises NotTrained."""
    wanted = digest(library, content)
    newest_first = sorted(models.glob("cards-*.bin"), key=lambda path: path.stat().st_mtime, reverse=True)
    digests = [path.stem.removeprefix("cards-") for path in newest_first]
    for found in sorted(digests, key=lambda digest: digest != wanted):
        try:
            danger, cards = (from_bytes(mapped(path_of(models, kind, found))) for kind in ("danger", "cards"))
            words = path_of(models, "words", found).read_text(encoding="utf-8").split()
            return Trained(danger, cards, spelling_of(words), fresh=found == wanted)
        except (OSError, ValueError):
            continue
    raise NotTrained("nothing has been trained yet: run `umbrella train` (half a minute)")


def train(models: Path, content: Path = CONTENT) -> bool:
    """Train from the content and keep what came of it in this folder. False when that had been done already."""
    library = load_library(content)
    wanted = digest(library, content)
    if all(path_of(models, kind, wanted).exists() for kind in KEPT):
        return False
    reader, lessons = load_reader(content, Faults(content.parent)), read_lessons(library, content)
    models.mkdir(parents=True, exist_ok=True, mode=0o700)
    older = [path for path in models.iterdir() if path.is_file()]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:  # the two at once: there are two cores or more
        danger = other.submit(fit_danger, lessons.danger, reader)
        cards = fit_cards(lessons.cards, reader)
        keep(path_of(models, "danger", wanted), to_bytes(danger.result()))
    keep(path_of(models, "words", wanted), "\n".join(vocabulary(lessons, reader.concepts)).encode())
    keep(path_of(models, "cards", wanted), to_bytes(cards))
    for path in older:
        path.unlink(missing_ok=True)
    return True


def vocabulary(lessons: Lessons, concepts: Concepts) -> list[str]:
    """Every folded word that was learnt from, and those of the concepts, such as names of places; the common ones twice."""
    often = Counter(word for message, _ in (*lessons.cards, *lessons.danger) for word in words(message))
    often.update(dict.fromkeys(concepts.words, COMMON))
    return [word for word, times in sorted(often.items()) for _ in range(2 if times >= COMMON else 1)]


def spelling_of(vocabulary: Sequence[str]) -> Spelling:
    """What mends words, from such a list."""
    return build_spelling(vocabulary, (word for word, following in pairwise(vocabulary) if word == following))


def mapped(path: Path) -> mmap:
    """The file, to be read where it lies. It may be replaced meanwhile: what is mapped stays."""
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def path_of(models: Path, kind: str, digest: str) -> Path:
    return models / f"{kind}-{digest}.bin"


def keep(path: Path, written: bytes) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(written)
    unfinished.replace(path)


def fit_danger(learnt: Sequence[Lesson], reader: Reader) -> Linear:
    """The danger classifier. Its two thresholds are set so that messages without danger that it has not learnt are seldom taken
    for danger: so many of the ordinary ones, and so many of those that sound like it.
    """
    texts = [reader.see(words(message)) for message, _ in learnt]
    kinds = [KINDS.index(kind) for _, kind in learnt]
    kept_back = [number for number, (_, kind) in enumerate(learnt) if kind in FALSE_ALARMS and number % FOLDS == 0]
    others = sorted(set(range(len(texts))) - set(kept_back))
    first = fit_probabilities([texts[n] for n in others], [kinds[n] for n in others])
    told = {n: chances(scores(first, texts[n])) for n in kept_back}
    figures = {"sure": 0.5, "maybe": 0.1}
    for kind, (sure, maybe) in FALSE_ALARMS.items():
        harmless = [told[n] for n in kept_back if learnt[n][1] == kind]
        figures["sure"] = max(figures["sure"], float(np.quantile([sum(one.levels) for one in harmless], 1 - sure)))
        figures["maybe"] = max(figures["maybe"], float(np.quantile([one.any for one in harmless], 1 - maybe)))
    return replace(fit_probabilities(texts, kinds), figures=figures)


def fit_probabilities(texts: Sequence[Seen], kinds: Sequence[int]) -> Linear:
    """A multinomial logistic regression over the features of the texts."""
    from sklearn.linear_model import LogisticRegression

    rarity = rarities(texts)
    # a tolerance of 1e-3 stops too early: a tenth less danger is heard, and `umbrella evaluate` shows it
    learnt = LogisticRegression(C=10, max_iter=1000, tol=1e-4).fit(matrix(texts, rarity), kinds)
    return make_linear(KINDS, rarity, learnt.intercept_, learnt.coef_)


def fit_cards(learnt: Sequence[Lesson], reader: Reader) -> Linear:
    """The classifier that tells the cards apart."""
    return replace(fit_classes(learnt, reader), figures=CARD_FIGURES)


def fit_classes(learnt: Sequence[Lesson], reader: Reader) -> Linear:
    """A classifier of these classes: one line between each and all others. Its scores are about 1 for its class, else -1."""
    from sklearn.svm import LinearSVC

    texts = [reader.see(words(message)) for message, _ in learnt]
    rarity = rarities(texts)
    fitted = LinearSVC(C=0.7, tol=1e-2, random_state=1).fit(matrix(texts, rarity), [name for _, name in learnt])
    table, bias = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn then keeps one line for both
        table, bias = np.vstack([-table, table]), np.concatenate([-bias, bias])
    return make_linear([str(name) for name in fitted.classes_], rarity, bias, table)


def matrix(texts: Sequence[Seen], rarity: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> Any:
    """The features of the texts as scikit-learn takes them."""
    from scipy.sparse import csr_matrix

    ends = [0, *accumulate(len(text.numbers) for text in texts)]
    values = np.concatenate([weigh(text, rarity) for text in texts])
    numbers = np.concatenate([text.numbers for text in texts])
    return csr_matrix((values, numbers, ends), shape=(len(texts), len(rarity)))
