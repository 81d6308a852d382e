"""Reads YAML as people write it, and says what is wrong by file and line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import yaml

HOUSE = Path(__file__).parent.parent
CONTENT = HOUSE / "content"


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as people write it: yes, no, on and off are words, not truth values."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass
class Faults:
    """What is wrong in the files read so far, as lines to show."""

    root: Path
    found: list[str] = field(default_factory=list)

    def add(self, path: Path, line: int, what: str) -> None:
        shown = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        self.found.append(f"{shown}:{line}: {what}")


def read_yaml(path: Path, text: str, first_line: int, faults: Faults) -> dict[str, Any] | None:
    try:
        read = yaml.load(text, Loader=Loader)  # noqa: S506 - a safe loader, the C one where libyaml is there
    except yaml.MarkedYAMLError as problem:
        line = (problem.problem_mark.line if problem.problem_mark else 0) + first_line
        faults.add(path, line, f"cannot be read: {problem.problem}; put words with : or # or quotes in them between quotes")
        return None
    if not isinstance(read, dict):
        faults.add(path, first_line, "must hold `name: value` lines")
        return None
    return read


def read_file(path: Path, faults: Faults) -> dict[str, Any]:
    """What the file holds; nothing when it cannot be read, and then why is among the faults."""
    return read_yaml(path, path.read_text(encoding="utf-8"), 1, faults) or {}


def notes(content: Path, name: str) -> Iterator[Path]:
    """The files of content/understanding of this name: name.yaml, or all that stand in the folder of that name."""
    yield from sorted(content.glob(f"understanding/{name}.yaml"))
    yield from sorted(content.glob(f"understanding/{name}/*.yaml"))


def strings(value: Any) -> tuple[str, ...]:
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


def line_of(path: Path, start: str, after: str = "") -> int:
    """The line that starts with these words, the first below the one that starts with `after`, or 1."""
    rows = path.read_text(encoding="utf-8").splitlines()
    first = next((number for number, row in enumerate(rows) if row.startswith(after)), 0)
    return next((number for number, row in enumerate(rows, 1) if number > first and row.lstrip("- ").startswith(start)), 1)
