"""Telegram's webhook. Nothing is believed without the secret header, and 200 is answered only after the turn is committed."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.store import StoreUnavailable

PATH = "/channels/telegram"
HEADER = "x-telegram-bot-api-secret-token"


@dataclass
class TelegramWebhook:
    """`secret` is None when none is set: then every request is refused."""

    accept: Callable[[bytes], Awaitable[None]]
    secret: str | None

    def routes(self) -> list[Route]:
        return [Route(PATH, self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        if not self.believes(request.headers.get(HEADER, "")):
            return Response(status_code=403)
        body = await request.body()
        try:
            await self.accept(body)
        except StoreUnavailable:
            return Response(status_code=503)  # Telegram brings it again
        return Response(status_code=200)

    def believes(self, given: str) -> bool:
        # compare_digest refuses letters beyond ASCII in strings, so bytes are compared
        return bool(self.secret) and hmac.compare_digest(given.encode(), (self.secret or "").encode())
