"""`umbrella benchmark understanding`: how well the same understanding learns any labelled phrases, such as public sets."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import msgspec
import numpy as np

from bot.files import CONTENT, Faults
from bot.lessons import Lesson
from bot.load import load_reader
from bot.train import fit_classes
from bot.understand.features import Reader
from bot.understand.linear import Linear, scores
from bot.understand.rank import NOTHING

KEPT = 0.95  # share of the questions with an answer that the threshold for "not sure" must keep


class Phrase(msgspec.Struct):
    """One line of a file: label null is out of scope."""

    text: str
    label: str | None


class BadLines(Exception):
    """A file of phrases cannot be read. The message says where and why."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it; shares from 0 to 1, times as named."""

    phrases: int
    classes: int
    questions: int
    accuracy: float
    top3: float
    out_of_scope: int
    out_of_scope_recall: float | None  # at KEPT of the others kept
    p50_ms: float  # of one question: read and scored
    p99_ms: float
    fit_s: float
    memory_mb: float  # of the classifier


def read_phrases(path: Path) -> list[Lesson]:
    """The phrases of a file, as (text, label). Raises BadLines."""
    found = []
    read = msgspec.json.Decoder(Phrase)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as problem:
        raise BadLines(f"{path}: {problem.strerror}") from problem
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                phrase = read.decode(line)
            except msgspec.DecodeError as problem:
                raise BadLines(f'{path}:{number}: {problem}; write {{"text": "…", "label": "…" or null}}') from problem
            found.append((phrase.text, NOTHING if phrase.label is None else phrase.label))
    if not found:
        raise BadLines(f"{path} holds no phrase")
    return found


def benchmark(train: Sequence[Lesson], test: Sequence[Lesson], reader: Reader) -> Figures:
    """Learn the one and be asked the other."""
    began = time.perf_counter()
    linear = fit_classes(train, reader)
    fitted = time.perf_counter() - began
    times, rows = [], []
    for text, _ in test:
        asked = time.perf_counter()
        rows.append(scores(linear, reader.read(text).question))
        times.append(time.perf_counter() - asked)
    table, labels = np.array(rows), [label for _, label in test]
    named = [number for number, name in enumerate(linear.names) if name != NOTHING]
    best = np.array(named)[np.argsort(-table[:, named], axis=1)[:, :3]]
    inside = [number for number, label in enumerate(labels) if label != NOTHING]
    right = [[linear.names[at] for at in best[number]] for number in inside]
    wanted = [labels[number] for number in inside]
    outside = [number for number, label in enumerate(labels) if label == NOTHING]
    told = confidence(linear, table)
    return Figures(
        phrases=len(train),
        classes=len(named),
        questions=len(inside),
        accuracy=share([found[0] == label for found, label in zip(right, wanted, strict=True)]),
        top3=share([label in found for found, label in zip(right, wanted, strict=True)]),
        out_of_scope=len(outside),
        out_of_scope_recall=share(list(told[outside] < np.quantile(told[inside], 1 - KEPT))) if outside and inside else None,
        p50_ms=round(1000 * float(np.quantile(times, 0.5)), 4),
        p99_ms=round(1000 * float(np.quantile(times, 0.99)), 4),
        fit_s=round(fitted, 2),
        memory_mb=round(size(linear) / 1e6, 1),
    )


def confidence(
    linear: Linear, table: "np.ndarray[tuple[int, int], np.dtype[np.float32]]"
) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """How sure each row of scores is that it is in scope: its best score, less that of "nothing" where that was learnt."""
    named = [number for number, name in enumerate(linear.names) if name != NOTHING]
    best: np.ndarray[tuple[int], np.dtype[np.float32]] = table[:, named].max(axis=1)
    return best - table[:, linear.names.index(NOTHING)] if NOTHING in linear.names else best


def share(hits: Sequence[bool]) -> float:
    return round(float(np.mean(hits)), 4) if hits else 0.0


def size(linear: Linear) -> int:
    """Bytes that the classifier holds."""
    return sum(part.nbytes for part in (linear.rarity, linear.bias, linear.rows, linear.steps, linear.weights))


def run(train: Path, test: Path) -> int:
    """Print the figures as one JSON object. Gives back 1 after saying what is wrong with a file."""
    try:
        lessons = read_phrases(train), read_phrases(test)
    except BadLines as problem:
        print(problem, file=sys.stderr)
        return 1
    figures = benchmark(*lessons, load_reader(CONTENT, Faults(CONTENT.parent)))
    peak = getrusage(RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({**msgspec.to_builtins(figures), "peak_mb": round(peak)}))
    return 0
