"""Telegram: its updates to our messages, our words to its payloads. Source: core.telegram.org/bots/api (10.3).

Only the fields that are needed are looked at, so that an update of tomorrow's shape is still read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.content import Option, Words
from bot.limits import LIMITS, split_text
from bot.model import COMMON, Message

CHANNEL = "telegram"
COMMANDS = {  # what the person may type or pick from the bot's menu, and the place it leads to
    "start": "menu/start",
    "help": "help/emergency",
    "menu": "menu/main",
    "language": "about/language",
    "privacy": "about/privacy",
    "delete": "about/delete",
}
ATTACHMENTS = {  # the field of a message that is not words, and what we call it
    "voice": "voice",
    "audio": "voice",
    "photo": "picture",
    "animation": "video",
    "video": "video",
    "video_note": "video",
    "sticker": "sticker",
    "location": "location",
    "venue": "location",
    "contact": "contact",
    "document": "file",
    "story": "video",
    "poll": "file",
    "dice": "sticker",
    "paid_media": "picture",
    "checklist": "file",
    "game": "sticker",
}
ROUGHLY = 1  # decimals kept of a location's degrees: ten kilometres are near enough to tell the aimag
SHORT = 15  # characters of a label that still fits beside another on a narrow phone
COMMON_NAMES = {option.name for option in COMMON}


@dataclass(frozen=True, slots=True)
class Blocked:
    """The person blocked the bot, or took it back."""

    address: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class Crowd:
    """A group or channel the bot was brought into: it talks with one person at a time, and leaves."""

    address: str
    joined: bool  # it may be told so, once


Read = Message | Blocked | Crowd | None


def read(update: Mapping[str, Any]) -> Read:
    """What is in an update, or None when it holds nothing for us. Raises nothing on any shape of dictionary."""
    match update:
        case {"callback_query": {"id": str(receipt), "from": {"id": int(person)}} as query, "update_id": int(number)}:
            return read_tap(number, person, receipt, query)
        case {"message": {"chat": {"type": "private", "id": int(chat)}} as message, "update_id": int(number)}:
            return read_message(number, chat, message)
        case {"edited_message": {"location": _}}:
            return None  # a live location moves many times a minute: only where she began is answered
        case {"edited_message": {"chat": {"type": "private", "id": int(chat)}} as message, "update_id": int(number)}:
            return read_message(number, chat, message)
        case {"my_chat_member": {"chat": {"type": "private", "id": int(chat)}, "new_chat_member": {"status": str(status)}}}:
            return Blocked(str(chat), blocked=status == "kicked")
        case {"my_chat_member": {"chat": {"id": int(chat)}, "new_chat_member": {"status": str(status)}}}:
            return Crowd(str(chat), joined=True) if status in ("member", "administrator", "restricted") else None
        case {"message": {"chat": {"id": int(chat)}}} | {"channel_post": {"chat": {"id": int(chat)}}}:
            return Crowd(str(chat), joined=False)
        case _:
            return None


def read_message(number: int, chat: int, message: Mapping[str, Any]) -> Message | None:
    hint = language_hint(message)
    text, caption = message.get("text"), message.get("caption")
    if isinstance(text, str):
        name, code = command(text)
        if name:
            return Message(str(number), CHANNEL, str(chat), tap=COMMANDS[name], language=hint, code=code)
        return Message(str(number), CHANNEL, str(chat), text=text, language=hint)
    kind = next((ours for theirs, ours in ATTACHMENTS.items() if theirs in message), "")
    if kind:
        words = caption if isinstance(caption, str) else ""
        return Message(str(number), CHANNEL, str(chat), text=words, attachment=kind, language=hint, point=point(message))
    return None  # a service message, such as a pinned message or a changed timer


def point(message: Mapping[str, Any]) -> tuple[float, float] | None:
    """The latitude and longitude of a shared location, as rough as it may be known; None when there is none."""
    match message:
        case {"location": {"latitude": int() | float() as latitude, "longitude": int() | float() as longitude}}:
            return round(float(latitude), ROUGHLY), round(float(longitude), ROUGHLY)
        case _:
            return None


def language_hint(message: Mapping[str, Any]) -> str:
    """The language that the sender's app is set to, or "": the field is optional."""
    match message:
        case {"from": {"language_code": str(code)}}:
            return code
        case _:
            return ""


def read_tap(number: int, person: int, receipt: str, query: Mapping[str, Any]) -> Message | None:
    """A tap. The message it stood under may be gone or unreadable by now: the person's own id is where a private chat is."""
    match query:
        case {"message": {"chat": {"type": str(kind)}}} if kind != "private":
            return None
        case {"data": str(tap)}:
            return Message(str(number), CHANNEL, str(person), tap=tap, language=language_hint(query), receipt=receipt)
        case _:
            return None


def command(text: str) -> tuple[str, str]:
    """The command a text is, and what follows it; ("", "") when it is none of ours. Groups write /help@our_bot."""
    first, _, rest = text.strip().partition(" ")
    name = first[1:].partition("@")[0].lower() if first.startswith("/") else ""
    return (name, rest.strip()) if name in COMMANDS else ("", "")


def write(address: str, words: Words) -> list[dict[str, Any]]:
    """The sendMessage payloads that say these words: one or, when the text is too long for one, several."""
    texts = split_text(words.text, LIMITS[CHANNEL].text)
    payloads: list[dict[str, Any]] = [
        # silent: the phone may lie on a table with others around it
        {"chat_id": int(address), "text": text, "disable_notification": True, "link_preview_options": {"is_disabled": True}}
        for text in texts
    ]
    if words.options:
        payloads[-1]["reply_markup"] = {"inline_keyboard": [[button(option) for option in row] for row in rows(words.options)]}
    return payloads


def button(option: Option) -> dict[str, str]:
    return {"text": option.label, "callback_data": option.name}


def rows(options: tuple[Option, ...]) -> list[list[Option]]:
    """The buttons in rows: short ones two by two, long ones alone, the bot's common ones together at the bottom."""
    found: list[list[Option]] = []
    common: list[Option] = []
    for option in options:
        if option.name in COMMON_NAMES:
            common.append(option)
        elif found and len(found[-1]) == 1 and max(len(option.label), len(found[-1][0].label)) <= SHORT:
            found[-1].append(option)
        else:
            found.append([option])
    return [*found, common] if common else found
