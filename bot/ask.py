"""`umbrella ask --json`: what the bot understands of each line, without answering it. For programs that measure it."""

import sys
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from bot.dialogue import Guide, understand
from bot.safety import cries_for_help, listen
from bot.understand.language import language_of


class Question(msgspec.Struct):
    """One line that is read."""

    text: str
    language: str = ""


class Understanding(msgspec.Struct):
    """One line that is printed."""

    card: str | None  # the card it is answered with
    candidates: list[str]  # the likeliest, best first, at most five
    confidence: float  # from 0 to 1
    decision: Literal["answer", "ask", "none", "smalltalk"]
    danger: str | None  # emergency, distress or risk
    sure: bool  # about the danger
    language: str  # of the reply


def look_at(guide: Guide, question: Question) -> Understanding:
    """What the bot understands of one message that comes first in a conversation."""
    said = guide.reader.read(question.text)
    understood = understand(guide, said)
    alarm = listen(guide.danger, said).alarm
    written, _ = language_of(question.text, said.words, guide.vocabulary)
    small = understood.card.startswith("talk/")
    decision: Literal["answer", "ask", "none", "smalltalk"] = (
        "smalltalk" if small else "answer" if understood.card else "ask" if understood.candidates else "none"
    )
    return Understanding(
        card=understood.card or None,
        candidates=list(understood.candidates[:5]),
        confidence=round(understood.confidence, 4),
        decision=decision,
        danger=alarm.level if alarm else "emergency" if cries_for_help(guide.danger, said) else None,
        sure=bool(alarm and alarm.sure),
        language=written or question.language or guide.language,
    )


def answers(guide: Guide, lines: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    """For each line the JSON to print, and "" or what is wrong with the line."""
    read = msgspec.json.Decoder(Question)
    for number, line in enumerate(lines, start=1):
        try:
            yield msgspec.json.encode(look_at(guide, read.decode(line))), ""
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            fault = f'line {number}: {problem}; write one JSON object a line: {{"text": "…", "language": "mn"}}'
            yield msgspec.json.encode({"error": fault}), fault


def ask(guide: Guide) -> int:
    """Read standard input to its end. Gives back 1 when a line could not be read; it is answered by {"error": …}."""
    wrong = 0
    for printed, fault in answers(guide, sys.stdin.buffer):
        sys.stdout.buffer.write(printed + b"\n")
        sys.stdout.buffer.flush()
        if fault:
            print(fault, file=sys.stderr)
            wrong = 1
    return wrong
