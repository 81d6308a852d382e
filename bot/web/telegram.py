"""Telegram's webhook. Nothing is believed without the secret header, and 200 is answered only after the turn is committed.

A plain ASGI application: it is called for every message anybody writes, and needs nothing of a framework.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from bot.store import StoreUnavailable
from bot.web.bodies import read_body

PATH = "/channels/telegram"
HEADER = "x-telegram-bot-api-secret-token"
HEADER_BYTES = HEADER.encode()


@dataclass
class TelegramWebhook:
    """`secret` is None when none is set: then every request is refused. A body larger than `largest` bytes is refused unread."""

    accept: Callable[[bytes], Awaitable[None]]
    secret: str | None
    largest: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            status = 405
        elif not self.believes(next((value for name, value in scope["headers"] if name == HEADER_BYTES), b"")):
            status = 403
        else:
            status = await self.take(receive)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async def take(self, receive: Receive) -> int:
        """Read one update and deal with it. Gives back the status: any but 200 means that Telegram brings the update again."""
        body = await read_body(receive, self.largest)
        if isinstance(body, int):
            return body
        try:
            await self.accept(body)
        except StoreUnavailable:
            return 503
        return 200

    def believes(self, given: bytes) -> bool:
        return bool(self.secret) and hmac.compare_digest(given, (self.secret or "").encode())
