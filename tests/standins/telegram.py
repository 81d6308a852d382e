"""A Telegram Bot API on loopback that answers, refuses, queues and redelivers as Telegram is documented to do."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import html
import json
import math
import re
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web

JsonDict = dict[str, Any]
T = TypeVar("T")


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


# The 27 kinds of Bot API 10.3; the three last named are sent only to a bot that asks for them by name.
UPDATE_KINDS = _words(
    "message edited_message channel_post edited_channel_post business_connection business_message"
    " edited_business_message deleted_business_messages guest_message inline_query chosen_inline_result"
    " callback_query shipping_query pre_checkout_query purchased_paid_media poll poll_answer my_chat_member"
    " chat_join_request chat_boost removed_chat_boost managed_bot subscription stopped_message_generation"
    " chat_member message_reaction message_reaction_count"
)
ONLY_WHEN_ASKED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
MESSAGE_KINDS = _words("message edited_message channel_post edited_channel_post business_message edited_business_message")
CHAT_ACTIONS = _words(
    "typing upload_photo record_video upload_video record_voice upload_voice upload_document choose_sticker"
    " find_location record_video_note upload_video_note"
)
COMMAND_SCOPES = _words("default all_private_chats all_group_chats all_chat_administrators chat chat_administrators chat_member")
INLINE_BUTTON_ACTIONS = _words(
    "callback_data url web_app login_url switch_inline_query switch_inline_query_current_chat"
    " switch_inline_query_chosen_chat copy_text callback_game pay"
)
HTML_ENTITIES = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "a": "text_link", "code": "code",
    "pre": "pre", "span": "spoiler", "tg-spoiler": "spoiler", "blockquote": "blockquote", "tg-emoji": "custom_emoji",
}  # fmt: skip

NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
QUERY_TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"
POLL_WHILE_WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
OTHER_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
POLL_ENDED_BY_WEBHOOK = "Conflict: terminated by setWebhook request"

TEST_TOKEN = "42:TEST"
DAY = 24 * 3600.0
MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_BYTES = 64
MAX_BUTTONS = 100
MAX_LONG_POLL = 50


class ApiError(Exception):
    """An answer with ok=false."""

    def __init__(self, error_code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.error_code = error_code
        self.description = description
        self.retry_after = retry_after


class Call(NamedTuple):
    """One call of the bot as it arrived."""

    at: float
    method: str
    params: Params


@dataclass(frozen=True)
class Upload:
    """A file that came in a multipart field."""

    filename: str
    content_type: str
    size: int


@dataclass(frozen=True)
class Button:
    """One button under a message."""

    text: str
    data: str | None = None
    url: str | None = None
    request: Literal["contact", "location"] | None = None


@dataclass
class Sent:
    """One message of the bot as the person sees it now."""

    chat_id: int
    message_id: int
    text: str
    buttons: list[list[Button]]
    keyboard: Literal["inline", "reply", "remove", "force_reply"] | None
    method: str
    params: Params
    at: float
    earlier_texts: list[str] = field(default_factory=list)
    deleted: bool = False

    @property
    def labels(self) -> list[str]:
        return [button.text for row in self.buttons for button in row]

    @property
    def data(self) -> list[str]:
        return [button.data for row in self.buttons for button in row if button.data is not None]


@dataclass
class Tap:
    """A tapped button whose spinner turns until the bot answers the query."""

    id: str
    user_id: int
    data: str | None
    at: float
    expires_at: float
    answer: Params | None = None
    released_at: float | None = None


@dataclass(frozen=True)
class Delivery:
    """One attempt to post an update to the webhook."""

    update_id: int
    key: str
    attempt: int
    started: float
    ended: float
    status: int | None
    error: str | None


@dataclass
class Fault:
    """Something that goes wrong with the next matching call."""

    kind: Literal["error", "bad_json", "slow", "lost_reply", "lost_request", "repeat"]
    method: str
    times: int
    error_code: int = 500
    description: str = ""
    retry_after: int | None = None
    seconds: float = 0.0
    body: bytes = b""


@dataclass
class _Pending:
    number: int
    update_id: int
    key: str
    raw: bytes
    created: float
    expires_at: float
    must_serve: bool = False
    failures: int = 0
    gone: bool = False


@dataclass
class _Webhook:
    url: str
    secret: str
    max_connections: int
    has_certificate: bool
    slots: asyncio.Semaphore
    last_error_date: int = 0
    last_error_message: str = ""


@dataclass
class Chat:
    """What Telegram keeps of one chat."""

    id: int
    info: JsonDict
    messages: dict[int, JsonDict] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    edits: list[Sent] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    bot_is_member: bool = True

    @property
    def is_private(self) -> bool:
        return self.id > 0


class Params(dict[str, Any]):
    """The parameters of a call, whichever of the encodings the client chose."""

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        try:
            return int(self.text(name))
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"true", "yes", "1"}

    def tree(self, name: str) -> Any:
        """A parameter that is "JSON-serialized": text in a form, nested in a JSON body."""
        value = self.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise ApiError(400, f"Bad Request: can't parse {name.replace('_', ' ')} JSON object") from None


class _Html(HTMLParser):
    """parse_mode=HTML: the plain text with its entities, or the refusal Telegram gives for markup it does not know."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=False)
        self.source = source
        self.plain = ""
        self.entities: list[JsonDict] = []
        self._open: list[tuple[str, JsonDict]] = []
        self.feed(source)
        self.close()
        if self._open:
            raise self._refusal(f'Can\'t find end tag corresponding to start tag "{self._open[-1][0]}"')

    def _refusal(self, why: str) -> ApiError:
        return ApiError(400, f"Bad Request: can't parse entities: {why}")

    def _byte_offset(self) -> int:
        line, column = self.getpos()
        before = "".join(self.source.splitlines(keepends=True)[: line - 1])
        return len(before.encode()) + len(self.source[len(before) : len(before) + column].encode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kind = HTML_ENTITIES.get(tag)
        values = dict(attrs)
        if kind is None or (tag == "span" and values.get("class") != "tg-spoiler"):
            raise self._refusal(f'Unsupported start tag "{tag}" at byte offset {self._byte_offset()}')
        entity: JsonDict = {"type": kind, "offset": utf16_length(self.plain)}
        if kind == "text_link":
            entity["url"] = values.get("href") or ""
        self._open.append((tag, entity))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            raise self._refusal(f"Unmatched end tag at byte offset {self._byte_offset()}")
        _, entity = self._open.pop()
        entity["length"] = utf16_length(self.plain) - int(entity["offset"])
        if entity["length"] and entity.get("url") != "":
            self.entities.append(entity)

    def handle_data(self, data: str) -> None:
        if "<" in data:
            raise self._refusal(f'Unsupported start tag "" at byte offset {self._byte_offset()}')
        self.plain += data

    def handle_entityref(self, name: str) -> None:
        # "The API currently supports only the following named HTML entities: &lt;, &gt;, &amp; and &quot;."
        self.plain += html.unescape(f"&{name};") if name in {"lt", "gt", "amp", "quot"} else f"&{name};"

    def handle_charref(self, name: str) -> None:
        self.plain += html.unescape(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        raise self._refusal(f'Unsupported start tag "!--" at byte offset {self._byte_offset()}')


def utf16_length(text: str) -> int:
    """Telegram counts text and entity offsets in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """Records of the ledger as JSON can carry them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def _require(condition: object, description: str) -> None:
    if not condition:
        raise ApiError(400, f"Bad Request: {description}")


class Person:
    """One person with the Telegram app in hand; what they do reaches the bot as updates."""

    def __init__(self, telegram: TelegramStandIn, user_id: int, language_code: str | None, started: bool) -> None:
        self.telegram = telegram
        self.id = user_id
        self.language_code = language_code
        self.first_name = f"Person {user_id}"
        self.username: str | None = None
        self.started = started
        self.blocked = False
        self.deactivated = False
        self._read = 0
        self._read_edits = 0

    @property
    def user(self) -> JsonDict:
        # User.language_code and username are optional: absent, not null, when unknown.
        user: JsonDict = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        if self.username is not None:
            user["username"] = self.username
        if self.language_code is not None:
            user["language_code"] = self.language_code
        return user

    @property
    def chat(self) -> Chat:
        return self.telegram.chat(self.id)

    @property
    def received(self) -> list[Sent]:
        """Every message the bot sent to this private chat, oldest first."""
        return self.chat.sent

    @property
    def last(self) -> Sent:
        return self.chat.sent[-1]

    @property
    def visible(self) -> list[JsonDict]:
        """What is left in the chat, both sides, as Message objects."""
        return list(self.chat.messages.values())

    @property
    def taps(self) -> list[Tap]:
        return [tap for tap in self.telegram.taps.values() if tap.user_id == self.id]

    async def next(self, timeout: float = 5.0) -> Sent:  # noqa: ASYNC109 - a bound on the wait is the point of the call
        """The next message of the bot that this method has not yet given out."""
        await self.telegram.wait_for(
            lambda: len(self.chat.sent) > self._read, timeout, f"message number {self._read + 1} to person {self.id}"
        )
        self._read += 1
        return self.chat.sent[self._read - 1]

    async def next_edit(self, timeout: float = 5.0) -> Sent:  # noqa: ASYNC109
        """The next message of the bot that was edited."""
        await self.telegram.wait_for(
            lambda: len(self.chat.edits) > self._read_edits, timeout, f"edit number {self._read_edits + 1} for person {self.id}"
        )
        self._read_edits += 1
        return self.chat.edits[self._read_edits - 1]

    def skip(self) -> None:
        """Forget the messages and edits not yet read."""
        self._read, self._read_edits = len(self.chat.sent), len(self.chat.edits)

    def send(self, chat_id: int | None = None, **content: Any) -> JsonDict:
        """Send a message with these Message fields; gives the update."""
        if self.blocked or self.deactivated:
            raise ValueError(f"person {self.id} has blocked the bot or is gone: the app lets them write only after unblock()")
        chat = self.telegram.chat(self.id if chat_id is None else chat_id)
        self.started = self.started or chat.is_private
        message = self.telegram.new_message(chat, self.user, content)
        return self.telegram.emit("message", message)

    def write(self, text: str, chat_id: int | None = None) -> JsonDict:
        return self.send(chat_id, **_text_fields(text))

    def send_voice(self, duration: int = 7) -> JsonDict:
        voice = {**self.telegram.new_file("AwACAgUAAxkBAAE"), "duration": duration, "mime_type": "audio/ogg", "file_size": 30211}
        return self.send(voice=voice)

    def send_photo(self, caption: str | None = None) -> JsonDict:
        content: JsonDict = {} if caption is None else {"caption": caption}
        return self.send(photo=self.telegram.new_photo(), **content)

    def send_sticker(self, emoji: str = "👍") -> JsonDict:
        shape = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
        return self.send(sticker={**self.telegram.new_file("CAACAgUAAxkBAAE"), **shape, "emoji": emoji})

    def send_location(self, latitude: float = 37.5665, longitude: float = 126.978) -> JsonDict:
        return self.send(location={"latitude": latitude, "longitude": longitude})

    def send_contact(self, phone_number: str = "97699110000", own: bool = True) -> JsonDict:
        contact: JsonDict = {"phone_number": phone_number, "first_name": self.first_name if own else "Other"}
        return self.send(contact=contact | ({"user_id": self.id} if own else {}))

    def send_document(self, file_name: str = "contract.pdf", caption: str | None = None) -> JsonDict:
        document = {**self.telegram.new_file("BQACAgUAAxkBAAE"), "file_name": file_name, "mime_type": "application/pdf"}
        content: JsonDict = {} if caption is None else {"caption": caption}
        return self.send(document=document, **content)

    def edit(self, text: str, message_id: int | None = None) -> JsonDict:
        """Edit the person's own message, the newest one unless named."""
        own = [
            message
            for message in self.chat.messages.values()
            if message.get("from", {}).get("id") == self.id and "text" in message and message_id in {None, message["message_id"]}
        ]
        if not own:
            raise LookupError(f"person {self.id} has no own text message {message_id or ''} to edit")
        message = own[-1]
        message.pop("entities", None)
        message.update(_text_fields(text), edit_date=int(time.time()))
        return self.telegram.emit("edited_message", message)

    def tap(self, target: str, message_id: int | None = None) -> JsonDict:
        """Tap the button with this data or label: on the newest inline keyboard, the open reply keyboard, or one message."""
        inline = [sent for sent in self.chat.sent if sent.keyboard == "inline" and not sent.deleted]
        if message_id is not None:
            inline = [sent for sent in inline if sent.message_id == message_id]
        if inline:
            for button in _flat(inline[-1].buttons):
                if target in {button.data, button.text}:
                    if button.data is None:
                        raise ValueError(f"the button {button.text!r} opens a link: Telegram tells the bot nothing")
                    return self.tap_raw(button.data, inline[-1].message_id)
        replies = [sent for sent in self.chat.sent if sent.keyboard in {"reply", "remove"}]
        if message_id is None and replies and replies[-1].keyboard == "reply":
            for button in _flat(replies[-1].buttons):
                if target == button.text:
                    if button.request == "contact":
                        return self.send_contact()
                    return self.send_location() if button.request == "location" else self.write(button.text)
        shown = [(button.text, button.data) for sent in (*inline[-1:], *replies[-1:]) for button in _flat(sent.buttons)]
        raise LookupError(f"person {self.id} sees no button {target!r}; the keyboard shows {shown}")

    def tap_raw(self, data: str, message_id: int | None = None) -> JsonDict:
        """A callback with any data: a changed client may send what no button holds, on a message that is gone."""
        known = message_id if message_id is not None else (self.chat.sent[-1].message_id if self.chat.sent else 1)
        # CallbackQuery.message is a MaybeInaccessibleMessage: date 0 and no text when the message is out of reach.
        gone = {"chat": self.chat.info, "message_id": known, "date": 0}
        message = self.chat.messages.get(known, gone)
        query = {
            "id": str(self.telegram.new_number() + 30064771072000000),
            "from": self.user,
            "chat_instance": str(-3921000000000000000 - self.id),
            "message": message,
            "data": data,
        }
        return self.telegram.emit("callback_query", query)

    def block(self) -> JsonDict:
        self.blocked = True
        return self.telegram.emit_membership(self, self.chat, "member", "kicked")

    def unblock(self) -> JsonDict:
        self.blocked, self.started = False, True
        return self.telegram.emit_membership(self, self.chat, "kicked", "member")

    def deactivate(self) -> None:
        """Delete the account; Telegram tells the bot nothing until it writes."""
        self.deactivated = True

    def join_group(self, chat_id: int, title: str = "group") -> JsonDict:
        """Come into a group; a bot that is not yet in it is brought along. Gives the last update of it."""
        chat = self.telegram.chats.get(chat_id)
        if chat is None or not chat.bot_is_member:
            kind = "supergroup" if str(chat_id).startswith("-100") else "group"
            chat = self.telegram.learn_chat({"id": chat_id, "type": kind, "title": title})
            chat.bot_is_member = True
            self.telegram.emit_membership(self, chat, "left", "member")
            return self.send(chat_id, new_chat_members=[self.telegram.bot_user])
        return self.send(chat_id, new_chat_members=[self.user])


def _flat(rows: list[list[Button]]) -> Iterator[Button]:
    return (button for row in rows for button in row)


def _text_fields(text: str) -> JsonDict:
    fields: JsonDict = {"text": text}
    if match := re.match(r"/[A-Za-z0-9_]+(@\w+)?", text):
        fields["entities"] = [{"type": "bot_command", "offset": 0, "length": match.end()}]
    return fields


class TelegramStandIn:
    """The Bot API of one bot, with the people it talks to and the faults a test asks for."""

    def __init__(
        self,
        token: str = TEST_TOKEN,
        port: int = 0,
        *,
        retry_first: float = 0.05,
        retry_max: float = 2.0,
        expiry: float = DAY,
        callback_expiry: float = 150.0,
        webhook_timeout: float = 60.0,
        rate_limit: tuple[float, float] | None = None,
        pacing: bool = True,
        privacy_mode: bool = False,
        username: str = "sm_bot",
        first_update_id: int = 100_000_001,
    ) -> None:
        self.token = token
        self.port = port
        self.retry_first = retry_first
        self.retry_max = retry_max
        self.expiry = expiry
        self.callback_expiry = callback_expiry
        self.webhook_timeout = webhook_timeout
        self.rate_limit = rate_limit
        self.pacing = pacing
        self.privacy_mode = privacy_mode
        self.bot_user: JsonDict = {
            "id": int(token.split(":", 1)[0]), "is_bot": True, "first_name": "Safe Migration", "username": username,
        }  # fmt: skip
        self.calls: list[Call] = []
        self.counters: Counter[str] = Counter()
        self.deliveries: list[Delivery] = []
        self.taps: dict[str, Tap] = {}
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.commands: dict[tuple[str, str], list[JsonDict]] = {}
        self.profile: dict[tuple[str, str], str] = {}
        self._next_update_id = first_update_id
        self._number = 0
        self._message_id = 0
        self._pending: dict[int, _Pending] = {}
        self._queues: dict[str, deque[_Pending]] = {}
        self._handed: deque[_Pending] = deque(maxlen=100)
        self._last_batch: list[bytes] = []
        self._allowed: list[str] = []
        self._poll_serial = 0
        self._poll_ended_by = OTHER_POLL
        self._poll_asked = (0, -100.0)
        self._webhook: _Webhook | None = None
        self._webhook_set_at = -100.0
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._faults: list[Fault] = []
        self._flood_until: dict[int | None, float] = {}
        self._flood_seen: dict[int | None, deque[float]] = {}
        self._changed = asyncio.Event()
        self._stopping = False
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._methods: dict[str, tuple[str, Callable[[Params], Any]]] = {
            name.lower(): (name, method)
            for name, method in {
                "getMe": self._get_me,
                "setWebhook": self._set_webhook,
                "deleteWebhook": self._delete_webhook,
                "getWebhookInfo": self._get_webhook_info,
                "sendMessage": self._send_message,
                "sendPhoto": self._send_photo,
                "editMessageText": self._edit_message_text,
                "editMessageReplyMarkup": self._edit_message_reply_markup,
                "answerCallbackQuery": self._answer_callback_query,
                "deleteMessage": self._delete_message,
                "deleteMessages": self._delete_messages,
                "sendChatAction": self._send_chat_action,
                "leaveChat": self._leave_chat,
                "setMyCommands": self._set_my_commands,
                "getMyCommands": lambda p: self.commands.get(self._commands_key(p), []),
                "deleteMyCommands": lambda p: self.commands.pop(self._commands_key(p), None) is None or True,
                "setMyName": lambda p: self._set_profile(p, "name", 64),
                "getMyName": lambda p: self._get_profile(p, "name"),
                "setMyDescription": lambda p: self._set_profile(p, "description", 512),
                "getMyDescription": lambda p: self._get_profile(p, "description"),
                "setMyShortDescription": lambda p: self._set_profile(p, "short_description", 120),
                "getMyShortDescription": lambda p: self._get_profile(p, "short_description"),
            }.items()
        }

    # --- life of the server ---------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after a stop() the same port and everything remembered come back, as after an outage."""
        self._stopping = False
        app = web.Application(client_max_size=60 * 1024 * 1024)
        app.router.add_route("*", "/bot{token:[^/]+}/{method}", self._answer)
        for verb, path, handler in self._control_routes():
            app.router.add_route(verb, f"/standin/{path}", self._controlled(handler))
        # A poll whose client is gone must end with the connection, as it does at Telegram.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        # One place per queue: how many posts run at once is bounded by max_connections of the webhook alone.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=True)
        self._pump()

    async def stop(self) -> None:
        self._stopping = True
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._notify()
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(
        self,
        condition: Callable[[], T],
        timeout: float = 5.0,  # noqa: ASYNC109 - the test names its bound
        what: str = "the condition",
    ) -> T:
        """Wait until the condition is true of the stand-in; it is looked at after every change."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := condition()):
                    await self._changed.wait()
                return value
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {timeout} s; calls so far: {dict(self.counters)}") from None

    # --- people and updates ---------------------------------------------------------------------------------------

    def person(self, user_id: int, language_code: str | None = None, *, started: bool = True) -> Person:
        """The person with this id. started=False: never opened the bot, so it may not write first."""
        person = self.people.get(user_id)
        if person is None:
            person = self.people[user_id] = Person(self, user_id, language_code, started)
            self.learn_chat({"id": user_id, "type": "private", "first_name": person.first_name})
        elif language_code is not None:
            person.language_code = language_code
        return person

    def chat(self, chat_id: int) -> Chat:
        if chat_id not in self.chats:
            raise LookupError(f"no chat {chat_id}: person() or join_group() makes one")
        return self.chats[chat_id]

    def learn_chat(self, info: JsonDict) -> Chat:
        return self.chats.setdefault(int(info["id"]), Chat(int(info["id"]), dict(info)))

    def new_number(self) -> int:
        self._number += 1
        return self._number

    def new_file(self, prefix: str) -> JsonDict:
        number = self.new_number()
        return {"file_id": f"{prefix}{number:06d}", "file_unique_id": f"AgAD{number:06d}"}

    def new_photo(self) -> list[JsonDict]:
        sizes = ((90, 67, 1210), (1280, 960, 140210))
        return [
            {**self.new_file("AgACAgUAAxkBAAE"), "width": width, "height": height, "file_size": size}
            for width, height, size in sizes
        ]

    def new_message(self, chat: Chat, sender: JsonDict, content: JsonDict) -> JsonDict:
        self._message_id += 1
        message = {
            "message_id": self._message_id, "date": int(time.time()), "from": sender, "chat": chat.info, **content,
        }  # fmt: skip
        chat.messages[self._message_id] = message
        return message

    def emit(self, kind: str, payload: JsonDict) -> JsonDict:
        """An update of this kind with the next id."""
        return self._take({"update_id": self._next_update_id, kind: payload})

    def emit_membership(self, person: Person, chat: Chat, old: str, new: str) -> JsonDict:
        def member(status: str) -> JsonDict:
            return {"user": self.bot_user, "status": status} | ({"until_date": 0} if status == "kicked" else {})

        changed = {"chat": chat.info, "from": person.user, "date": int(time.time())}
        return self.emit("my_chat_member", changed | {"old_chat_member": member(old), "new_chat_member": member(new)})

    def deliver(self, update: JsonDict) -> int:
        """Queue an update as given (an update_id is added when it has none) and know what it tells; gives its id."""
        own_copy = json.loads(_dumps({"update_id": self._next_update_id, **update}))
        return int(self._take(own_copy)["update_id"])

    def deliver_raw(self, raw: bytes) -> int:
        """Queue the bytes of one update untouched, whatever they are; allowed_updates does not hold them back."""
        update_id, key = self._next_update_id, f"update:{self.new_number()}"
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            update = json.loads(raw)
            update_id = int(update["update_id"])
            key = self._queue_key(update)
        self._enqueue(update_id, key, raw, self.expiry)
        return update_id

    def repeat_last(self, count: int = 1) -> list[int]:
        """Give the bot again the last updates it was already given, confirmed or not."""
        again = list(self._handed)[-count:]
        if not again:
            raise LookupError("the bot has not been given any update yet")
        for item in again:
            self._enqueue(item.update_id, item.key, item.raw, self.expiry)
        return [item.update_id for item in again]

    def expire_taps(self) -> None:
        """Make every unanswered tap too old to be answered."""
        for tap in self.taps.values():
            if tap.answer is None:
                tap.expires_at = 0.0

    def age_messages(self, chat_id: int, seconds: float) -> None:
        """Make the messages of a chat older, for the rule that only the last 48 hours can be deleted."""
        for message in self.chat(chat_id).messages.values():
            message["date"] -= int(seconds)

    @property
    def pending(self) -> list[int]:
        """Ids of the updates the bot has not confirmed."""
        return [item.update_id for item in self._pending.values()]

    @property
    def webhook_url(self) -> str:
        return self._webhook.url if self._webhook is not None else ""

    def _queue_key(self, update: JsonDict) -> str:
        # tdlib/telegram-bot-api, Client.cpp: each queue is strictly in order, different queues run at the same time.
        # Messages and edits share the chat's queue; callbacks have the user's; membership changes have one of their own.
        for kind in MESSAGE_KINDS:
            if kind in update:
                return f"chat:{update[kind]['chat']['id']}"
        if "callback_query" in update:
            return f"callback:{update['callback_query']['from']['id']}"
        if "my_chat_member" in update:
            return f"member:{update['my_chat_member']['chat']['id']}"
        return f"update:{self.new_number()}"

    def _take(self, update: JsonDict) -> JsonDict:
        self._learn(update)
        update = json.loads(_dumps(update))
        kind = next((name for name in update if name != "update_id"), "")
        if self._wanted(kind, update):
            life = self.callback_expiry if kind == "callback_query" else self.expiry
            self._enqueue(int(update["update_id"]), self._queue_key(update), _dumps(update), life)
        else:
            self._next_update_id = max(self._next_update_id, int(update["update_id"]) + 1)
            self.counters["update:unwanted"] += 1
        return update

    def _wanted(self, kind: str, update: JsonDict) -> bool:
        # allowed_updates: "Specify an empty list to receive all update types except chat_member, message_reaction and
        # message_reaction_count". A kind newer than this list is let through: that is what a test injects it for.
        if kind in UPDATE_KINDS and (kind not in self._allowed if self._allowed else kind in ONLY_WHEN_ASKED):
            return False
        message = update.get("message") or {}
        if self.privacy_mode and message.get("chat", {}).get("type") in {"group", "supergroup"} and "text" in message:
            # Privacy mode: in groups a bot sees commands, mentions of itself and replies to itself only.
            replied = message.get("reply_to_message", {}).get("from", {}).get("id") == self.bot_user["id"]
            return message["text"].startswith("/") or f"@{self.bot_user['username']}" in message["text"] or replied
        return True

    def _learn(self, update: JsonDict) -> None:
        """Keep what an injected update implies, so that the bot's answer to it meets a known chat, message and query."""
        for kind in ("message", "edited_message"):
            if message := update.get(kind):
                self._learn_message(message)
        if query := update.get("callback_query"):
            self.person(query["from"]["id"], query["from"].get("language_code"))
            if (message := query.get("message")) and message["date"] != 0:
                self._learn_message(message)
            now = time.monotonic()
            self.taps[str(query["id"])] = Tap(
                str(query["id"]), query["from"]["id"], query.get("data"), now, now + self.callback_expiry
            )
        if (change := update.get("my_chat_member")) and change["chat"]["type"] == "private":
            person = self.person(change["chat"]["id"])
            person.blocked = change["new_chat_member"]["status"] == "kicked"

    def _learn_message(self, message: JsonDict) -> None:
        chat = self.learn_chat(message["chat"])
        if "edit_date" in message:
            chat.messages[message["message_id"]] = message
        chat.messages.setdefault(message["message_id"], message)
        self._message_id = max(self._message_id, message["message_id"])
        sender = message.get("from")
        if sender and not sender["is_bot"]:
            person = self.person(sender["id"], sender.get("language_code"))
            person.started = person.started or chat.is_private

    def _enqueue(self, update_id: int, key: str, raw: bytes, life: float) -> None:
        now = time.monotonic()
        # An id below the newest is a repeat or out of order; an offset above it must not swallow what a test injected.
        must_serve = update_id < self._next_update_id
        item = _Pending(self.new_number(), update_id, key, raw, now, now + life, must_serve)
        self._next_update_id = max(self._next_update_id, update_id + 1)
        self._pending[item.number] = item
        if self._webhook is not None:
            self._queues.setdefault(key, deque()).append(item)
        self.counters["update:queued"] += 1
        self._notify()
        self._pump(key)

    def _drop(self, condition: Callable[[_Pending], bool]) -> None:
        for number in [number for number, item in self._pending.items() if condition(item)]:
            self._pending.pop(number).gone = True

    # --- faults ---------------------------------------------------------------------------------------------------

    def fail_next(self, method: str, error_code: int, description: str, retry_after: int | None = None, times: int = 1) -> None:
        """Refuse the next calls of this method ("*": of any) without doing their work."""
        self._faults.append(Fault("error", method.lower(), times, error_code, description, retry_after))

    def bad_json_next(self, method: str, times: int = 1, status: int = 200, body: bytes = b'{"ok":true,"resu') -> None:
        """Do the work of the next calls, then answer with a body no client can read."""
        self._faults.append(Fault("bad_json", method.lower(), times, error_code=status, body=body))

    def slow_next(self, method: str, seconds: float, times: int = 1) -> None:
        """Do the work of the next calls at once and answer only after so many seconds."""
        self._faults.append(Fault("slow", method.lower(), times, seconds=seconds))

    def lose_reply_next(self, method: str, times: int = 1) -> None:
        """Do the work of the next calls, then cut the connection: the bot cannot know that it was done."""
        self._faults.append(Fault("lost_reply", method.lower(), times))

    def lose_request_next(self, method: str, times: int = 1) -> None:
        """Cut the connection of the next calls before any work."""
        self._faults.append(Fault("lost_request", method.lower(), times))

    def repeat_polls(self, times: int = 1) -> None:
        """Answer the next polls with the last non-empty answer once more, whatever their offset."""
        self._faults.append(Fault("repeat", "getupdates", times))

    def clear_faults(self) -> None:
        self._faults.clear()

    def _take_fault(self, method: str) -> Fault | None:
        for fault in self._faults:
            if fault.method in {method, "*"}:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    # --- answering calls ------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = request.match_info["method"]
        name = "getUpdates" if asked.lower() == "getupdates" else self._methods.get(asked.lower(), (asked,))[0]
        if request.match_info["token"] != self.token:
            self.counters["unauthorized"] += 1
            return self._refuse(name, ApiError(401, "Unauthorized"))
        params = await _read_params(request)
        self.calls.append(Call(time.monotonic(), name, params))
        self.counters[name] += 1
        fault = self._take_fault(name.lower())
        kind = fault.kind if fault is not None else None
        if kind == "lost_request":
            return self._cut(request, name)
        try:
            if fault is not None and kind == "error":
                raise ApiError(fault.error_code, fault.description, fault.retry_after)
            body = await self._run(name, params, repeat=kind == "repeat")
            response = web.Response(body=body, content_type="application/json")
            self.counters[f"{name}:200"] += 1
        except ApiError as refusal:
            response = self._refuse(name, refusal)
        self._notify()
        if fault is not None and kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault is not None and kind == "bad_json":
            return web.Response(body=fault.body, status=fault.error_code, content_type="application/json")
        return self._cut(request, name) if kind == "lost_reply" else response

    def _cut(self, request: web.Request, name: str) -> web.Response:
        self.counters[f"{name}:cut"] += 1
        self._notify()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _refuse(self, name: str, refusal: ApiError) -> web.Response:
        self.counters[f"{name}:{refusal.error_code}"] += 1
        self._notify()
        body: JsonDict = {"ok": False, "error_code": refusal.error_code, "description": refusal.description}
        headers = {}
        if refusal.retry_after is not None:
            # ResponseParameters.retry_after; the server sets the HTTP header as well.
            body["parameters"] = {"retry_after": refusal.retry_after}
            headers["Retry-After"] = str(refusal.retry_after)
        return web.Response(body=_dumps(body), status=refusal.error_code, content_type="application/json", headers=headers)

    async def _run(self, name: str, params: Params, *, repeat: bool = False) -> bytes:
        if name == "getUpdates":
            updates = self._last_batch if repeat and self._last_batch else await self._get_updates(params)
            return b'{"ok":true,"result":[' + b",".join(updates) + b"]}"
        return _dumps({"ok": True, **self._do(name, params)})

    def _do(self, name: str, params: Params) -> JsonDict:
        known = self._methods.get(name.lower())
        if known is None:
            raise ApiError(404, "Not Found: method not found")
        result = known[1](params)
        return result if isinstance(result, _Described) else {"result": result}

    def _check_flood(self, chat_id: int) -> None:
        """429 with a retry_after that holds: whoever comes back earlier is refused again for the rest of it."""
        if self.rate_limit is None:
            return
        now = time.monotonic()
        limits: tuple[tuple[int | None, float], ...] = ((None, self.rate_limit[0]), (chat_id, self.rate_limit[1]))
        for key, _ in limits:
            if (until := self._flood_until.get(key, 0.0)) > now:
                self.counters["too_early"] += 1
                raise _too_many(until - now)
        for key, rate in limits:
            if rate <= 0:
                continue
            room = max(1, int(rate))
            window = room / rate
            seen = self._flood_seen.setdefault(key, deque())
            while seen and seen[0] <= now - window:
                seen.popleft()
            if len(seen) >= room:
                refusal = _too_many(seen[0] + window - now)
                self._flood_until[key] = now + (refusal.retry_after or 1)
                raise refusal
        for key, rate in limits:
            if rate > 0:
                self._flood_seen[key].append(now)

    # --- getUpdates -----------------------------------------------------------------------------------------------

    async def _get_updates(self, params: Params) -> list[bytes]:
        if self._webhook is not None:
            raise ApiError(409, POLL_WHILE_WEBHOOK)
        offset = params.number("offset")
        limit = min(max(params.number("limit", 100), 1), 100)
        wait = float(min(max(params.number("timeout"), 0), MAX_LONG_POLL))
        self._set_allowed(params)
        now = time.monotonic()
        if self.pacing and offset == self._poll_asked[0]:
            # Client.cpp, process_get_updates_query: the same offset asked again soon is slowed down.
            wait = max(wait, 3.0) if now < self._poll_asked[1] + 3.0 else wait
            limit = 1 if now < self._poll_asked[1] + 0.5 else limit
        self._poll_asked = (offset, now)
        self._poll_serial += 1
        self._poll_ended_by = OTHER_POLL
        serial = self._poll_serial
        self._notify()
        self._confirm(offset)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait if wait > 0 else None):
                while not (batch := self._batch(limit)):
                    if self._poll_serial != serial:
                        raise ApiError(409, self._poll_ended_by)
                    if wait == 0 or self._stopping:
                        return []
                    await self._changed.wait()
                if self._poll_serial != serial:
                    raise ApiError(409, self._poll_ended_by)
                for item in batch:
                    item.must_serve = False
                self._handed.extend(batch)
                self._last_batch = [item.raw for item in batch]
                return self._last_batch
        return []

    def _confirm(self, offset: int) -> None:
        now = time.monotonic()
        if offset < 0:
            # "The negative offset can be specified to retrieve updates starting from -offset update from the end of the
            # updates queue. All previous updates will be forgotten."
            kept = set(list(self._pending)[offset:])
            self._drop(lambda item: item.number not in kept)
            return
        self._drop(lambda item: item.expires_at < now or (item.update_id < offset and not item.must_serve))

    def _batch(self, limit: int) -> list[_Pending]:
        batch: list[_Pending] = []
        for item in self._pending.values():
            if len(batch) == limit:
                break
            batch.append(item)
        return batch

    def _set_allowed(self, params: Params) -> None:
        # "If not specified, the previous setting will be used."
        if (kinds := params.tree("allowed_updates")) is not None:
            _require(isinstance(kinds, list), "can't parse allowed updates JSON object")
            self._allowed = [kind for kind in kinds if kind in UPDATE_KINDS]

    # --- webhook --------------------------------------------------------------------------------------------------

    def _set_webhook(self, params: Params) -> JsonDict:
        url = params.text("url")
        if not url:
            return self._delete_webhook(params)
        now = time.monotonic()
        if self.pacing and now < self._webhook_set_at + 1.0:
            raise _too_many(1)
        self._webhook_set_at = now
        try:
            parts = urlsplit(url)
            port = parts.port or 443
        except ValueError:
            raise ApiError(400, "Bad Request: invalid webhook URL specified") from None
        loopback = parts.hostname in {"127.0.0.1", "localhost", "::1"}
        # As a Bot API server run with --local, plain HTTP and any port are taken on loopback; elsewhere Telegram's rule.
        _require(parts.hostname, "invalid webhook URL specified")
        _require(parts.scheme == "https" or loopback, "bad webhook: An HTTPS URL must be provided for webhook")
        _require(
            loopback or port in {443, 80, 88, 8443},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        )
        secret = params.text("secret_token")
        _require(len(secret) <= 256, "secret token is too long")
        _require(re.fullmatch(r"[A-Za-z0-9_-]*", secret), "secret token contains unallowed characters")
        connections = min(max(params.number("max_connections", 40), 1), 100)
        certificate = bool(params.get("certificate"))
        drop = params.flag("drop_pending_updates")
        self._set_allowed(params)
        old = self._webhook
        same = old is not None and (old.url, old.secret, old.max_connections) == (url, secret, connections)
        if same and not certificate and not drop:
            return _Described(result=True, description="Webhook is already set")
        self._cancel_workers()
        if drop:
            self._drop(lambda _: True)
        self._poll_serial += 1
        self._poll_ended_by = POLL_ENDED_BY_WEBHOOK
        self._queues = {}
        for item in self._pending.values():
            self._queues.setdefault(item.key, deque()).append(item)
        self._webhook = _Webhook(url, secret, connections, certificate, asyncio.Semaphore(connections))
        self._notify()
        self._pump()
        return _Described(result=True, description="Webhook was set")

    def _delete_webhook(self, params: Params) -> JsonDict:
        had = self._webhook is not None
        self._cancel_workers()
        self._webhook, self._queues = None, {}
        if params.flag("drop_pending_updates"):
            self._drop(lambda _: True)
        return _Described(result=True, description="Webhook was deleted" if had else "Webhook is already deleted")

    def _get_webhook_info(self, _: Params) -> JsonDict:
        hook = self._webhook
        info: JsonDict = {
            "url": hook.url if hook else "",
            "has_custom_certificate": hook.has_certificate if hook else False,
            "pending_update_count": len(self._pending),
        }
        if hook is not None:
            info["max_connections"] = hook.max_connections
            info["ip_address"] = "127.0.0.1"
            if hook.last_error_date:
                info |= {"last_error_date": hook.last_error_date, "last_error_message": hook.last_error_message}
        if self._allowed:
            info["allowed_updates"] = self._allowed
        return info

    def _cancel_workers(self) -> None:
        for worker in self._workers.values():
            worker.cancel()
        self._workers = {}

    def _pump(self, key: str | None = None) -> None:
        """Start a worker for every queue (or this one) that has updates and no worker."""
        if self._webhook is None or self._session is None or self._stopping:
            return
        for waiting in [key] if key is not None else list(self._queues):
            if waiting not in self._workers:
                self._workers[waiting] = asyncio.create_task(self._work(waiting, self._webhook, self._session))

    async def _work(self, key: str, hook: _Webhook, session: aiohttp.ClientSession) -> None:
        """Post the updates of one queue strictly one after the other."""
        queue = self._queues[key]
        try:
            while queue:
                await self._post_until_taken(queue[0], hook, session)
                queue.popleft()
        finally:
            # A worker cancelled because the webhook changed must not push out the worker that follows it.
            if self._workers.get(key) is asyncio.current_task():
                del self._workers[key]
            if not queue and self._queues.get(key) is queue:
                del self._queues[key]

    async def _post_until_taken(self, item: _Pending, hook: _Webhook, session: aiohttp.ClientSession) -> None:
        # WebhookActor.cpp, on_update_error: the first failure is resent at once, then the wait doubles up to a ceiling; a
        # Retry-After (0-3600 s) takes its place; the update is dropped only when the next try would pass its expiry.
        delay = self.retry_first / 2
        while not item.gone:
            async with hook.slots:
                taken, error, retry_after = await self._post(item, hook, session)
            if taken:
                self._handed.append(item)
                break
            hook.last_error_date, hook.last_error_message = int(time.time()), error
            wait = float(retry_after)
            if retry_after == 0 and item.failures > 0:
                wait = delay = min(self.retry_max, delay * 2)
            item.failures += 1
            self.counters["webhook:failed"] += 1
            if time.monotonic() + wait > item.expires_at:
                self.counters["webhook:expired"] += 1
                break
            self._notify()
            await asyncio.sleep(wait)
        self._pending.pop(item.number, None)
        item.gone = True
        self._notify()

    async def _post(self, item: _Pending, hook: _Webhook, session: aiohttp.ClientSession) -> tuple[bool, str, int]:
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        started, status, error, retry_after = time.monotonic(), None, "", 0
        try:
            async with session.post(
                hook.url, data=item.raw, headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self.webhook_timeout),
            ) as response:  # fmt: skip
                status = response.status
                if 200 <= status < 300:
                    await self._run_method_in_reply(response)
                else:
                    error = f"Wrong response from the webhook: {status} {response.reason}"
                    with contextlib.suppress(ValueError):
                        retry_after = min(max(int(response.headers.get("Retry-After", "0")), 0), 3600)
        except TimeoutError:
            error = "Read timeout expired"
        except aiohttp.ClientConnectorError:
            error = "Connection refused"
        except aiohttp.ClientError:
            # Only what came before the status line is a failure: an answered update counts as taken.
            error = "" if status is not None and 200 <= status < 300 else "Webhook connection closed"
        ended = time.monotonic()
        self.deliveries.append(Delivery(item.update_id, item.key, item.failures + 1, started, ended, status, error or None))
        self.counters[f"webhook:{status or 'unreached'}"] += 1
        return not error, error, retry_after

    async def _run_method_in_reply(self, response: aiohttp.ClientResponse) -> None:
        """A body with "method" is executed, but its result is told to nobody; get* and the webhook's own methods are not."""
        params = await _reply_params(response)
        name = params.pop("method", "")
        if not name or re.match(r"(?i)get|setwebhook$|deletewebhook$|close$|logout$", name):
            return
        self.calls.append(Call(time.monotonic(), name, params))
        self.counters[name] += 1
        try:
            self._do(name, params)
            self.counters[f"{name}:200"] += 1
        except ApiError as refusal:
            self.counters[f"{name}:{refusal.error_code}"] += 1

    # --- sending and editing --------------------------------------------------------------------------------------

    def _get_me(self, _: Params) -> JsonDict:
        return {
            **self.bot_user,
            "can_join_groups": True,
            "can_read_all_group_messages": not self.privacy_mode,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    def _writable_chat(self, params: Params) -> Chat:
        """The chat the bot may write to, or the refusal Telegram gives."""
        _require(params.text("chat_id"), "chat_id is empty")
        chat = self.chats.get(params.number("chat_id"))
        if chat is None:
            raise ApiError(400, "Bad Request: chat not found")
        if chat.is_private:
            person = self.person(chat.id)
            if person.deactivated:
                raise ApiError(403, "Forbidden: user is deactivated")
            if person.blocked:
                raise ApiError(403, "Forbidden: bot was blocked by the user")
            if not person.started:
                raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        elif not chat.bot_is_member:
            raise ApiError(403, f"Forbidden: bot is not a member of the {chat.info['type']} chat")
        return chat

    def _text(self, params: Params, name: str) -> JsonDict:
        """The text as shown, after entity parsing and trimming, with its entities."""
        text = params.text(name)
        entities_name = "entities" if name == "text" else f"{name}_entities"
        entities: list[JsonDict] = params.tree(entities_name) or []
        mode = params.text("parse_mode").lower()
        _require(mode in {"", "html", "markdown", "markdownv2"}, "unsupported parse_mode")
        if mode == "html":
            parsed = _Html(text)
            text, entities = parsed.plain, parsed.entities
        shift = utf16_length(text) - utf16_length(text.lstrip())
        text = text.strip()
        fields: JsonDict = {name: text}
        if entities:
            fields[entities_name] = [{**entity, "offset": int(entity["offset"]) - shift} for entity in entities]
        return fields

    def _message_text(self, params: Params) -> JsonDict:
        _require(params.text("text"), "message text is empty")
        fields = self._text(params, "text")
        _require(fields["text"], "text must be non-empty")
        _require(utf16_length(fields["text"]) <= MAX_TEXT, "message is too long")
        return fields

    def _send_message(self, params: Params) -> JsonDict:
        chat = self._writable_chat(params)
        return self._send(chat, "sendMessage", params, self._message_text(params))

    def _send_photo(self, params: Params) -> JsonDict:
        chat = self._writable_chat(params)
        _require(params.get("photo"), "there is no photo in the request")
        content = self._text(params, "caption") if params.text("caption") else {}
        _require(utf16_length(content.get("caption", "")) <= MAX_CAPTION, "message caption is too long")
        return self._send(chat, "sendPhoto", params, {"photo": self.new_photo(), **content})

    def _send(self, chat: Chat, method: str, params: Params, content: JsonDict) -> JsonDict:
        markup = params.tree("reply_markup")
        keyboard, buttons = _read_markup(markup, inline_only=False)
        reply = params.tree("reply_parameters") or {}
        reply_to = int(reply.get("message_id") or params.number("reply_to_message_id"))
        lenient = reply.get("allow_sending_without_reply") or params.flag("allow_sending_without_reply")
        if reply_to and reply_to not in chat.messages and not lenient:
            raise ApiError(400, "Bad Request: message to be replied not found")
        self._check_flood(chat.id)
        if reply_to in chat.messages:
            content["reply_to_message"] = {k: v for k, v in chat.messages[reply_to].items() if k != "reply_to_message"}
        if params.number("message_thread_id"):
            content |= {"message_thread_id": params.number("message_thread_id"), "is_topic_message": True}
        if params.flag("protect_content"):
            content["has_protected_content"] = True
        if keyboard == "inline":
            # Message.reply_markup: "Inline keyboard attached to the message"; other keyboards are not told back.
            content["reply_markup"] = markup
        message = self.new_message(chat, self.bot_user, content)
        text = str(content.get("text", content.get("caption", "")))
        chat.sent.append(Sent(chat.id, message["message_id"], text, buttons, keyboard, method, params, time.monotonic()))
        self._notify()
        return message

    def _message_to_edit(self, params: Params) -> tuple[Chat, JsonDict, Sent | None]:
        _require(params.text("message_id") or not params.text("inline_message_id"), "MESSAGE_ID_INVALID")
        chat = self._writable_chat(params)
        message = chat.messages.get(params.number("message_id"))
        _require(message, "message to edit not found")
        assert message is not None
        _require(message.get("from", {}).get("id") == self.bot_user["id"], "message can't be edited")
        sent = next((sent for sent in chat.sent if sent.message_id == message["message_id"]), None)
        return chat, message, sent

    def _edit_message_text(self, params: Params) -> JsonDict:
        chat, message, sent = self._message_to_edit(params)
        _require("text" in message, "there is no text in the message to edit")
        return self._edit(chat, message, sent, params, self._message_text(params))

    def _edit_message_reply_markup(self, params: Params) -> JsonDict:
        chat, message, sent = self._message_to_edit(params)
        same: JsonDict = {name: message[name] for name in ("text", "entities") if name in message}
        return self._edit(chat, message, sent, params, same)

    def _edit(self, chat: Chat, message: JsonDict, sent: Sent | None, params: Params, content: JsonDict) -> JsonDict:
        markup = params.tree("reply_markup")
        keyboard, buttons = _read_markup(markup, inline_only=True)
        # An edit without reply_markup takes the keyboard away; so does an empty one.
        new = content | ({"reply_markup": markup} if buttons else {})
        old = {name: message[name] for name in ("text", "entities", "reply_markup") if name in message}
        if new == old:
            raise ApiError(400, NOT_MODIFIED)
        self._check_flood(chat.id)
        for name in old:
            del message[name]
        message.update(new, edit_date=int(time.time()))
        if sent is not None:
            if (text := content.get("text", sent.text)) != sent.text:
                sent.earlier_texts.append(sent.text)
                sent.text = text
            sent.buttons, sent.keyboard = buttons, keyboard if buttons else None
            chat.edits.append(sent)
        self._notify()
        return message

    def _answer_callback_query(self, params: Params) -> bool:
        tap = self.taps.get(params.text("callback_query_id"))
        now = time.monotonic()
        if tap is None or tap.answer is not None or now > tap.expires_at:
            raise ApiError(400, QUERY_TOO_OLD)
        _require(utf16_length(params.text("text")) <= 200, "MESSAGE_TOO_LONG")
        tap.answer, tap.released_at = params, now
        self._notify()
        return True

    def _delete(self, chat: Chat, message_id: int) -> None:
        del chat.messages[message_id]
        for sent in chat.sent:
            sent.deleted = sent.deleted or sent.message_id == message_id

    def _deletable(self, message: JsonDict, chat: Chat) -> bool:
        # "A message can only be deleted if it was sent less than 48 hours ago. Bots can delete incoming messages in
        # private chats."
        own = message.get("from", {}).get("id") == self.bot_user["id"]
        return time.time() - int(message["date"]) < 2 * DAY and (own or chat.is_private)

    def _delete_message(self, params: Params) -> bool:
        chat = self._writable_chat(params)
        message = chat.messages.get(params.number("message_id"))
        if message is None:
            raise ApiError(400, "Bad Request: message to delete not found")
        _require(self._deletable(message, chat), "message can't be deleted for everyone")
        self._delete(chat, message["message_id"])
        return True

    def _delete_messages(self, params: Params) -> bool:
        chat = self._writable_chat(params)
        ids = params.tree("message_ids")
        _require(isinstance(ids, list) and ids, "message identifiers are not specified")
        _require(len(ids) <= 100, "too many message identifiers specified")
        # "If some of the specified messages can't be found, they are skipped."
        _require(all(isinstance(value, int) for value in ids), "can't parse message identifiers JSON array")
        for message_id in dict.fromkeys(ids):
            message = chat.messages.get(message_id)
            if message is not None and self._deletable(message, chat):
                self._delete(chat, message_id)
        return True

    def _send_chat_action(self, params: Params) -> bool:
        chat = self._writable_chat(params)
        _require(params.text("action") in CHAT_ACTIONS, "wrong parameter action in request")
        chat.actions.append(params.text("action"))
        return True

    def _leave_chat(self, params: Params) -> bool:
        chat = self._writable_chat(params)
        _require(not chat.is_private, "chat member status can't be changed in private chats")
        chat.bot_is_member = False
        left = {"user": self.bot_user, "status": "left"}
        was = {"user": self.bot_user, "status": "member"}
        changed = {"chat": chat.info, "from": self.bot_user, "date": int(time.time())}
        self.emit("my_chat_member", changed | {"old_chat_member": was, "new_chat_member": left})
        return True

    # --- the bot's own page ---------------------------------------------------------------------------------------

    def _language(self, params: Params) -> str:
        code = params.text("language_code")
        _require(re.fullmatch(r"([a-z]{2})?", code), "invalid language code specified")
        return code

    def _commands_key(self, params: Params) -> tuple[str, str]:
        scope = params.tree("scope") or {"type": "default"}
        _require(isinstance(scope, dict) and scope.get("type") in COMMAND_SCOPES, "unsupported type specified")
        return json.dumps(scope, sort_keys=True), self._language(params)

    def _set_my_commands(self, params: Params) -> bool:
        key = self._commands_key(params)
        commands = params.tree("commands")
        _require(isinstance(commands, list), "expected an Array of BotCommand")
        _require(len(commands) <= 100, "BOT_COMMANDS_TOO_MUCH")
        taken = []
        for command in commands:
            _require(isinstance(command, dict), "can't parse BotCommand: expected an Object")
            name = str(command.get("command", "")).removeprefix("/")
            description = str(command.get("description", "")).strip()
            _require(name, "command must be non-empty")
            _require(len(name) <= 32, "command length must not exceed 32")
            _require(re.fullmatch(r"[a-z0-9_]+", name), "BOT_COMMAND_INVALID")
            _require(description, "command description must be non-empty")
            _require(len(description) <= 256, "command description length must not exceed 256")
            taken.append({"command": name, "description": description})
        self.commands[key] = taken
        self._notify()
        return True

    def commands_seen_by(self, person: Person) -> list[JsonDict]:
        """The command menu of this person: the narrowest scope wins, in it their language before the general list."""
        for scope in ({"chat_id": person.id, "type": "chat"}, {"type": "all_private_chats"}, {"type": "default"}):
            for language in dict.fromkeys([(person.language_code or "")[:2], ""]):
                if found := self.commands.get((json.dumps(scope, sort_keys=True), language)):
                    return found
        return []

    def _set_profile(self, params: Params, name: str, longest: int) -> bool:
        text = params.text(name)
        _require(utf16_length(text) <= longest, f"{name.replace('_', ' ')} is too long")
        # An empty text takes the dedicated one of the language away.
        self.profile[name, self._language(params)] = text
        self._notify()
        return True

    def _get_profile(self, params: Params, name: str) -> JsonDict:
        general = self.profile.get((name, "")) or (self.bot_user["first_name"] if name == "name" else "")
        return {name: self.profile.get((name, self._language(params))) or general}

    # --- control over HTTP, for a script in another process -------------------------------------------------------

    def _control_routes(self) -> list[tuple[str, str, Callable[[Params], Any]]]:
        return [
            ("POST", "deliver", lambda p: {"update_id": self.deliver(dict(p))}),
            ("POST", "write", lambda p: self._control_person(p).write(p.text("text"), p.get("chat"))),
            ("POST", "tap", lambda p: self._control_person(p).tap(p.text("data"), p.get("message_id"))),
            ("POST", "act", self._control_act),
            ("POST", "fail", self._control_fail),
            ("POST", "repeat_last", lambda p: {"update_ids": self.repeat_last(p.number("count", 1))}),
            ("GET", "received", self._control_sent),
            ("GET", "calls", self._control_calls),
            ("GET", "deliveries", lambda p: self.deliveries[p.number("after") :]),
            ("GET", "state", lambda _: self._control_state()),
            ("POST", "deliver_raw", lambda p: {"update_id": self.deliver_raw(p["body"])}),
        ]

    def _controlled(self, handler: Callable[[Params], Any]) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            try:
                if request.path == "/standin/deliver_raw":
                    params = Params(body=await request.read())
                else:
                    params = await _read_params(request)
                if request.path == "/standin/received" and params.text("wait"):
                    # ?wait=SECONDS: answer as soon as there is something after ?after=N, so that a script need not sleep.
                    with contextlib.suppress(TimeoutError):
                        await self.wait_for(lambda: handler(params), float(params.text("wait")))
                body = json.dumps(handler(params), ensure_ascii=False, default=_plain)
                return web.Response(text=body, content_type="application/json")
            except (LookupError, ValueError, TypeError, AttributeError) as problem:
                return web.json_response({"error": f"{type(problem).__name__}: {problem}"}, status=400)

        return answer

    def _control_person(self, params: Params) -> Person:
        return self.person(int(params["user"]), params.get("language_code"))

    def _control_sent(self, params: Params) -> list[Sent]:
        chat = self.chats.get(params.number("user"))
        return chat.sent[params.number("after") :] if chat is not None else []

    def _control_act(self, params: Params) -> Any:
        """{"user": 7, "act": "send_voice", "with": {...}}: any of the person's acts by name."""
        act = params.text("act")
        if act not in {
            "send", "write", "tap", "tap_raw", "edit", "block", "unblock", "deactivate", "join_group", "send_voice",
            "send_photo", "send_sticker", "send_location", "send_contact", "send_document",
        }:  # fmt: skip
            raise ValueError(f"no act {act!r}")
        return getattr(self._control_person(params), act)(**(params.get("with") or {}))

    def _control_fail(self, params: Params) -> JsonDict:
        """{"method", "error_code", "description", "retry_after", "times"}, or with "kind" one of the other faults."""
        kind = params.text("kind") or "error"
        method, times = params.text("method") or "*", params.number("times", 1)
        if kind == "error":
            self.fail_next(method, params.number("error_code", 500), params.text("description"), params.get("retry_after"), times)
        elif kind == "slow":
            self.slow_next(method, float(params["seconds"]), times)
        elif kind == "repeat":
            self.repeat_polls(times)
        elif kind == "clear":
            self.clear_faults()
        else:
            {"bad_json": self.bad_json_next, "lost_reply": self.lose_reply_next, "lost_request": self.lose_request_next}[kind](
                method, times
            )
        return {"ok": True}

    def _control_calls(self, params: Params) -> list[JsonDict]:
        wanted = params.text("method").lower()
        return [
            {"at": call.at, "method": call.method, "params": call.params}
            for call in self.calls[params.number("after") :]
            if wanted in {"", call.method.lower()}
        ]

    def _control_state(self) -> JsonDict:
        return {
            "counters": self.counters,
            "pending": self.pending,
            "webhook": self._get_webhook_info(Params()),
            "spinning": [tap.id for tap in self.taps.values() if tap.released_at is None],
            "commands": [[scope, language, commands] for (scope, language), commands in self.commands.items()],
        }


class _Described(dict[str, Any]):
    """An answer that carries a description beside its result, as setWebhook's does."""


def _too_many(seconds: float) -> ApiError:
    wait = max(1, math.ceil(seconds))
    return ApiError(429, f"Too Many Requests: retry after {wait}", wait)


def _read_markup(
    markup: Any, *, inline_only: bool
) -> tuple[Literal["inline", "reply", "remove", "force_reply"] | None, list[list[Button]]]:
    """What the person sees of a reply_markup, or the refusal of one that Telegram would not take."""
    if markup is None or markup == {}:
        return None, []
    _require(isinstance(markup, dict), "object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = [[_inline_button(button) for button in row] for row in markup["inline_keyboard"]]
        # A keyboard holds 100 buttons; REPLY_MARKUP_TOO_LONG is told in these words.
        _require(sum(map(len, rows)) <= MAX_BUTTONS, "reply markup is too long")
        return "inline", rows
    _require(not inline_only, "inline keyboard expected")
    if "keyboard" in markup:
        rows = [[_reply_button(button) for button in row] for row in markup["keyboard"]]
        _require(sum(map(len, rows)) <= 300, "reply markup is too long")
        return "reply", rows
    if markup.get("remove_keyboard"):
        return "remove", []
    _require(markup.get("force_reply"), "can't parse reply keyboard markup JSON object")
    return "force_reply", []


def _inline_button(button: Any) -> Button:
    problem = "can't parse inline keyboard button"
    _require(isinstance(button, dict) and "text" in button, f'{problem}: Can\'t find field "text"')
    # Telegram's clients cannot show a button without words (td: "text must be non-empty").
    _require(str(button["text"]).strip(), "inline keyboard button text must be non-empty")
    _require(INLINE_BUTTON_ACTIONS & button.keys(), f"{problem}: Text buttons are unallowed in the inline keyboard")
    if "callback_data" in button:
        # "Data to be sent in a callback query to the bot when the button is pressed, 1-64 bytes": Cyrillic takes two each.
        size = len(str(button["callback_data"]).encode())
        _require(1 <= size <= MAX_CALLBACK_BYTES, "BUTTON_DATA_INVALID")
    return Button(button["text"], button.get("callback_data"), button.get("url"))


def _reply_button(button: Any) -> Button:
    if isinstance(button, str):
        button = {"text": button}
    _require(isinstance(button, dict) and str(button.get("text", "")).strip(), "keyboard button text must be non-empty")
    if button.get("request_contact"):
        return Button(button["text"], request="contact")
    return Button(button["text"], request="location" if button.get("request_location") else None)


async def _read_params(request: web.Request) -> Params:
    """URL query, form, multipart or JSON: "We support four ways of passing parameters in Bot API requests"."""
    params = Params(request.query)
    if request.content_type == "application/json":
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        params.update(body if isinstance(body, dict) else {})
        return params
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            params[name] = Upload(value.filename, value.content_type, len(value.file.read()))
        else:
            params[name] = value if isinstance(value, str) else bytes(value).decode()
    return params


async def _reply_params(response: aiohttp.ClientResponse) -> Params:
    """The call a bot wrote into its answer to the webhook, in any of the encodings."""
    if response.content_type == "multipart/form-data":
        params = Params()
        async for part in aiohttp.MultipartReader.from_response(response):
            if isinstance(part, aiohttp.BodyPartReader) and part.name:
                params[part.name] = (await part.read(decode=True)).decode("utf-8", "replace")
        return params
    raw = await response.read()
    if response.content_type == "application/x-www-form-urlencoded":
        return Params(parse_qsl(raw.decode("utf-8", "replace")))
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = {}
    return Params(body if isinstance(body, dict) else {})


async def _serve(arguments: argparse.Namespace) -> None:
    limit = None
    if arguments.rate_limit:
        overall, per_chat = (float(part) for part in arguments.rate_limit.split(","))
        limit = (overall, per_chat)
    telegram = TelegramStandIn(
        arguments.token,
        arguments.port,
        retry_first=arguments.retry_first,
        retry_max=arguments.retry_max,
        expiry=arguments.expiry,
        rate_limit=limit,
        pacing=not arguments.no_pacing,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with telegram:
        print(f"telegram stand-in ready on {telegram.base}", flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standins.telegram", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TEST_TOKEN)
    parser.add_argument("--retry-first", type=float, default=0.05)
    parser.add_argument("--retry-max", type=float, default=2.0)
    parser.add_argument("--expiry", type=float, default=DAY)
    parser.add_argument("--rate-limit", default="", metavar="OVERALL,PER_CHAT", help="sends a second, for example 30,1")
    parser.add_argument("--no-pacing", action="store_true", help="do not slow repeated polls and setWebhook calls down")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
