"""The house keeps its shape: who may import whom, and who may touch the world."""

import ast
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
CODE = [
    path for folder in ("bot", "handlers") for path in sorted((HOUSE / folder).rglob("*.py")) if "migrations" not in path.parts
]

MAY_IMPORT = {
    "bot": set[str](),
    "bot.model": set(),
    "bot.limits": set(),
    "bot.config": set(),
    "bot.log": set(),
    "bot.files": set(),
    "bot.checks": set(),
    "bot.directory": {"bot.understand"},
    "bot.content": {"bot.checks", "bot.directory", "bot.model"},
    "bot.understand": {"bot.understand"},
    "bot.safety": {"bot.content", "bot.understand"},
    "bot.channels": {"bot.model", "bot.content", "bot.limits"},
    "bot.dialogue": {"bot.checks", "bot.directory", "bot.model", "bot.content", "bot.understand", "bot.safety"},
    "handlers": {"bot.model", "bot.dialogue", "bot.directory", "handlers"},
    "bot.store": {"bot.model", "bot.store"},
    "bot.send": {"bot.content", "bot.log", "bot.store"},
    "bot.platforms": {"bot.channels", "bot.content", "bot.log", "bot.send", "bot.store"},
    "bot.service": {"bot.model", "bot.content", "bot.dialogue", "bot.log", "bot.store", "bot.understand"},
    "bot.intake": {"bot.model", "bot.content", "bot.channels", "bot.log", "bot.send", "bot.service", "bot.store"},
    "bot.check": {"bot.checks", "bot.content", "bot.dialogue", "bot.directory", "bot.files", "bot.limits", "bot.understand"},
    "bot.load_directory": {"bot.content", "bot.directory", "bot.files", "bot.understand"},
    "bot.load": {
        "bot.check",
        "bot.checks",
        "bot.content",
        "bot.dialogue",
        "bot.files",
        "bot.load_directory",
        "bot.safety",
        "bot.understand",
        "handlers",
    },
    "bot.lessons": {"bot.content", "bot.files", "bot.safety", "bot.understand"},
    "bot.train": {"bot.content", "bot.files", "bot.lessons", "bot.load", "bot.understand"},
    "bot.guide": {"bot.config", "bot.dialogue", "bot.files", "bot.load", "bot.train"},
    "bot.ask": {"bot.dialogue", "bot.safety", "bot.understand"},
    "bot.evaluate": {"bot.ask", "bot.content", "bot.dialogue", "bot.files", "bot.lessons", "bot.understand"},
    "bot.benchmark": {"bot.files", "bot.lessons", "bot.load", "bot.train", "bot.understand"},
    "bot.web": {"bot.model", "bot.content", "bot.dialogue", "bot.log", "bot.service", "bot.store", "bot.web"},
}
THE_EDGE = {
    "bot.serve",
    "bot.connect",
    "bot.page",
    "bot.terminal",
    "bot.transcript",
    "bot.unanswered",
    "bot.__main__",
}  # may import all but handlers
PURE = (
    "bot.model",
    "bot.checks",
    "bot.directory",
    "bot.limits",
    "bot.content",
    "bot.safety",
    "bot.dialogue",
    "bot.channels",
    "bot.understand",
    "handlers",
)
HARMLESS = {
    "array",
    "collections",
    "dataclasses",
    "functools",
    "itertools",
    "json",
    "math",
    "mmap",
    "numpy",
    "rapidfuzz",
    "re",
    "typing",
    "unicodedata",
    "zlib",
}
THE_WORLD = {
    "now",
    "today",
    "utcnow",
    "open",
    "print",
    "input",
    "read_text",
    "read_bytes",
    "getenv",
    "environ",
    "random",
    "urandom",
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")


def rule_for(module: str) -> str:
    return max((rule for rule in MAY_IMPORT if f"{module}.".startswith(f"{rule}.")), key=len, default="")


def imports(tree: ast.AST) -> set[str]:
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_module_imports_only_what_it_may(path: Path) -> None:
    module, tree = name_of(path), ast.parse(path.read_text(encoding="utf-8"))
    ours = {name for name in imports(tree) if name.split(".")[0] in {"bot", "handlers"}}
    if module in THE_EDGE:
        assert not {name for name in ours if name.startswith("handlers.")}
    else:
        allowed = MAY_IMPORT[rule_for(module)]
        assert {name for name in ours if not any(f"{name}.".startswith(f"{may}.") for may in allowed)} == set()


@pytest.mark.parametrize("path", [path for path in CODE if rule_for(name_of(path)) in PURE], ids=name_of)
def test_a_pure_module_does_not_touch_the_world(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    theirs = {name.split(".")[0] for name in imports(tree)} - {"bot", "handlers"}
    assert theirs <= HARMLESS
    names = {getattr(node, "id", "") or getattr(node, "attr", "") for node in ast.walk(tree)}
    assert not names & THE_WORLD


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_every_module_opens_with_its_promise(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not path.read_text(encoding="utf-8").strip()


def test_no_event_can_hold_a_persons_words() -> None:
    """Every text in an event is a name of ours: each field that is text is listed here, and none is free."""
    from bot.model import Event

    fields = {f"{kind.__name__}.{name}" for kind in Event.__subclasses__() for name in kind.__dataclass_fields__}
    assert fields == {
        "LanguageNoticed.language",
        "LanguageChosen.language",
        "Said.name",
        "Said.options",
        "Went.place",
        "StepReached.card",
        "StepReached.step",
        "CheckAnswered.card",
        "CheckAnswered.version",
        "CheckAnswered.question",
        "CheckAnswered.answer",
        "CheckEnded.card",
        "Asked.place",
        "Suspected.scores",
        "Silenced.until",
        "DoorNoticed.door",
        "NotUnderstood.nearest",
        "RiskNoticed.level",
        "RiskNoticed.sure",
        "AttachmentReceived.kind",
        "FeedbackGiven.question",
        "FeedbackGiven.answer",
    }
