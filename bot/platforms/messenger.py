"""Talks to Facebook's Graph API: sends, shows that it writes, sets the Page up, and watches that the Page still reaches us.

A thin client: every library for Messenger is dead. Source: Meta's Messenger Platform and Graph API pages, 2026; each call carries
appsecret_proof. What an error asks for is in ERRORS, by code and subcode: the texts change, the numbers do not.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from bot.channels.messenger import write
from bot.content import Words
from bot.log import log
from bot.send import SendError

FIELDS = (
    "messages", "messaging_postbacks", "messaging_referrals", "messaging_handovers", "standby", "message_echoes",
    "message_reactions", "message_edits",
)  # fmt: skip
TIMEOUT = 20.0  # seconds that one call may take
PATIENCE = 60.0  # seconds to wait when Meta asks for patience without saying how long
FULL = 95.0  # per cent of what Meta allows the app that are used up: from here on it is left in peace for a while

WAIT, RETRY, GONE, HALT, REFUSED = "wait", "retry", "gone", "halt", "refused"
ERRORS: Mapping[tuple[int, int | None], str] = {  # (code, subcode) or (code, None) for any subcode -> what to do
    (1, None): RETRY, (2, None): RETRY, (1200, None): RETRY,
    (4, None): WAIT, (17, None): WAIT, (32, None): WAIT, (613, None): WAIT, (80001, None): WAIT, (80006, None): WAIT,
    (10, 2018278): REFUSED, (10, 2018065): REFUSED, (10, 2018300): REFUSED,  # outside the window; another app holds the talk
    (10, 2018108): GONE, (551, None): GONE, (200, 1545041): GONE, (200, None): GONE, (100, 2018001): GONE,
    (10, 1893063): HALT,  # the Page is restricted for a time
    (190, None): HALT,  # the token is not, or no longer, valid
}  # fmt: skip


class _Refusal(msgspec.Struct):
    code: int = 0
    error_subcode: int | None = None


class _Answer(msgspec.Struct):
    error: _Refusal | None = None


_answer = msgspec.json.Decoder(_Answer)


@dataclass
class MessengerClient:
    """One Page. `api` is the Graph API's base address, `version` such as "26.0"."""

    page: str
    token: str
    secret: str
    api: str
    version: str
    fields: tuple[str, ...] = FIELDS
    clock: Callable[[], float] = time.time
    _session: aiohttp.ClientSession | None = None
    _peace_until: float = 0.0
    _proof: str = field(init=False)

    def __post_init__(self) -> None:
        self._proof = hmac.new(self.secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()

    async def send(self, address: str, words: Words, age: float) -> None:
        """Send one message of the bot, decided so many seconds ago. Raises SendError, as ERRORS says; outside the window too."""
        bodies = write(address, words, "bot", age)
        if not bodies:
            raise SendError("window")
        for body in bodies:
            if (left := self._peace_until - self.clock()) > 0:
                raise SendError("usage", wait=left)
            await self.call("POST", f"{self.page}/messages", body)

    async def release(self, receipt: str) -> None:
        """Show her that an answer is being written."""
        try:
            await self.call("POST", f"{self.page}/messages", {"recipient": {"id": receipt}, "sender_action": "typing_on"})
        except SendError as problem:
            log.debug("typing_not_shown", channel="messenger", kind=problem.kind)

    async def set_up(self, profile: Mapping[str, Any]) -> None:
        """Set what Messenger shows outside the talk, and have the Page's events brought to us. May be repeated."""
        await self.call("POST", "me/messenger_profile", profile)
        await self.subscribe()

    async def subscribe(self) -> None:
        await self.call("POST", f"{self.page}/subscribed_apps", {"subscribed_fields": list(self.fields)})

    async def missing(self) -> list[str]:
        """The events that the Page should bring to us and does not. Raises SendError."""
        told = await self.call("GET", f"{self.page}/subscribed_apps", {})
        found = {name for app in told.get("data", []) for name in app.get("subscribed_fields", [])}
        return [name for name in self.fields if name not in found]

    async def call(self, verb: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call. Gives back Meta's answer. Raises SendError as ERRORS says; network, 5xx and what is no JSON mean: again."""
        url = f"{self.api}/v{self.version}/{path}"
        params = {"access_token": self.token, "appsecret_proof": self._proof}
        try:
            session = self._session = self._session or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT))
            async with session.request(verb, url, params=params, json=body or None) as response:
                raw = await response.read()
                self._watch(response.headers)
                refusal = _answer.decode(raw).error
                if refusal is None and response.status >= 400:
                    raise SendError(str(response.status), retry=True)
                wait = regained(response.headers)
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise SendError(type(problem).__name__, retry=True) from None
        except msgspec.DecodeError:
            raise SendError("not json", retry=True) from None
        if refusal is not None:
            raise what_to_do(refusal.code, refusal.error_subcode, wait)
        told: dict[str, Any] = json.loads(raw)
        return told

    def _watch(self, headers: Mapping[str, str]) -> None:
        """Calling on while nearly throttled lengthens the wait: from FULL on nothing is sent for a while."""
        if used(headers) >= FULL:
            self._peace_until = self.clock() + (regained(headers) or PATIENCE)
            log.warning("usage_nearly_full", channel="messenger", seconds=regained(headers) or PATIENCE)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def what_to_do(code: int, subcode: int | None, wait: float) -> SendError:
    """The error of the Graph API as what to do about it; `wait` is how many seconds its headers ask for."""
    kind = f"{code}" if subcode is None else f"{code}/{subcode}"
    match ERRORS.get((code, subcode), ERRORS.get((code, None), REFUSED)):
        case "wait":
            return SendError(kind, wait=wait or PATIENCE)
        case "retry":
            return SendError(kind, retry=True)
        case "gone":
            return SendError(kind, gone=True)
        case "halt":
            return SendError(kind, halt=True)
        case _:
            return SendError(kind)


def used(headers: Mapping[str, str]) -> float:
    """How much of what Meta allows is used up, in per cent, by the fullest of its counters. Source: Graph API, Rate limiting."""
    return max((value for counters in usage(headers) for value in counters.values()), default=0.0)


def regained(headers: Mapping[str, str]) -> float:
    """Seconds until calls are allowed again, as Meta reckons; 0.0 when it does not say."""
    return 60 * max(
        (minutes for counters in usage(headers, "estimated_time_to_regain_access") for minutes in counters.values()), default=0.0
    )


def usage(headers: Mapping[str, str], *names: str) -> list[dict[str, float]]:
    """The counters in the two usage headers: those of these names, else the shares used."""
    wanted = names or ("call_count", "total_time", "total_cputime")
    found: list[dict[str, float]] = []
    for header in ("x-app-usage", "x-business-use-case-usage"):
        try:
            told = json.loads(headers.get(header, "{}"))
        except ValueError:
            continue
        boxes = (
            [told, *(box for boxes in told.values() if isinstance(boxes, list) for box in boxes)]
            if isinstance(told, dict)
            else []
        )
        found += [
            {name: float(box[name]) for name in wanted if isinstance(box.get(name), int | float)}
            for box in boxes
            if isinstance(box, dict)
        ]
    return found
