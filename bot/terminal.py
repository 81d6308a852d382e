"""Talk to the bot in a terminal: pretty for a person, one message a line from a pipe, JSON for a program. Nothing is kept."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import fields
from itertools import count

import msgspec

from bot.config import Config
from bot.guide import open_guide
from bot.model import Event, Message
from bot.service import Received, Service
from bot.store import Store
from bot.store.sealing import make_keys
from bot.web.chat import as_dict

IN_MEMORY = "sqlite+aiosqlite://"


async def chat(config: Config, *, as_json: bool, language: str) -> int:
    """Read messages from standard input until it ends. A line `/tap NAME` presses an option."""
    store = Store(IN_MEMORY, make_keys(bytes(32)))
    await store.open()
    service = Service(open_guide(config), store)
    show = show_json if as_json else show_pretty if sys.stdout.isatty() else show_plain
    try:
        number = 0
        if sys.stdin.isatty():
            show(await service.receive(message_in("/tap menu/start", number, language)))
        async for line in lines():
            number += 1
            if line.strip():
                show(await service.receive(message_in(line.strip(), number, language)))
    finally:
        await store.close()
    return 0


def message_in(line: str, number: int, language: str) -> Message:
    """The message that a line is."""
    tap = line.removeprefix("/tap ").strip() if line.startswith("/tap ") else ""
    return Message(str(number), "terminal", "me", text="" if tap else line, tap=tap, language=language)


async def lines() -> AsyncIterator[str]:
    prompt = "› " if sys.stdin.isatty() else ""
    while True:
        if prompt:
            print(prompt, end="", flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if not line:
            return
        yield line


def show_json(received: Received) -> None:
    turn = {
        "replies": [as_dict(words) for words in received.words],
        "events": [as_text(event) for event in received.events],
        "language": received.language,
    }
    print(msgspec.json.encode(turn).decode(), flush=True)


def as_text(event: Event) -> str:
    """The event's kind and what it holds, in one line."""
    held = (getattr(event, name.name) for name in fields(event))
    return " ".join([type(event).__name__, *(str(value) for value in held if isinstance(value, str | int) and value != "")])


def show_plain(received: Received) -> None:
    numbers = count(1)
    for words in received.words:
        print(words.text)
        for option in words.options:
            print(f"  {next(numbers)}. {option.label}")
        print(flush=True)


def show_pretty(received: Received) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    console = Console(highlight=False)
    numbers = count(1)
    for words in received.words:
        console.print(Panel(Text(words.text), width=min(72, console.width), border_style="cyan"))
        for option in words.options:
            console.print(Text.assemble((f"  {next(numbers):>2} ", "bold cyan"), option.label))
