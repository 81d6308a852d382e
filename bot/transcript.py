"""Prints a conversation of tests/conversations with the real words, to be read aloud before they are approved."""

import sys
from pathlib import Path
from typing import Any

import yaml

from bot.config import Config
from bot.content import put_into_words
from bot.dialogue import respond
from bot.files import HOUSE
from bot.guide import open_guide
from bot.model import Conversation, Message

SCRIPTS = HOUSE / "tests" / "conversations"


def print_transcript(config: Config, name: str, language: str) -> int:
    """Print NAME (a file), or NAME/title (one conversation in it). Gives back 1 when there is none of that name."""
    file, _, title = name.partition("/")
    path = SCRIPTS / f"{file}.yaml"
    guide = open_guide(config)
    scripts = read_script(path) if path.exists() else {}
    wanted = {told: turns for told, turns in scripts.items() if title in ("", told)}
    if not wanted or language not in guide.library.languages:
        known = ", ".join(sorted(found.stem for found in SCRIPTS.glob("*.yaml")))
        print(f"no conversation {name!r} in {language!r}; there are: {known} (languages: mn, en)", file=sys.stderr)
        return 1
    for told, turns in wanted.items():
        print(f"=== {told} [{language}]\n")
        conversation = Conversation(language, met=True)
        for number, turn in enumerate(turns):
            message = message_of(turn, conversation.language, number)
            print(f"— {message.text or message.attachment or f'[{message.tap}]'}\n")
            replies, events = respond(guide, conversation, message)
            conversation = conversation.after(events)
            for reply in replies:
                for words in put_into_words(reply, conversation.language or language, guide.library):
                    print("\n".join(f"    {line}" for line in words.text.splitlines()))
                    print("".join(f"    [{option.label}]" for option in words.options), end="\n\n" if words.options else "\n")
    return 0


def read_script(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The conversations of one file, by title: docs/conversations.md says how they are written."""
    read: dict[str, list[dict[str, Any]]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


def message_of(turn: dict[str, Any], language: str, number: int) -> Message:
    """What the person does in this turn of a script: says something, taps, or sends something without words."""
    text, tap, attachment = (spoken(turn.get(does, ""), language) for does in ("user", "tap", "sends"))
    return Message(id=str(number), channel="script", address="me", text=text, tap=tap, attachment=attachment)


def spoken(said: Any, language: str) -> str:
    """What a script says in this language, where it says something else in each."""
    return str(said.get(language, "")) if isinstance(said, dict) else str(said)
