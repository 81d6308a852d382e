"""The log: one JSON object a line, made of an allow-list of fields, so that nothing a person wrote can slip in.

Rule 3: a field that is not listed here is dropped, and of an exception only its kind and place are told, never its message.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog

FIELDS = frozenset(
    [
        "event",
        "level",
        "time",
        "channel",
        "kind",
        "count",
        "where",
        "error",
        "status",
        "seconds",
        "version",
        "faults",
        "files",
        "port",
        "address",
        "card",
        "language",
        "tries",
    ]
)
HOUSE = Path(__file__).parent.parent

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def only_allowed(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list, and what an exception says."""
    problem = entry.pop("exc_info", None)
    if problem is True:
        problem = sys.exc_info()[1]
    if isinstance(problem, BaseException):
        entry["error"], entry["where"] = type(problem).__name__, place_of(problem)
    return {name: value for name, value in entry.items() if name in FIELDS}


def place_of(problem: BaseException) -> str:
    """The file and line of our own code that the exception came through last, or "" when it came through none."""
    ours = [
        f"{Path(frame.filename).relative_to(HOUSE)}:{frame.lineno}"
        for frame in traceback.extract_tb(problem.__traceback__)
        if Path(frame.filename).is_relative_to(HOUSE) and ".venv" not in frame.filename
    ]
    return ours[-1] if ours else ""


class Quiet(logging.Handler):
    """Libraries' own log records: where they come from and how grave, never what they say, which may quote a person."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        log.log(record.levelno, "library", where=f"{record.name}:{record.lineno}", error=error)


def set_up_log(level: str) -> None:
    """Log from this level on, to standard error. Until this is called, warnings and errors are logged, just as sparingly."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    logging.root.handlers = [Quiet()]
    logging.root.setLevel(logging.WARNING)


# At import, because the library's own default shows an exception with all that stood in its variables: a person's words as well.
set_up_log("warning")
