"""Messenger's webhook. Nothing is believed without Meta's signature over the raw bytes; 200 is answered only after the commit.

A plain ASGI application, like Telegram's. Source: Meta, "Webhooks from Meta", verification requests and validating payloads.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from bot.store import StoreUnavailable
from bot.web.bodies import read_body

PATH = "/channels/messenger"
HEADER = b"x-hub-signature-256"


@dataclass
class MessengerWebhook:
    """`accept` takes the raw bytes of one post. Without a secret every post is refused, without a word every verification."""

    accept: Callable[[bytes], Awaitable[None]]
    secret: str | None
    verify_token: str | None
    largest: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            status, body = self.verify(scope.get("query_string", b""))
        elif scope["method"] == "POST":
            signature = next((value for name, value in scope["headers"] if name == HEADER), b"")
            status, body = await self.take(receive, signature), b""
        else:
            status, body = 405, b""
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def verify(self, query: bytes) -> tuple[int, bytes]:
        """Answer Meta's question whether this address is ours: with its challenge, when it knows our word."""
        asked = {name: values[0] for name, values in parse_qs(query.decode("ascii", "replace")).items()}
        knows = self.verify_token and hmac.compare_digest(asked.get("hub.verify_token", "").encode(), self.verify_token.encode())
        if asked.get("hub.mode") == "subscribe" and knows:
            return 200, asked.get("hub.challenge", "").encode()
        return 403, b""

    async def take(self, receive: Receive, signature: bytes) -> int:
        """Read one post and deal with it. Gives back the status: any but 200 means that Meta brings the post again."""
        body = await read_body(receive, self.largest)
        if isinstance(body, int):
            return body
        if not self.believes(body, signature):
            return 403
        try:
            await self.accept(body)
        except StoreUnavailable:
            return 503
        return 200

    def believes(self, body: bytes, signature: bytes) -> bool:
        """Whether Meta, who alone knows the secret beside us, signed just these bytes."""
        if not self.secret:
            return False
        ours = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(ours.encode(), signature)
