"""What each channel can carry. Content is checked against every row when it loads: no card is written for one channel only.

Sources: core.telegram.org/bots/api (sendMessage, InlineKeyboardButton); Messenger Platform, Send API and quick replies, 2026.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    text: int  # characters in one message
    label: int  # characters on one button
    options: int  # buttons under one message
    tap: int  # UTF-8 bytes in what a button sends back


LIMITS = {
    "telegram": Limits(text=4096, label=64, options=100, tap=64),
    "messenger": Limits(text=2000, label=20, options=13, tap=1000),
    "web": Limits(text=4000, label=60, options=30, tap=200),
    "terminal": Limits(text=4000, label=60, options=30, tap=200),
}

# House rules, stricter than any channel: docs/content.md
MESSAGE = 400
MESSAGES = 4
LABEL = min(limits.label for limits in LIMITS.values())
TAP = min(limits.tap for limits in LIMITS.values())
OPTIONS = min(limits.options for limits in LIMITS.values())
COMMON = 4  # places kept free under every reply: help, menu, back, and one more


def split_text(text: str, limit: int) -> list[str]:
    """The text in pieces of at most `limit` characters, cut at the ends of paragraphs, else of lines, else of words.

    No piece is empty and no word is lost. A single word longer than the limit is cut.
    """
    pieces = []
    rest = text.strip()
    while len(rest) > limit:
        window = rest[: limit + 1]
        cut = next((at for mark in ("\n\n", "\n", " ") if (at := window.rfind(mark)) > 0), limit)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest else pieces
