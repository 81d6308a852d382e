"""Facebook Messenger: its webhook posts to our messages, our words to its payloads. Source: Meta's Messenger Platform, 2026.

Only the fields that are needed are looked at, so that a post of tomorrow's shape is still read. One post may hold many things.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from bot.content import Words
from bot.limits import LIMITS, split_text
from bot.model import Message

CHANNEL = "messenger"
GET_STARTED = "menu/start"  # the payload of the Get Started button: a place, as for every button
OURS = "umbrella"  # in the metadata of everything the bot sends: so it knows its own echo
INBOX = "263902037430900"  # the Page's inbox as an app: somebody there writes, or holds the conversation
ATTACHMENTS = {
    "image": "picture", "audio": "voice", "video": "video", "reel": "video", "ig_reel": "video", "file": "file",
    "location": "location", "sticker": "sticker", "template": "file", "fallback": "file", "share": "file",
}  # fmt: skip
HOUR = 3600.0
# Whose words may be sent how long after her last message, and how they must be marked. Nobody's may after the last row.
# Source: Meta, "Messenger Platform policy overview" (28 September 2026): the standard window; human_agent.
WINDOWS: tuple[tuple[str, float, dict[str, str]], ...] = (
    ("bot", 24 * HOUR, {"messaging_type": "RESPONSE"}),
    ("counsellor", 24 * HOUR, {"messaging_type": "RESPONSE"}),
    ("counsellor", 7 * 24 * HOUR, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}),
)

Author = Literal["bot", "counsellor"]


def permitted(author: Author, age: float) -> dict[str, str] | None:
    """How a text of this author is marked so many seconds after the person's last message; None when it may not be sent."""
    return next((dict(marks) for whose, until, marks in WINDOWS if whose == author and age < until), None)


def read(post: Mapping[str, Any]) -> Iterator[Message | None]:
    """What is in a post, by the time it happened; None for each thing that holds nothing for us. Raises nothing on any shape."""
    entries = post.get("entry")
    items: list[tuple[str, Mapping[str, Any]]] = []
    for entry in entries if isinstance(entries, list) else ():
        for box in ("messaging", "standby"):
            found = entry.get(box) if isinstance(entry, Mapping) else None
            items += [(box, item) for item in (found if isinstance(found, list) else ()) if isinstance(item, Mapping)]
    for box, item in sorted(items, key=lambda boxed: stamp(boxed[1])):
        yield read_item(item, standby=box == "standby")


def stamp(item: Mapping[str, Any]) -> int:
    """When it happened, in milliseconds since 1970; 0 when that is not told."""
    at = item.get("timestamp")
    return at if isinstance(at, int) and 0 <= at < 1 << 53 else 0


def read_item(item: Mapping[str, Any], *, standby: bool) -> Message | None:
    """One thing that happened. In standby another app, such as the Page's inbox, holds the conversation: the bot is silent."""
    match item:
        case {"message": {"is_echo": True} as message, "recipient": {"id": str(person)}}:
            return read_echo(item, person, message)
        case {"sender": {"id": str(person)}} if not standby:
            return read_hers(item, person)
        case _:
            return None


def read_echo(item: Mapping[str, Any], person: str, message: Mapping[str, Any]) -> Message | None:
    """What went out to her: from us, or from a person at the Page's inbox or another tool, who then holds the conversation."""
    if str(message.get("metadata", "")).startswith(OURS):
        return None
    return of(item, person, hand="person")


def read_hers(item: Mapping[str, Any], person: str) -> Message | None:
    match item:
        case {"message": {"quick_reply": {"payload": str(tap)}}} | {"postback": {"payload": str(tap)}}:
            return of(
                item,
                person,
                tap=GET_STARTED if tap == "GET_STARTED" else tap,
                code=referred(item.get("postback")),
                receipt=person,
            )
        case {"message": {"text": str(text)} as message}:
            return of(item, person, text=text, attachment=attached(message), receipt=person)
        case {"message": {"attachments": list()} as message} if attached(message):
            return of(item, person, attachment=attached(message), receipt=person)
        case {"message_edit": {"text": str(text)}}:
            return of(item, person, text=text, receipt=person)
        case {"referral": {"ref": str()} as referral}:
            return of(item, person, tap=GET_STARTED, code=str(referral["ref"]), receipt=person)
        case {"pass_thread_control": {"new_owner_app_id": owner}} | {"take_thread_control": {"new_owner_app_id": owner}}:
            return of(item, person, hand="person" if str(owner) == INBOX else "bot")
        case _:
            return None  # delivered, read, reacted, unsent, opted in, and what Meta will invent


def of(item: Mapping[str, Any], person: str, **what: Any) -> Message:
    """A message of this person, with these of its fields."""
    return replace(Message(identity(item), CHANNEL, person, hour=stamp(item) // 3_600_000), **what)


def identity(item: Mapping[str, Any]) -> str:
    """The same for each delivery of one thing: Meta's id for it; where it gives none, who, whom, what and when."""
    match item:
        case {"message": {"mid": str(mid)}} | {"postback": {"mid": str(mid)}}:
            return mid
        case {"message_edit": {"mid": str(mid)} as edit}:
            return f"{mid} edit {edit.get('num_edit')}"
        case _:
            parties = (str(party.get("id")) for name in ("sender", "recipient") if isinstance(party := item.get(name), Mapping))
            kinds = sorted(str(name) for name in item if name not in ("sender", "recipient", "timestamp"))
            return " ".join([*parties, *kinds, str(stamp(item))])


def attached(message: Mapping[str, Any]) -> str:
    """What is attached to a message, by our name for it; "" for nothing."""
    attachments = message.get("attachments")
    for attachment in attachments if isinstance(attachments, list) else ():
        match attachment:
            case {"type": "image", "payload": {"sticker_id": int()}}:
                return "sticker"
            case {"type": str(kind)}:
                return ATTACHMENTS.get(kind, "file")
    return ""


def referred(postback: object) -> str:
    """What the link carried by which she came, when she pressed Get Started after it."""
    match postback:
        case {"referral": {"ref": str(ref)}}:
            return ref
        case _:
            return ""


def write(person: str, words: Words, author: Author, age: float) -> list[dict[str, Any]]:
    """The bodies of the Send API calls that say these words: several when the text is too long for one; none when too late."""
    marks = permitted(author, age)
    if marks is None:
        return []
    texts = split_text(words.text, LIMITS[CHANNEL].text)
    bodies: list[dict[str, Any]] = [
        {"recipient": {"id": person}, **marks, "message": {"text": text, "metadata": OURS}} for text in texts
    ]
    if words.options:
        bodies[-1]["message"]["quick_replies"] = [
            {"content_type": "text", "title": option.label, "payload": option.name} for option in words.options
        ]
    return bodies
