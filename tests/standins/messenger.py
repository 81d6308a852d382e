"""Facebook's Graph API on loopback, as far as the Messenger Platform goes: it answers, refuses and delivers as documented.

The rules are those of part C of the project's platform reference (its sections are cited as C1 to C5) and, where it is
silent, of Meta's pages it points to: "Common Error Codes" (25 June 2026), "Webhook Events Reference", "Messenger Profile
API", "Conversation Routing". Where Meta is known to be lenient or its answer is not known, the stand-in is the stricter
one, and says so where it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple, Self, TypeVar

import aiohttp
from aiohttp import web

JsonDict = dict[str, Any]
T = TypeVar("T")

HOUR = 3600.0
WINDOW = 24 * HOUR  # C3: the standard messaging window
HUMAN_AGENT_WINDOW = 7 * 24 * HOUR  # C3: with the tag HUMAN_AGENT
INBOX_APP = "263902037430900"  # C5: the Page inbox as an app
NEWEST_VERSION, OLDEST_VERSION = 26, 21  # C1, as of November 2026
APP_SECRET, VERIFY_TOKEN, PAGE_TOKEN = "test-app-secret", "test-verify-token", "test-page-token"

# C3, in characters (code points: it says no more) or pieces; menu titles and files by "Persistent menu" and "Saving assets".
LIMITS = {
    "text": 2000, "metadata": 1000, "payload": 1000, "title": 20, "quick replies": 13, "images": 30,
    "button text": 640, "buttons": 3, "elements": 10, "element text": 80,
    "greeting": 160, "ice breakers": 4, "menu items": 20, "menu title": 30, "file bytes": 25 * 1024 * 1024,
}  # fmt: skip

# C2: waits of Meta in seconds after a failed delivery: a few retries at once; after one hour the app is unsubscribed.
RETRY_WAITS = (0.0, 0.0, 0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1080.0, 1250.0)

# C2: the fields a bot is told to subscribe to; then what else "Webhook Events Reference" names.
BOT_FIELDS = (
    "messages", "messaging_postbacks", "messaging_referrals", "messaging_handovers", "standby", "message_echoes",
    "message_reactions", "message_edits", "messaging_optins", "message_reads", "message_deliveries",
)  # fmt: skip
ALL_FIELDS = (
    *BOT_FIELDS, "messaging_account_linking", "messaging_feedback", "messaging_game_plays", "messaging_policy_enforcement",
    "messenger_template_status_update", "response_feedback", "send_cart",
)  # fmt: skip
# "standby Webhook Event Reference", and echoes by the second example of "message_echoes".
STANDBY_FIELDS = frozenset({"messages", "messaging_postbacks", "message_reads", "message_deliveries", "message_echoes"})
PROFILE_FIELDS = ("get_started", "greeting", "ice_breakers", "persistent_menu", "whitelisted_domains", "account_linking_url")

MESSAGING_TYPES = ("RESPONSE", "UPDATE", "MESSAGE_TAG")
DEAD_TAGS = frozenset({"ACCOUNT_UPDATE", "CONFIRMED_EVENT_UPDATE", "POST_PURCHASE_UPDATE"})  # error 100 since 27 April 2026
BUTTON_KINDS = ("web_url", "postback", "phone_number")
SENDER_ACTIONS = ("typing_on", "typing_off", "mark_seen", "react", "unreact")

# What Meta says with a code and subcode, and the HTTP status. Seen in public issues: 403 for 4, 400 for 10, 100, 190 and
# 551; the statuses of the other codes are an assumption, and a client should look at the code.
NO_WINDOW = "(#10) This message is sent outside of allowed window."
REFUSALS: dict[tuple[int, int | None], tuple[str, int]] = {
    (1, None): ("An unknown error occurred.", 500),
    (2, None): ("An unexpected error has occurred. Please retry your request later.", 500),
    (4, None): ("(#4) Application request limit reached", 403),
    (10, None): ("(#10) Application does not have permission for this action", 403),
    (10, 2018065): (NO_WINDOW, 400),
    (10, 2018278): (NO_WINDOW, 400),
    (10, 2018108): ("(#10) They can't receive your messages right now.", 400),
    (10, 2018300): ("(#10) Message failed to send because another app is controlling this thread now.", 400),
    (10, 1893063): ("(#10) You are temporarily restricted from sending messages.", 400),
    (17, None): ("(#17) User request limit reached", 403),
    (27, None): ("(#27) Thread control is not available for this Page.", 400),
    (32, None): ("(#32) Page request limit reached", 403),
    (100, 33): ("Unsupported request. Object does not exist or cannot be loaded due to missing permissions.", 400),
    (100, 2018001): ("(#100) No matching user found", 400),
    (100, 2018008): ("(#100) Failed to fetch the file from the url.", 400),
    (100, 2018014): ("(#100) Cannot send both message and state at the same time.", 400),
    (100, 2018034): ("(#100) Message cannot be empty, must provide valid attachment or text", 400),
    (100, 2018047): ("(#100) Upload attachment failure.", 400),
    (100, 2018074): ("(#100) Possible invalid ID or you do not own the attachment.", 400),
    (100, 2018109): ("(#100) Attachment size exceeds allowable limit", 400),
    (100, 2018145): ("(#100) You must set a Get Started button if you also wish to use persistent menu.", 400),
    (100, 2018164): ("(#100) Incorrect App ID.", 400),
    (100, 2534037): ("(#100) The action is invalid since it's not the thread owner.", 400),
    (190, None): ("Invalid OAuth access token - Cannot parse access token", 400),
    (190, 463): ("Error validating access token: Session has expired.", 400),
    (200, None): ("(#200) Permissions error", 403),
    (200, 1545041): ("(#200) This person isn't available right now.", 403),
    (230, None): ("(#230) User consent is required to access user profile.", 403),
    (551, None): ("(#551) This person isn't receiving messages from you right now.", 400),
    (551, 1545041): ("(#551) This person isn't available right now.", 400),
    (613, None): ("(#613) Calls to this api have exceeded the rate limit.", 403),
    (1200, None): ("(#1200) Temporary send message failure. Please try again later.", 500),
    (80001, None): ("(#80001) There have been too many calls to this Page account.", 400),
    (80006, None): ("(#80006) There have been too many calls to this messenger account.", 400),
}
BAD_GATEWAY = "<!DOCTYPE html>\n<html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"


class GraphError(Exception):
    """A refusal: {"error": {"message", "type", "code", "error_subcode", "fbtrace_id"}} with its HTTP status."""

    def __init__(
        self,
        code: int,
        subcode: int | None = None,
        message: str | None = None,
        status: int | None = None,
        kind: str = "OAuthException",
    ) -> None:
        words, usual = REFUSALS.get((code, subcode)) or REFUSALS.get((code, None)) or (f"(#{code}) Invalid parameter", 400)
        super().__init__(message or words)
        self.code, self.subcode, self.kind, self.status = code, subcode, kind, status or usual

    def body(self, trace: str) -> JsonDict:
        error: JsonDict = {"message": str(self), "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.code in {2, 4}:
            error["is_transient"] = True
        return {"error": error | {"fbtrace_id": trace}}


class VerificationFailed(Exception):
    """The callback URL did not echo the challenge, so Meta does not take it (C2)."""


class Params(dict[str, Any]):
    """The parameters of a call, from the query, a form or a JSON body."""

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else str(value)

    def tree(self, name: str) -> Any:
        """A parameter that is an object or a list: nested in a JSON body, JSON text in a form."""
        value = self.get(name)
        if not isinstance(value, str) or not value:
            return value or None
        try:
            return json.loads(value)
        except ValueError:
            raise GraphError(100, None, f"(#100) Param {name} must be valid JSON.") from None

    def names(self, name: str) -> list[str]:
        """A list of names: a JSON list, or text with commas."""
        value = self.get(name)
        if isinstance(value, str) and not value.startswith("["):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(part) for part in self.tree(name) or []]


class Call(NamedTuple):
    """One call of the bot as it arrived; `at` is time.monotonic()."""

    at: float
    verb: str
    route: str
    version: str
    params: Params


@dataclass(frozen=True)
class Upload:
    """A file that came in the multipart field filedata; size in bytes."""

    filename: str
    content_type: str
    size: int


@dataclass(frozen=True)
class Button:
    """Something to tap: a quick reply, a button of a template, an item of the menu or an ice breaker."""

    title: str
    payload: str | None = None
    url: str | None = None
    kind: str = "postback"


@dataclass
class Received:
    """One message of the Page as the person sees it; images are URLs, attachment ids or names of uploaded files."""

    mid: str = ""
    text: str = ""
    quick_replies: list[Button] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    attachments: list[JsonDict] = field(default_factory=list)
    metadata: str | None = None
    messaging_type: str = ""
    tag: str = ""
    attachment_id: str | None = None
    at: float = 0.0

    @property
    def image(self) -> str | None:
        return self.images[0] if self.images else None

    @property
    def labels(self) -> list[str]:
        return [button.title for button in (*self.quick_replies, *self.buttons)]

    @property
    def payloads(self) -> list[str]:
        return [button.payload for button in (*self.quick_replies, *self.buttons) if button.payload is not None]


@dataclass(frozen=True)
class Delivery:
    """One attempt to post to the webhook; started and ended are time.monotonic(), status None is no answer."""

    number: int
    attempt: int
    raw: bytes
    started: float
    ended: float
    status: int | None
    error: str | None


@dataclass
class _Fault:
    kind: Literal["error", "slow", "html", "lost_reply", "lost_request"]
    route: str
    times: int
    error: GraphError | None = None
    seconds: float = 0.0
    status: int = 502
    after_work: bool = False


@dataclass
class _Post:
    number: int
    raw: bytes
    signature: str | None
    genuine: bool
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class _Event(NamedTuple):
    channel: str
    lane: str
    item: JsonDict


# --- the limits of C3 ------------------------------------------------------------------------------------------------------


def _need(condition: object, message: str, subcode: int | None = None) -> None:
    if not condition:
        raise GraphError(100, subcode, f"(#100) {message}")


def _object(value: Any, name: str, allowed: str) -> JsonDict:
    _need(isinstance(value, dict) and value, f"Param {name} must be a non-empty object.")
    unknown = [key for key in value if key not in allowed.split()]
    _need(not unknown, f'Invalid keys "{", ".join(unknown)}" were found in param "{name}".')
    return dict(value)


def _list(value: Any, name: str, limit: str) -> list[Any]:
    most = LIMITS[limit]
    _need(isinstance(value, list) and value, f"Param {name} must be a non-empty array.")
    _need(len(value) <= most, f"Param {name} has too many elements: at most {most} are allowed.")
    return list(value)


def _text(value: Any, name: str, limit: str = "payload") -> str:
    longest = LIMITS[limit]
    _need(isinstance(value, str) and value.strip(), f"The parameter {name} is required and must be a non-empty string.")
    _need(len(value) <= longest, f"Length of param {name} must be less than or equal to {longest}")
    return str(value)


def _link(value: Any, name: str) -> str:
    _need(isinstance(value, str) and re.match(r"https?://[^/\s]+", value), f"Param {name} must be a valid URL.")
    return str(value)


def _button(value: Any, name: str, title: str = "title", kinds: tuple[str, ...] = BUTTON_KINDS) -> Button:
    keys = "type title url payload webview_height_ratio messenger_extensions fallback_url webview_share_button"
    button = _object(value, name, keys)
    _need(button.get("type") in kinds, f"Param {name}[type] must be one of {{{', '.join(kinds)}}}.")
    words = _text(button.get("title"), f"{name}[title]", title)
    if button["type"] == "web_url":
        return Button(words, url=_link(button.get("url"), f"{name}[url]"), kind="web_url")
    payload = _text(button.get("payload"), f"{name}[payload]")
    if button["type"] == "phone_number":
        _need(re.fullmatch(r"\+\d{5,15}", payload), f"Param {name}[payload] must be a phone number with its + and country.")
        return Button(words, url=f"tel:{payload}", kind="phone_number")
    return Button(words, payload)


def _buttons(value: Any, name: str) -> list[Button]:
    return [_button(each, f"{name}[{at}]") for at, each in enumerate(_list(value, name, "buttons"))]


def _quick_reply(value: Any, name: str) -> Button:
    reply = _object(value, name, "content_type title payload image_url")
    kind = reply.get("content_type")
    _need(kind in {"text", "user_phone_number", "user_email"}, f"Param {name}[content_type] is not a supported type.")
    if kind != "text":
        return Button("", kind=str(kind))
    title = _text(reply.get("title"), f"{name}[title]", "title")
    return Button(title, _text(reply.get("payload"), f"{name}[payload]"), kind="quick_reply")


def _template(payload: Any, name: str, seen: Received) -> None:
    kind = payload.get("template_type") if isinstance(payload, dict) else None
    if kind == "button":
        _object(payload, name, "template_type text buttons sharable")
        seen.text = _text(payload.get("text"), f"{name}[text]", "button text")
        seen.buttons = _buttons(payload.get("buttons"), f"{name}[buttons]")
        return
    _need(kind == "generic", f"Param {name}[template_type] must be one of {{button, generic}} in this stand-in.")
    _object(payload, name, "template_type elements sharable")
    lines = []
    for at, each in enumerate(_list(payload.get("elements"), f"{name}[elements]", "elements")):
        where = f"{name}[elements][{at}]"
        element = _object(each, where, "title subtitle image_url default_action buttons")
        # "Generic template": "At least one property must be set in addition to title."
        _need(len(element) > 1, f"Param {where} must have a property in addition to title.")
        lines.append(_text(element.get("title"), f"{where}[title]", "element text"))
        if "subtitle" in element:
            lines.append(_text(element["subtitle"], f"{where}[subtitle]", "element text"))
        if "image_url" in element:
            seen.images.append(_link(element["image_url"], f"{where}[image_url]"))
        if "buttons" in element:
            seen.buttons += _buttons(element["buttons"], f"{where}[buttons]")
    seen.text = "\n".join(lines)


def _by_locale(value: Any, name: str, keys: str) -> list[JsonDict]:
    """The entries of a profile field, one a locale; "default" must be among them (C3)."""
    _need(isinstance(value, list), f"Param {name} must be an array.")
    entries = [_object(each, f"{name}[{at}]", f"locale {keys}") for at, each in enumerate(value)]
    for at, entry in enumerate(entries):
        # Messenger's locale list has no mn_MN (fact 8 of the reference); the rest of the list is not kept here.
        known = re.fullmatch(r"default|[a-z]{2}_[A-Z]{2}", str(entry.get("locale"))) and entry["locale"] != "mn_MN"
        _need(known, f"Param {name}[{at}][locale] must be one of the supported locales.")
    _need(any(entry["locale"] == "default" for entry in entries), f"Param {name} must have an entry for the locale default.")
    return entries


def _check_profile(name: str, value: Any) -> None:
    """The limits of C3 and the shapes of "Messenger Profile API"; of two shapes of ice breakers only that with locales."""
    if name == "get_started":
        _text(_object(value, name, "payload").get("payload"), "get_started[payload]")
    elif name == "greeting":
        for at, entry in enumerate(_by_locale(value, name, "text")):
            _text(entry.get("text"), f"greeting[{at}][text]", "greeting")
    elif name == "ice_breakers":
        for at, entry in enumerate(_by_locale(value, name, "call_to_actions")):
            where = f"ice_breakers[{at}][call_to_actions]"
            for each in _list(entry.get("call_to_actions"), where, "ice breakers"):
                question = _object(each, where, "question payload")
                _text(question.get("question"), f"{where}[question]")
                _text(question.get("payload"), f"{where}[payload]")
    elif name == "persistent_menu":
        for at, entry in enumerate(_by_locale(value, name, "composer_input_disabled call_to_actions disabled_surfaces")):
            where = f"persistent_menu[{at}][call_to_actions]"
            for each in _list(entry.get("call_to_actions"), where, "menu items"):
                _button(each, where, title="menu title", kinds=("web_url", "postback"))


def _in_locale(entries: list[JsonDict], locale: str) -> JsonDict:
    named = {entry["locale"]: entry for entry in entries}
    return named.get(locale) or named.get("default") or {}


# --- a person --------------------------------------------------------------------------------------------------------------


class Person:
    """One person with Messenger in hand; what they do reaches the bot through the webhook. `id` is page-scoped (PSID)."""

    def __init__(self, graph: MessengerStandIn, psid: str, locale: str) -> None:
        self.graph = graph
        self.id = psid
        self.locale = locale
        self.received: list[Received] = []
        self.actions: list[str] = []
        self.known = False
        self.blocked = False
        self.gone = False
        self.opened_at = 0.0
        self.owner: str | None = None
        self.mids: list[str] = []
        self._edits: Counter[str] = Counter()
        self._newest = ""
        self._ref = ""
        self._read = 0

    @property
    def last(self) -> Received:
        return self.received[-1]

    @property
    def quick_replies(self) -> list[Button]:
        """The quick replies above the composer now; they vanish after the next message of either side (C3)."""
        return self.last.quick_replies if self.received and self.last.mid == self._newest else []

    @property
    def greeting(self) -> str:
        return str(_in_locale(self.graph.profile.get("greeting", []), self.locale).get("text", ""))

    @property
    def menu(self) -> list[Button]:
        """The persistent menu in the person's locale, or in the default one."""
        items = _in_locale(self.graph.profile.get("persistent_menu", []), self.locale).get("call_to_actions", [])
        return [Button(item["title"], item.get("payload"), item.get("url"), item["type"]) for item in items]

    @property
    def ice_breakers(self) -> list[Button]:
        """The questions shown to somebody who has not written yet."""
        if self.known:
            return []
        items = _in_locale(self.graph.profile.get("ice_breakers", []), self.locale).get("call_to_actions", [])
        return [Button(item["question"], item["payload"]) for item in items]

    async def next(self, timeout: float = 5.0) -> Received:  # noqa: ASYNC109 - a bound on the wait is the point of the call
        """The next message of the Page that this method has not yet given out; timeout in seconds."""
        await self.graph.wait_for(
            lambda: len(self.received) > self._read, timeout, f"message number {self._read + 1} to person {self.id}"
        )
        self._read += 1
        return self.received[self._read - 1]

    def skip(self) -> None:
        """Forget the messages not yet read by next()."""
        self._read = len(self.received)

    def _act(self, name: str, content: JsonDict, *, opens: bool = True) -> JsonDict:
        if self.blocked or self.gone:
            raise ValueError(f"person {self.id} has blocked the Page or is gone: nothing can be sent before unblock()")
        if opens:
            self.graph.heard(self)
        return self.graph.emit(name, self, content)

    def _send(self, content: JsonDict) -> JsonDict:
        mid = self.graph.new_mid()
        item = self._act("messages", {"message": {"mid": mid, **content}})
        self._newest = mid
        self.mids.append(mid)
        return item

    def _postback(self, title: str, payload: str, ref: str = "") -> JsonDict:
        postback: JsonDict = {"mid": self.graph.new_mid(), "title": title, "payload": payload}
        if ref:
            postback["referral"] = _referral(ref)
        item = self._act("messaging_postbacks", {"postback": postback})
        self._newest = postback["mid"]
        return item

    def write(self, text: str, reply_to: str | None = None) -> JsonDict:
        """Write a message, if wanted as the answer to one with this mid; gives the messaging item of the webhook."""
        quoted = {} if reply_to is None else {"reply_to": {"mid": reply_to, "is_self_reply": reply_to in self.mids}}
        return self._send({"text": text, **quoted})

    def tap(self, target: str) -> JsonDict:
        """Tap what has this payload or title and is on the screen: quick reply, button, menu item or ice breaker."""
        for reply in self.quick_replies:
            if target in {reply.payload, reply.title}:
                return self._send({"text": reply.title, "quick_reply": {"payload": reply.payload}})
        buttons = chain.from_iterable(message.buttons for message in reversed(self.received))
        shown = [*buttons, *self.menu, *self.ice_breakers]
        for button in shown:
            if target in {button.payload, button.title}:
                if button.payload is None:
                    raise ValueError(f"{button.title!r} opens a link or a call: Facebook tells the bot nothing")
                return self._postback(button.title, button.payload)
        seen = [(button.title, button.payload) for button in (*self.quick_replies, *shown)]
        raise LookupError(f"person {self.id} sees nothing {target!r} to tap; on the screen are {seen}")

    def tap_raw(self, payload: str, title: str = "…", *, quick_reply: bool = False) -> JsonDict:
        """A tap with any payload: of a message long gone, or of a changed client."""
        if quick_reply:
            return self._send({"text": title, "quick_reply": {"payload": payload}})
        return self._postback(title, payload)

    def get_started(self, ref: str = "", payload: str | None = None) -> JsonDict:
        """Tap Get Started, as the Messenger profile has it, or with `payload` whatever the profile has.

        `ref` is that of the m.me link that led here (C2: postback.referral).
        """
        if payload is None:
            if "ice_breakers" in self.graph.profile:
                raise LookupError("ice breakers hide the Get Started button (C3): tap one of them, or give the payload")
            if "get_started" not in self.graph.profile:
                raise LookupError("there is no Get Started button: set it at messenger_profile, or give the payload")
            payload = str(self.graph.profile["get_started"]["payload"])
        ref, self._ref = ref or self._ref, ""
        return self._postback("Get Started", payload, ref)

    def open_link(self, ref: str) -> JsonDict | None:
        """Open m.me/page?ref=…: a referral in an existing chat; in a new one nothing is sent before get_started()."""
        if not re.fullmatch(r"[A-Za-z0-9_=-]+", ref):
            raise ValueError(f"{ref!r} cannot be in an m.me link: only letters, digits and - _ = can")
        if not self.known:
            self._ref = ref
            return None
        return self._act("messaging_referrals", {"referral": _referral(ref)})

    def send_attachment(self, kind: str = "image") -> JsonDict:
        """Send an image, audio, video, file, location, sticker or old_sticker.

        Since 30 August 2026 a sticker is an attachment of its own type (C2); old_sticker is the image it was before.
        """
        number = self.graph.new_number()
        url = f"https://scontent.example/v/{number}"
        payload: JsonDict = {"url": url}
        if kind == "location":
            payload = {"coordinates": {"lat": 37.5665, "long": 126.978}}
        elif kind in {"sticker", "old_sticker"}:
            kind, payload = ("image" if kind == "old_sticker" else kind), {"url": url, "sticker_id": 369239263222822}
        elif kind not in {"image", "audio", "video", "file"}:
            raise ValueError(f"no attachment {kind!r}")
        return self._send({"attachments": [{"type": kind, "payload": payload}]})

    def react(self, mid: str | None = None, *, undo: bool = False) -> JsonDict:
        """Put a heart on a message of the Page, the newest unless named, or take it away; it opens the window (C3)."""
        reaction = {"reaction": "love", "emoji": "❤", "action": "unreact" if undo else "react", "mid": mid or self.last.mid}
        return self._act("message_reactions", {"reaction": reaction})

    def _own_mid(self, mid: str | None) -> str:
        if not self.mids:
            raise LookupError(f"person {self.id} has no message of their own in the chat")
        return self.mids[-1] if mid is None else mid

    def edit(self, text: str, mid: str | None = None) -> JsonDict:
        """Change an own message, the newest unless named; Messenger allows five changes."""
        mid = self._own_mid(mid)
        self._edits[mid] += 1
        if self._edits[mid] > 5:
            raise ValueError("Messenger lets a message be changed five times")
        edit = {"mid": mid, "text": text, "num_edit": self._edits[mid]}
        return self._act("message_edits", {"message_edit": edit}, opens=False)

    def unsend(self, mid: str | None = None) -> JsonDict:
        """Take an own message back, the newest unless named: its mid comes again with is_deleted."""
        mid = self._own_mid(mid)
        self.mids.remove(mid)
        return self._act("messages", {"message": {"mid": mid, "is_deleted": True}}, opens=False)

    def read(self) -> JsonDict:
        """Open the chat: everything until now is read."""
        return self._act("message_reads", {"read": {"watermark": self.graph.new_stamp()}}, opens=False)

    def block(self) -> None:
        """Block the Page; Facebook tells the bot nothing until it writes (551, C4)."""
        self.blocked = True

    def unblock(self) -> None:
        self.blocked = False

    def delete_account(self) -> None:
        """Be gone for good; the bot learns it as of a block."""
        self.gone = True

    def show(self, message: Received) -> None:
        """Put a message of the Page on the screen."""
        self._newest = message.mid
        self.received.append(message)


def _referral(ref: str) -> JsonDict:
    return {"ref": ref, "source": "SHORTLINK", "type": "OPEN_THREAD"}


# --- the Graph API ---------------------------------------------------------------------------------------------------------


class MessengerStandIn:
    """The Graph API of one Page and one app, with the people who write to it and the faults a test asks for.

    Counted in `counters`: calls by route ("messages", "sender_action", "messenger_profile", …, "page" for the Page itself),
    answers ("messages:200", "messages:cut"), posts to the webhook ("webhook:200", "webhook:unreached"), what was not
    delivered ("webhook:unwanted": no webhook or field not subscribed) and "unsubscribed".
    """

    def __init__(
        self,
        *,
        app_secret: str = APP_SECRET,
        verify_token: str = VERIFY_TOKEN,
        page_id: str = "1100000001",
        page_token: str = PAGE_TOKEN,
        app_id: str = "990000000000001",
        port: int = 0,
        require_proof: bool = True,
        routing: bool = True,
        subscribed: Iterable[str] = BOT_FIELDS,
        pace: float = 1 / 360,
        webhook_timeout: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """require_proof: "Require App Secret" is on (C1). routing: the app is the default app of the Page (C5).
        subscribed: fields the Page is subscribed to at first. pace: what a second of Meta's waits between deliveries lasts, in
        seconds (an hour lasts ten). webhook_timeout: seconds (C2: 5). clock: seconds since 1970, for the windows and timestamps.
        """
        self.app_secret = app_secret
        self.verify_token = verify_token
        self.page_id = page_id
        self.page_token = page_token
        self.app_id = app_id
        self.port = port
        self.require_proof = require_proof
        self.routing = routing
        self.subscribed = list(subscribed)
        self.pace = pace
        self.webhook_timeout = webhook_timeout
        self.clock = clock
        self.people: dict[str, Person] = {}
        self.profile: JsonDict = {}
        self.uploads: dict[str, str] = {}
        self.calls: list[Call] = []
        self.counters: Counter[str] = Counter()
        self.deliveries: list[Delivery] = []
        self.app_usage: JsonDict | None = {"call_count": 0, "total_time": 0, "total_cputime": 0}
        self.business_usage: JsonDict | None = None
        self._ahead = 0.0
        self._stamp = 0
        self._number = 0
        self._hook: str | None = None
        self._gathered: list[_Event] | None = None
        self._signing: deque[Literal["forged", "missing"]] = deque()
        self._posted: list[_Post] = []
        self._tails: dict[str, _Post] = {}
        self._carriers: set[asyncio.Task[None]] = set()
        self._faults: list[_Fault] = []
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self._handlers: dict[tuple[str, str], Callable[[Params], JsonDict]] = {
            ("GET", "page"): self._get_page,
            ("POST", "messages"): self._send,
            ("POST", "sender_action"): self._send,
            ("POST", "message_attachments"): self._save_attachment,
            ("POST", "messenger_profile"): self._set_profile,
            ("GET", "messenger_profile"): self._get_profile,
            ("DELETE", "messenger_profile"): self._delete_profile,
            ("POST", "subscribed_apps"): self._subscribe,
            ("GET", "subscribed_apps"): self._get_subscribed,
            ("DELETE", "subscribed_apps"): self._unsubscribe,
            ("POST", "pass_thread_control"): self._pass_control,
            ("POST", "release_thread_control"): self._release_control,
            ("POST", "take_thread_control"): self._take_control,
            ("POST", "request_thread_control"): self._request_control,
        }

    # --- life of the server ------------------------------------------------------------------------------------------------

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
        app = web.Application(client_max_size=2 * LIMITS["file bytes"])
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = int(self._runner.addresses[0][1])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=self.webhook_timeout)
        )

    async def stop(self) -> None:
        for carrier in list(self._carriers):
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        self._carriers.clear()
        self._tails.clear()
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
        """Wait until the condition is true, `timeout` seconds at most; looked at after every change, and 20 times a second."""
        try:
            async with asyncio.timeout(timeout):
                while not (value := condition()):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), 0.05)
                return value
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {timeout} s; so far: {dict(self.counters)}") from None

    async def settled(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait until every post to the webhook has been taken or given up, at most `timeout` seconds."""
        await self.wait_for(lambda: not self._carriers, timeout, "the end of all deliveries")

    # --- people and time ---------------------------------------------------------------------------------------------------

    def person(self, psid: str = "24000000000001", locale: str = "en_US") -> Person:
        """The person with this page-scoped id; the Page knows them only after their first word or tap."""
        if not psid.isdigit():
            raise ValueError("a page-scoped id is a string of digits")
        return self.people.setdefault(psid, Person(self, psid, locale))

    @property
    def now(self) -> float:
        """Facebook's time, in seconds since 1970."""
        return self.clock() + self._ahead

    def advance(self, hours: float) -> None:
        """Let hours pass at Facebook, for everybody."""
        self._ahead += hours * HOUR

    def age(self, person: Person, hours: float) -> None:
        """Let this person's last sign of life be so many hours older."""
        person.opened_at -= hours * HOUR

    def new_number(self) -> int:
        self._number += 1
        return self._number

    def new_mid(self) -> str:
        return f"m_StandIn{self.new_number():06d}"

    def new_stamp(self) -> int:
        """A timestamp in milliseconds, later than every one before."""
        self._stamp = max(self._stamp + 1, int(self.now * 1000))
        return self._stamp

    def heard(self, person: Person) -> None:
        """Note a sign of life: it opens the window, and an idle thread goes to the default app (C3, C5)."""
        if self.owner(person) is None:
            person.owner = None
        person.known, person.opened_at = True, self.now

    def owner(self, person: Person) -> str | None:
        """Id of the other app that holds the thread; None: this app may write, or the thread is idle for 24 hours (C5)."""
        return person.owner if self.now - person.opened_at <= WINDOW else None

    # --- the Page inbox, the other app -------------------------------------------------------------------------------------

    def inbox_takes(self, person: Person, metadata: str = "") -> JsonDict:
        """A counsellor moves the chat to the main folder: the inbox takes the thread from the bot (C5)."""
        previous, person.owner = self.owner(person) or self.app_id, INBOX_APP
        control = {"previous_owner_app_id": previous, "new_owner_app_id": INBOX_APP, "metadata": metadata}
        return self.emit("messaging_handovers", person, {"take_thread_control": control})

    def inbox_passes(self, person: Person, metadata: str = "") -> JsonDict:
        """The inbox gives the thread to the bot."""
        previous, person.owner = self.owner(person) or INBOX_APP, None
        control = {"previous_owner_app_id": previous, "new_owner_app_id": self.app_id, "metadata": metadata}
        return self.emit("messaging_handovers", person, {"pass_thread_control": control})

    def inbox_requests(self, person: Person, metadata: str = "") -> JsonDict:
        """The inbox asks the bot for the thread."""
        control = {"requested_owner_app_id": INBOX_APP, "metadata": metadata}
        return self.emit("messaging_handovers", person, {"request_thread_control": control})

    def inbox_writes(self, person: Person, text: str) -> JsonDict:
        """A counsellor answers in the inbox: with routing it takes the thread first. Gives the item of the echo (C2, C5)."""
        if self.routing and self.owner(person) != INBOX_APP:
            self.inbox_takes(person)
        message = Received(mid=self.new_mid(), text=text, at=self.now)
        person.show(message)
        self._notify()
        return self.emit("message_echoes", person, self._echo(message, INBOX_APP), from_page=True)

    def _echo(self, message: Received, app_id: str) -> JsonDict:
        echo: JsonDict = {"is_echo": True, "app_id": int(app_id)}
        if message.metadata is not None:
            echo["metadata"] = message.metadata
        body = {"attachments": message.attachments} if message.attachments else {"text": message.text}
        return {"message": echo | {"mid": message.mid} | body}

    # --- the webhook -------------------------------------------------------------------------------------------------------

    async def webhook(self, url: str, verify_token: str | None = None) -> None:
        """Enter the callback URL as in the app's settings: GET with the challenge, which must come back as it is (C2).

        Raises VerificationFailed. `verify_token` replaces the right one, to see it refused.
        """
        challenge = str(1158201000 + self.new_number())
        token = self.verify_token if verify_token is None else verify_token
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": token}
        try:
            async with self._open_session().get(url, params=query, allow_redirects=False) as answer:
                status, body = answer.status, await answer.text()
        except (TimeoutError, aiohttp.ClientError) as problem:
            raise VerificationFailed(f"The URL couldn't be validated: {problem!r}") from problem
        if (status, body) != (200, challenge):
            raise VerificationFailed(f"The URL couldn't be validated: HTTP status {status}, body {body[:100]!r}")
        self._hook = url

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the stand-in is not started")
        return self._session

    def signature(self, raw: bytes) -> str:
        """The value of X-Hub-Signature-256: HMAC-SHA256 of the raw bytes with the app secret (C2)."""
        return "sha256=" + hmac.new(self.app_secret.encode(), raw, hashlib.sha256).hexdigest()

    def emit(self, name: str, person: Person, content: JsonDict, *, from_page: bool = False) -> JsonDict:
        """Send one event of the field `name` to the webhook, if subscribed; gives the messaging item as it is sent.

        While another app holds the thread it goes to standby, a postback without its payload, or is not sent (C5).
        """
        ends = ({"id": person.id}, {"id": self.page_id})
        sender, recipient = reversed(ends) if from_page else ends
        item: JsonDict = {"sender": sender, "recipient": recipient, "timestamp": self.new_stamp(), **content}
        standby = self.owner(person) is not None and name != "messaging_handovers"
        if standby and "postback" in item:
            item["postback"] = {key: item["postback"][key] for key in ("mid", "title")}
        item = json.loads(json.dumps(item))
        wanted = ("standby" if standby else name) in self.subscribed and (not standby or name in STANDBY_FIELDS)
        if not wanted or self._hook is None:
            self.counters["webhook:unwanted"] += 1
        else:
            self._hand_over([_Event("standby" if standby else "messaging", person.id, item)])
        return item

    def _hand_over(self, events: list[_Event]) -> None:
        if self._gathered is not None:
            self._gathered += events
            return
        for event in events:
            self._enqueue([self._entry([event])], event.lane)

    def _entry(self, events: list[_Event]) -> JsonDict:
        return {"id": self.page_id, "time": self.new_stamp(), events[0].channel: [event.item for event in events]}

    @contextmanager
    def batch(self, per_entry: int = 1, *, newest_first: bool = False) -> Iterator[None]:
        """Send everything that happens inside as one POST, with up to `per_entry` messaging items in each entry (C2)."""
        with self._gathering() as events:
            yield
        if newest_first:
            events.reverse()
        groups: list[list[_Event]] = []
        for event in events:
            if groups and len(groups[-1]) < per_entry and groups[-1][0].channel == event.channel:
                groups[-1].append(event)
            else:
                groups.append([event])
        if groups:
            self._enqueue([self._entry(group) for group in groups], "batch")

    @contextmanager
    def reordered(self) -> Iterator[None]:
        """Send everything that happens inside one by one, the newest first: order is not promised (C2)."""
        with self._gathering() as events:
            yield
        for event in reversed(events):
            self._enqueue([self._entry([event])], "reordered")

    @contextmanager
    def _gathering(self) -> Iterator[list[_Event]]:
        events = self._gathered = []
        try:
            yield events
        finally:
            self._gathered = None

    def deliver(self, body: JsonDict) -> bytes:
        """Send the entries of a body, as a recorded one, whatever is subscribed; its senders become known. Gives the bytes."""
        for entry in body.get("entry", []):
            for item in entry.get("messaging", []):
                psid = item.get("sender", {}).get("id", self.page_id)
                if psid != self.page_id:
                    self.heard(self.person(psid))
        return self._enqueue(body["entry"], "delivered").raw

    def forge_next(self, times: int = 1) -> None:
        """Sign the next posts wrongly; they are sent once, for they are not Meta's."""
        self._signing += ["forged"] * times

    def unsigned_next(self, times: int = 1) -> None:
        """Send the next posts without a signature, once."""
        self._signing += ["missing"] * times

    def repeat_last(self, count: int = 1, later_ms: int = 0) -> None:
        """Send the last bodies once more, if wanted with later timestamps: duplicates share the mid, not always the time."""
        if not self._posted:
            raise LookupError("nothing was posted to the webhook yet")
        for post in self._posted[-count:]:
            body = json.loads(post.raw)
            for item in chain.from_iterable(entry.get("messaging", entry.get("standby", [])) for entry in body["entry"]):
                item["timestamp"] += later_ms
            self._enqueue(body["entry"], "repeated")

    def _enqueue(self, entries: list[JsonDict], lane: str) -> _Post:
        if self._hook is None:
            raise RuntimeError("no webhook yet: await graph.webhook(url) first")
        # C2: Meta sends and signs the escaped form, \uXXXX with lower-case hex digits; PHP's way, slashes are escaped too.
        raw = json.dumps({"object": "page", "entry": entries}, separators=(",", ":")).replace("/", "\\/").encode()
        signing = self._signing.popleft() if self._signing else "right"
        signature = {"right": self.signature(raw), "forged": self.signature(b"not " + raw), "missing": None}[signing]
        post = _Post(self.new_number(), raw, signature, signing == "right")
        before, self._tails[lane] = self._tails.get(lane), post
        self._posted.append(post)
        carrier = asyncio.get_running_loop().create_task(self._carry(post, before))
        self._carriers.add(carrier)
        return post

    async def _carry(self, post: _Post, before: _Post | None) -> None:
        """Post until it is taken. One person's posts follow each other, but a failed one is overtaken by the next (C2)."""
        try:
            if before is not None:
                await before.tried.wait()
            for attempt, wait in enumerate((*RETRY_WAITS, None), start=1):
                delivery = await self._post(post.raw, post.signature, post.number, attempt)
                post.tried.set()
                if delivery.status == 200 or not post.genuine:
                    return
                if wait is None:
                    self.subscribed = []
                    self.counters["unsubscribed"] += 1
                    return
                await asyncio.sleep(wait * self.pace)
        finally:
            post.tried.set()
            task = asyncio.current_task()
            if task is not None:
                self._carriers.discard(task)
            self._notify()

    async def _post(self, raw: bytes, signature: str | None, number: int, attempt: int) -> Delivery:
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua"}
        if signature is not None:
            headers["X-Hub-Signature-256"] = signature
        started, status, error = time.monotonic(), None, None
        try:
            async with self._open_session().post(self._hook or "", data=raw, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (TimeoutError, aiohttp.ClientError) as problem:
            error = type(problem).__name__
        delivery = Delivery(number, attempt, raw, started, time.monotonic(), status, error)
        self.deliveries.append(delivery)
        self.counters[f"webhook:{status or 'unreached'}"] += 1
        self._notify()
        return delivery

    async def deliver_raw(self, body: bytes, signature: str | None = "") -> Delivery:
        """Post these bytes once, whatever they are, and give what came of it.

        signature: "" signs rightly, None leaves the header out, any other text is sent as it is.
        """
        if self._hook is None:
            raise RuntimeError("no webhook yet: await graph.webhook(url) first")
        return await self._post(body, self.signature(body) if signature == "" else signature, self.new_number(), 1)

    # --- faults ------------------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        route: str,
        code: int,
        subcode: int | None = None,
        status: int | None = None,
        message: str | None = None,
        times: int = 1,
    ) -> None:
        """Refuse the next calls of the route ("*": of any) without doing their work.

        status and message are Meta's own for this code unless given (see REFUSALS).
        """
        self._faults.append(_Fault("error", route, times, GraphError(code, subcode, message, status)))

    def slow_next(self, route: str, seconds: float, times: int = 1) -> None:
        """Do the work of the next calls at once and answer only after so many seconds."""
        self._faults.append(_Fault("slow", route, times, seconds=seconds))

    def lose_reply_next(self, route: str, times: int = 1) -> None:
        """Do the work of the next calls, then cut the connection: the bot cannot know that it was done (C4)."""
        self._faults.append(_Fault("lost_reply", route, times))

    def lose_request_next(self, route: str, times: int = 1) -> None:
        """Cut the connection of the next calls before any work."""
        self._faults.append(_Fault("lost_request", route, times))

    def html_next(self, route: str, status: int = 502, times: int = 1, *, after_work: bool = False) -> None:
        """Answer the next calls with an HTML page, before the work or after it."""
        self._faults.append(_Fault("html", route, times, status=status, after_work=after_work))

    def clear_faults(self) -> None:
        self._faults.clear()

    def _take_fault(self, route: str) -> _Fault | None:
        for fault in self._faults:
            if fault.route in {route, "*"}:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    # --- answering calls ---------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        params = await _read_params(request)
        version, node, edge = [*request.match_info["path"].strip("/").split("/", 2), "", ""][:3]
        route = edge or "page"
        if route == "messages" and "sender_action" in params and "message" not in params:
            route = "sender_action"
        self.calls.append(Call(time.monotonic(), request.method, route, version, params))
        self.counters[route] += 1
        fault = self._take_fault(route)
        kind = fault.kind if fault is not None else None
        if kind == "lost_request":
            return self._cut(request, route)
        try:
            if fault is not None and fault.error is not None:
                raise fault.error
            if fault is not None and kind == "html" and not fault.after_work:
                return self._reply(route, fault.status, BAD_GATEWAY)
            response = self._reply(route, 200, self._run(request.method, version, node, route, params), version)
        except GraphError as refusal:
            response = self._reply(route, refusal.status, refusal.body(f"A{self.new_number():010d}"), version)
        if fault is not None and kind == "slow":
            await asyncio.sleep(fault.seconds)
        if fault is not None and kind == "html":
            return self._reply(route, fault.status, BAD_GATEWAY)
        return self._cut(request, route) if kind == "lost_reply" else response

    def _reply(self, route: str, status: int, body: JsonDict | str, version: str = "") -> web.Response:
        self.counters[f"{route}:{status}"] += 1
        self._notify()
        if isinstance(body, str):
            return web.Response(text=body, status=status, content_type="text/html")
        headers = {"facebook-api-version": _served(version) or ""}
        if self.app_usage is not None:
            headers["X-App-Usage"] = json.dumps(self.app_usage)
        if self.business_usage is not None:
            headers["X-Business-Use-Case-Usage"] = json.dumps(self.business_usage)
        return web.json_response(body, status=status, headers=headers)

    def _cut(self, request: web.Request, route: str) -> web.Response:
        self.counters[f"{route}:cut"] += 1
        self._notify()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _run(self, verb: str, version: str, node: str, route: str, params: Params) -> JsonDict:
        if _served(version) is None:
            # Meta serves a call without a version by the oldest; C1 asks to pin it, so the stand-in refuses. A version that
            # is not yet out is refused by Meta in these words.
            raise GraphError(2500, None, f"Unknown path components: /{version}")
        self._check_token(params)
        if node not in {"me", self.page_id}:
            raise GraphError(100, 33, kind="GraphMethodException")
        handler = self._handlers.get((verb, route))
        if handler is None:
            raise GraphError(2500, None, f"Unknown path components: /{route}")
        return handler(params)

    def _check_token(self, params: Params) -> None:
        token, proof = params.text("access_token"), params.text("appsecret_proof")
        if not token:
            raise GraphError(2500, None, "An active access token must be used to query information about the current user.")
        if token != self.page_token:
            raise GraphError(190)
        if proof or self.require_proof:
            # C1: hex HMAC-SHA256, key: app secret, message: access token.
            right = hmac.new(self.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            words = "Invalid appsecret_proof provided in the API argument"
            words = words if proof else "API calls from the server require an appsecret_proof argument"
            if proof != right:
                raise GraphError(100, None, words, kind="GraphMethodException")

    # --- sending -----------------------------------------------------------------------------------------------------------

    def _recipient(self, params: Params) -> Person:
        psid = _object(params.tree("recipient"), "recipient", "id").get("id")
        _need(isinstance(psid, str) and psid.isdigit(), "Param recipient[id] must be a valid ID string")
        person = self.people.get(str(psid))
        if person is None or not person.known:
            raise GraphError(100, 2018001)
        return person

    def _check_reach(self, person: Person, tag: str) -> None:
        if person.blocked or person.gone:
            raise GraphError(551, 1545041)
        if self.owner(person) is not None:
            raise GraphError(10, 2018300)
        if self.now - person.opened_at > (HUMAN_AGENT_WINDOW if tag == "HUMAN_AGENT" else WINDOW):
            raise GraphError(10, 2018278)

    def _send(self, params: Params) -> JsonDict:
        person, message = self._recipient(params), params.tree("message")
        if params.text("sender_action"):
            if message is not None:
                raise GraphError(100, 2018014)
            return self._send_action(person, params)
        seen = self._read_message(message, params.get("filedata"))
        seen.messaging_type, seen.tag = _messaging_type(params)
        _need("persona_id" not in params, "Invalid persona ID")
        control = params.tree("thread_control")
        if control is not None:
            control = _object(control, "thread_control", "control_type app_id metadata")
            _need(control.get("control_type") in {"pass", "release"}, "Param control_type must be one of {pass, release}.")
        self._check_reach(person, seen.tag)
        seen.mid, seen.at = self.new_mid(), self.now
        self.emit("message_echoes", person, self._echo(seen, self.app_id), from_page=True)
        if control is not None:
            # C5: "I'll connect you" and the hand-off in one call.
            person.owner = _app(control.get("app_id", INBOX_APP)) if control["control_type"] == "pass" else None
        person.show(seen)
        self.emit("message_deliveries", person, {"delivery": {"mids": [seen.mid], "watermark": self.new_stamp()}})
        saved = {} if seen.attachment_id is None else {"attachment_id": seen.attachment_id}
        return {"recipient_id": person.id, "message_id": seen.mid, **saved}

    def _send_action(self, person: Person, params: Params) -> JsonDict:
        action = params.text("sender_action")
        _need(action in SENDER_ACTIONS, f"Param sender_action must be one of {{{', '.join(SENDER_ACTIONS)}}}")
        if action in {"react", "unreact"}:
            _text(_object(params.tree("payload"), "payload", "message_id reaction").get("message_id"), "payload[message_id]")
        self._check_reach(person, "")
        person.actions.append(action)
        return {"recipient_id": person.id}

    def _read_message(self, value: Any, upload: Any) -> Received:
        """What the person will see of a message, or the refusal of one that is over a limit of C3."""
        message = _object(value, "message", "text attachment attachments quick_replies metadata")
        seen = Received()
        given = [name for name in ("text", "attachment", "attachments") if message.get(name)]
        if not given:
            raise GraphError(100, 2018034)
        _need(len(given) == 1, f"Only one of {{{', '.join(given)}}} may be in a message.")
        if "text" in given:
            seen.text = _text(message["text"], "message[text]", "text")
        if "attachment" in given:
            self._read_attachment(message["attachment"], "message[attachment]", upload, seen)
        for at, each in enumerate(
            _list(message["attachments"], "message[attachments]", "images") if "attachments" in given else []
        ):
            _need(isinstance(each, dict) and each.get("type") == "image", "Only images may be several in one message.")
            self._read_attachment(each, f"message[attachments][{at}]", None, seen)
        if "quick_replies" in message:
            name = "message[quick_replies]"
            replies = _list(message["quick_replies"], name, "quick replies")
            seen.quick_replies = [_quick_reply(each, f"{name}[{at}]") for at, each in enumerate(replies)]
        if "metadata" in message:
            seen.metadata = _text(message["metadata"], "message[metadata]", "metadata")
        return seen

    def _read_attachment(self, value: Any, name: str, upload: Any, seen: Received) -> None:
        attachment = _object(value, name, "type payload")
        kind, payload = attachment.get("type"), attachment.get("payload") or {}
        kinds = ("image", "audio", "video", "file", "template")
        _need(kind in kinds, f"Param {name}[type] must be one of {{{', '.join(kinds)}}}.")
        if kind == "template":
            _template(payload, f"{name}[payload]", seen)
            seen.attachments.append(attachment)
            return
        _need(isinstance(payload, dict), f"Param {name}[payload] must be an object.")
        source = self._media(str(kind), payload, name, upload)
        if payload.get("is_reusable"):
            seen.attachment_id = str(1857777774821000 + self.new_number())
            self.uploads[seen.attachment_id] = source
        if kind == "image":
            seen.images.append(source)
        seen.attachments.append({"type": kind, "payload": {"url": f"https://scontent.example/v/{self.new_number()}"}})

    def _media(self, kind: str, payload: JsonDict, name: str, upload: Any) -> str:
        """Where a file comes from: a URL, the id of a saved one, or the upload beside the message (never fetched here)."""
        _object({"type": kind, **payload}, f"{name}[payload]", "type url attachment_id is_reusable")
        ways = [way for way in ("url", "attachment_id") if payload.get(way)] + (["filedata"] if upload is not None else [])
        _need(len(ways) == 1, f"Param {name}[payload] needs exactly one of url, attachment_id and filedata.")
        if ways == ["attachment_id"]:
            if str(payload["attachment_id"]) not in self.uploads:
                raise GraphError(100, 2018074)
            return str(payload["attachment_id"])
        if ways == ["url"]:
            if not re.match(r"https?://[^/\s]+", str(payload["url"])):
                raise GraphError(100, 2018008)
            return str(payload["url"])
        if not isinstance(upload, Upload) or (kind != "file" and not upload.content_type.startswith(f"{kind}/")):
            raise GraphError(100, 2018047)
        if upload.size > LIMITS["file bytes"]:
            raise GraphError(100, 2018109)
        return upload.filename

    def _save_attachment(self, params: Params) -> JsonDict:
        message, seen = _object(params.tree("message"), "message", "attachment"), Received()
        _need(isinstance(message["attachment"], dict) and message["attachment"].get("type") != "template", "Cannot be saved.")
        self._read_attachment(message["attachment"], "message[attachment]", params.get("filedata"), seen)
        _need(seen.attachment_id, "Param message[attachment][payload][is_reusable] must be true.")
        return {"attachment_id": seen.attachment_id}

    # --- the Page, its profile and its subscriptions -----------------------------------------------------------------------

    def _get_page(self, params: Params) -> JsonDict:
        # C5: messaging_feature_status -> {hop_v2, msgr_multi_app, ig_multi_app}.
        status = {"hop_v2": self.routing, "msgr_multi_app": True, "ig_multi_app": False}
        page = {"id": self.page_id, "name": "Dream Umbrella", "messaging_feature_status": status}
        wanted = params.names("fields") or ["name"]
        for name in wanted:
            _need(name in page, f"Tried accessing nonexisting field ({name}) on node type (Page)")
        return {name: page[name] for name in dict.fromkeys([*wanted, "id"])}

    def _set_profile(self, params: Params) -> JsonDict:
        given = {name: params.tree(name) for name in PROFILE_FIELDS if name in params}
        _need(given, "At least one of the fields of the Messenger profile must be set.")
        for name, value in given.items():
            _check_profile(name, value)
        after = self.profile | given
        if "persistent_menu" in after and "get_started" not in after:
            raise GraphError(100, 2018145)
        self.profile = after
        return {"result": "success"}

    def _get_profile(self, params: Params) -> JsonDict:
        found = {name: self.profile[name] for name in self._profile_names(params) if name in self.profile}
        return {"data": [found] if found else []}

    def _delete_profile(self, params: Params) -> JsonDict:
        names = self._profile_names(params)
        if "get_started" in names and "persistent_menu" in self.profile.keys() - names:
            raise GraphError(100, 2018145)
        self.profile = {name: value for name, value in self.profile.items() if name not in names}
        return {"result": "success"}

    def _profile_names(self, params: Params) -> list[str]:
        names = params.names("fields")
        _need(names, "The parameter fields is required.")
        for name in names:
            _need(name in PROFILE_FIELDS, f"Param fields must be of {{{', '.join(PROFILE_FIELDS)}}}, not {name}.")
        return names

    def _subscribe(self, params: Params) -> JsonDict:
        names = params.names("subscribed_fields")
        _need(names, "The parameter subscribed_fields is required.")
        for at, name in enumerate(names):
            _need(name in ALL_FIELDS, f"Param subscribed_fields[{at}] must be one of {{{', '.join(ALL_FIELDS)}}}")
        self.subscribed = list(dict.fromkeys(names))
        return {"success": True}

    def _get_subscribed(self, _: Params) -> JsonDict:
        app = {"category": "Business", "link": "https://bot.example.mn/", "name": "Dream Umbrella bot", "id": self.app_id}
        return {"data": [app | {"subscribed_fields": self.subscribed}] if self.subscribed else []}

    def _unsubscribe(self, _: Params) -> JsonDict:
        self.subscribed = []
        return {"success": True}

    # --- conversation routing (C5) -----------------------------------------------------------------------------------------

    def _held(self, params: Params) -> Person:
        person = self._recipient(params)
        if self.owner(person) is not None:
            raise GraphError(100, 2534037)
        return person

    def _pass_control(self, params: Params) -> JsonDict:
        person, target = self._held(params), _app(params.get("target_app_id"))
        person.owner = None if target == self.app_id else target
        return {"success": True}

    def _release_control(self, params: Params) -> JsonDict:
        self._held(params)
        return {"success": True}

    def _take_control(self, params: Params) -> JsonDict:
        person = self._recipient(params)
        if not self.routing:
            # "take_thread_control is blocked (error 27 seen [2ND])" while the Page has no default app.
            raise GraphError(27)
        person.owner = None
        return {"success": True}

    def _request_control(self, params: Params) -> JsonDict:
        # The request is taken and told to the owner; whether it ever answers is another matter.
        self._recipient(params)
        return {"success": True}


def _app(value: Any) -> str:
    _need(isinstance(value, str | int) and re.fullmatch(r"\d{5,20}", str(value)), "Incorrect App ID.", 2018164)
    return str(value)


def _messaging_type(params: Params) -> tuple[str, str]:
    """messaging_type and tag, or the refusal. The type is mandatory by the documents; Meta itself may let it be missing."""
    kind, tag = params.text("messaging_type"), params.text("tag")
    _need(kind in MESSAGING_TYPES, f"Param messaging_type must be one of {{{', '.join(MESSAGING_TYPES)}}}")
    _need(kind == "MESSAGE_TAG" or not tag, "Messaging type should be MESSAGE_TAG for tagged messages.")
    _need(kind != "MESSAGE_TAG" or tag, "The parameter tag is required when the messaging type is MESSAGE_TAG.")
    _need(tag not in DEAD_TAGS, "Invalid parameter")
    _need(tag in {"", "HUMAN_AGENT"}, "Invalid tag.")
    return kind, tag


def _served(version: str) -> str | None:
    """The version that answers: an expired one is silently served by the oldest that lives (C1); None: no such version."""
    match = re.fullmatch(r"v(\d+)\.\d+", version)
    if match is None or int(match[1]) > NEWEST_VERSION:
        return None
    return version if int(match[1]) >= OLDEST_VERSION else f"v{OLDEST_VERSION}.0"


async def _read_params(request: web.Request) -> Params:
    """Query, then JSON, form or multipart; the token may also be in the header Authorization: Bearer."""
    params = Params(request.query)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme in {"Bearer", "OAuth"}:
        params["access_token"] = token
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            body = None
        params.update(body if isinstance(body, dict) else {})
        return params
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            params[name] = Upload(value.filename, value.content_type, len(value.file.read()))
        else:
            params[name] = value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
    return params
