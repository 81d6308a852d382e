"""The web application: the chat page, the platforms' webhooks, and how the bot is doing."""

from collections.abc import Awaitable, Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Report = Callable[[], Awaitable[dict[str, object]]]


def make_app(
    routes: Iterable[BaseRoute], webhooks: Mapping[str, ASGIApp], report: Report, *, form_targets: str, largest_post: int
) -> ASGIApp:
    """The application. `webhooks` by their path; `report` tells how the bot is doing, with "ready" true or false."""

    async def health(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(_request: Request) -> Response:
        told = await report()
        return JSONResponse(told, 200 if told["ready"] else 503)

    app = Starlette(routes=[*routes, Route("/healthz", health), Route("/readyz", ready)])
    page = SmallPosts(SafeHeaders(app, form_targets), largest_post)

    async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
        await webhooks.get(scope.get("path", ""), page)(scope, receive, send)

    return by_path


class SafeHeaders:
    """Headers on every answer: nothing from elsewhere is loaded, nothing is framed, told to others or kept in a cache."""

    def __init__(self, app: ASGIApp, form_targets: str) -> None:
        self.app = app
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
            f"form-action {form_targets}; frame-ancestors 'none'; base-uri 'none'"
        )
        self.headers = [
            (b"content-security-policy", policy.encode()),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message["headers"] = [*headers, *self.headers]
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class SmallPosts:
    """Refuses a request whose body is larger than any of ours, without reading it to the end."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if len(body) > self.largest:
                await Response("The message is too long.", 413, media_type="text/plain")(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)
