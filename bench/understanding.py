"""How well and how fast the bot understands, beside published figures: `python -m bench.understanding PATH`.

PATH is a folder with clinc150.jsonl (Larson et al. 2019, CC BY 3.0) and massive_mn.jsonl, massive_en.jsonl (Amazon, MASSIVE 1.1,
CC BY 4.0), each line {"text", "label", "split"}: public data are read from there, never committed. Learnt on their train split,
asked on their test split. The Latin-typed copy of massive_mn's test split is made here, each message in habits of its own.
Without PATH only the project's own classifiers are timed, on the wordings kept back.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bot.ask import Question, look_at
from bot.benchmark import Figures, benchmark
from bot.config import load_config
from bot.evaluate import HELD_BACK, held_back, tries
from bot.files import CONTENT, Faults
from bot.guide import open_guide
from bot.lessons import Lesson
from bot.load import load_reader
from bot.understand.rank import NOTHING

OUTSIDE = (None, "oos")
PUBLISHED = {  # accuracy in scope, recall out of scope, per cent; 2ND marks figures quoted second-hand
    "clinc150": "DialogFlow 91.7/14.0, Rasa 91.5/45.3, SVM 91.0/14.5, MLP 93.5/47.4, BERT 96.9/40.3 (Larson et al. 2019)",
    "massive_mn": "XLM-R base 84.3 (FitzGerald et al. 2023, 2ND)",
    "massive_mn, Latin-typed": "",
    "massive_en": "XLM-R base 88.3 (FitzGerald et al. 2023, 2ND)",
}
HABITS: dict[str, tuple[str, ...]] = {  # how people type a Cyrillic letter in Latin ones; each person keeps to her own choice
    "ө": ("u", "o"), "ү": ("u", "v"), "х": ("h", "x", "kh"), "ц": ("ts", "c"), "ч": ("ch", "4"), "ш": ("sh", "6"),
    "ж": ("j", "zh"), "в": ("v", "w"), "ф": ("f",), "э": ("e",), "й": ("i",), "ы": ("ii", "i"), "ь": ("i",), "ъ": ("",),
    "я": ("ya",), "ю": ("yu",), "ё": ("yo",), "е": ("e", "ye"), "щ": ("sh",), "а": ("a",), "б": ("b",), "г": ("g",), "д": ("d",),
    "з": ("z",), "и": ("i",), "к": ("k",), "л": ("l",), "м": ("m",), "н": ("n",), "о": ("o",), "п": ("p",), "р": ("r",),
    "с": ("s",), "т": ("t",), "у": ("u",),
}  # fmt: skip


def latin_typed(text: str, dice: random.Random) -> str:
    """A Cyrillic message as one person would type it in Latin letters."""
    habits = {letter: dice.choice(ways) for letter, ways in HABITS.items()}
    return "".join(habits.get(letter, letter) for letter in text.lower())


def split(rows: Iterable[dict[str, str | None]], name: str) -> list[Lesson]:
    return [(str(row["text"]), NOTHING if row["label"] in OUTSIDE else str(row["label"])) for row in rows if row["split"] == name]


def public_sets(folder: Path) -> dict[str, Figures]:
    """What came of each public set."""
    reader, dice, found = load_reader(CONTENT, Faults(CONTENT.parent)), random.Random(7), {}
    for name in ("clinc150", "massive_mn", "massive_en"):
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        train, test = split(rows, "train"), split(rows, "test")
        found[name] = benchmark(train, test, reader)
        if name == "massive_mn":
            typed = [(latin_typed(text, dice), label) for text, label in test]
            found["massive_mn, Latin-typed"] = benchmark(train, typed, reader)
    return found


def own_speed() -> dict[str, float]:
    """Milliseconds that one message costs with the project's own classifiers, folding, danger, ranking and language together."""
    before = resident()
    began = time.perf_counter()
    guide = open_guide(load_config())
    opened, memory = time.perf_counter() - began, resident() - before
    messages = [one.text for one in (*tries(guide.library), *(one for _, one in held_back(HELD_BACK)))]
    times = []
    for message in messages:
        asked = time.perf_counter()
        look_at(guide, Question(message))
        times.append(time.perf_counter() - asked)
    p50, p99 = (1000 * float(np.quantile(times, share)) for share in (0.5, 0.99))
    return {
        "messages": len(messages),
        "p50_ms": p50,
        "p99_ms": p99,
        "a_second": 1 / float(np.mean(times)),
        "open_s": opened,
        "content_and_classifiers_mb": memory,
    }


def resident() -> float:
    """Megabytes of this process that were in memory at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.understanding", description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", help="the folder of the public sets")
    options = parser.parse_args(arguments)
    print("own classifiers:", ", ".join(f"{name} {figure:.2f}" for name, figure in own_speed().items()))
    if options.path is None:
        return 0
    if missing := [name for name in ("clinc150", "massive_mn", "massive_en") if not (options.path / f"{name}.jsonl").exists()]:
        print(f"{options.path} has no {', '.join(f'{name}.jsonl' for name in missing)}", file=sys.stderr)
        return 1
    print(
        "| set | accuracy | top 3 | out of scope told at 95 % kept | p50 / p99 ms | fit s | MB | published |\n" + "|---" * 8 + "|"
    )
    for name, found in public_sets(options.path).items():
        outside = "–" if found.out_of_scope_recall is None else f"{100 * found.out_of_scope_recall:.1f}"
        print(
            f"| {name} | {100 * found.accuracy:.1f} | {100 * found.top3:.1f} | {outside} "
            f"| {found.p50_ms:.2f} / {found.p99_ms:.2f} | {found.fit_s:.1f} | {found.memory_mb} | {PUBLISHED[name]} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
