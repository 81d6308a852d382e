"""The web chat: one light page that works with plain form posts, and better with a script.

A person is the random cookie of her visit and nothing else. "Leave quickly" deletes what was kept and goes somewhere harmless.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.content import Words
from bot.dialogue import START, respond
from bot.model import Conversation, Message
from bot.service import Received, Service, in_words
from bot.store import StoreUnavailable

HERE = Path(__file__).parent
COOKIE = "visit"
CHANNEL = "web"
LONGEST = 4000  # characters of one message; the page's own limit is the same


class Asset:
    """A file beside this one, served under a name that changes with it."""

    def __init__(self, name: str, kind: str) -> None:
        self.body = (HERE / name).read_bytes()
        self.kind = kind
        stem, _, ending = name.rpartition(".")
        self.path = f"/{stem}.{sha256(self.body).hexdigest()[:10]}.{ending}"

    async def serve(self, _request: Request) -> Response:
        return Response(self.body, media_type=self.kind, headers={"cache-control": "private, max-age=86400, immutable"})


@dataclass
class Chat:
    """The page's routes. `leave_to`: where "leave quickly" goes."""

    service: Service
    leave_to: str

    def __post_init__(self) -> None:
        self.style, self.script = Asset("chat.css", "text/css"), Asset("chat.js", "text/javascript")
        self.page = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self.page = self.page.get_template("chat.html")  # type: ignore[assignment]

    def routes(self) -> list[Route]:
        return [
            Route("/", self.show, methods=["GET"]),
            Route("/", self.say, methods=["POST"]),
            Route("/leave", self.leave, methods=["POST"]),
            Route(self.style.path, self.style.serve),
            Route(self.script.path, self.script.serve),
        ]

    async def show(self, request: Request) -> Response:
        """The talk as it stands: what the bot said last, or the first meeting."""
        visit = request.cookies.get(COOKIE, "")
        said = await self.said_last(visit) if visit else None
        return self.html(said or self.first_meeting(hint(request)))

    async def say(self, request: Request) -> Response:
        """One message. Answers with JSON to the script, and to a plain form with the page, fetched anew."""
        if not same_origin(request):
            return Response("This page answers only its own form.", 403, media_type="text/plain")
        form = await request.form()
        text, tap, number = (str(form.get(name, ""))[:LONGEST] for name in ("text", "tap", "id"))
        visit = request.cookies.get(COOKIE) or secrets.token_urlsafe(32)
        message = Message(
            # the same again from the same page is a double press; another choice from it is another message
            id=f"{visit}:{number or secrets.token_hex(8)}:{tap}:{text}",
            channel=CHANNEL,
            address=visit,
            text="" if tap else text,
            tap=tap,
            language=hint(request),
            greeted=True,
        )
        received = await self.service.receive(message) if text.strip() or tap else self.first_meeting(hint(request))
        if "application/json" in request.headers.get("accept", ""):
            response: Response = Response(as_json(received), media_type="application/json")
        elif received.kept:
            response = RedirectResponse("/", 303)
        else:
            response = self.html(received)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(
            COOKIE, visit, httponly=True, samesite="strict", secure=secure
        )  # no age: gone with the browser window
        return response

    async def leave(self, request: Request) -> Response:
        """Delete the visit, here and in the browser, and go somewhere harmless."""
        if not same_origin(request):
            return Response("This page answers only its own form.", 403, media_type="text/plain")
        if visit := request.cookies.get(COOKIE):
            # leaving comes first: without its cookie the visit is nobody's, and it is deleted in its time
            with suppress(StoreUnavailable):
                await self.service.store.forget(CHANNEL, visit)
        response = RedirectResponse(self.leave_to, 303)
        response.delete_cookie(COOKIE)
        response.headers["clear-site-data"] = '"cache", "cookies", "storage"'
        return response

    async def said_last(self, visit: str) -> Received | None:
        try:
            conversation = await self.service.store.conversation(CHANNEL, visit)
        except StoreUnavailable:
            return None
        if conversation is None or not conversation.said:
            return None
        return Received(in_words(conversation.said, conversation.language, self.service.guide.library), conversation.language)

    def first_meeting(self, language: str) -> Received:
        """The first screen, for which nothing is kept."""
        guide = self.service.guide
        replies, events = respond(guide, Conversation(), Message("", CHANNEL, "", tap=START, language=language))
        spoken = Conversation().after(events).language
        return Received(in_words(replies, spoken, guide.library), spoken)

    def html(self, received: Received) -> Response:
        library, language = self.service.guide.library, received.language
        labels = {option.name: option.label for option in library.cards[language]["talk/page"].parts[""].options}
        others = [name for name in library.languages if name != language]
        names = {option.name: option.label for option in library.cards[language]["about/language"].parts[""].options}
        body = self.page.render(  # type: ignore[attr-defined]
            words=received.words,
            pieces=pieces,
            language=language,
            labels=labels,
            others=[(name, names.get(name, name)) for name in others],
            number=secrets.token_hex(8),
            style=self.style.path,
            script=self.script.path,
            leave_to=self.leave_to,
            longest=LONGEST,
        )
        return Response(body, media_type="text/html")

    @property
    def form_targets(self) -> str:
        """Where this page's forms may end up, for the content security policy: a redirect counts as well."""
        target = urlsplit(self.leave_to)
        return f"'self' {target.scheme}://{target.netloc}" if target.netloc else "'self'"


def hint(request: Request) -> str:
    """The language that the browser asks for first."""
    return request.headers.get("accept-language", "").partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()


def same_origin(request: Request) -> bool:
    """Whether a post comes from our own page. Browsers that send neither header are protected by the cookie's SameSite."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def as_json(received: Received) -> bytes:
    """The replies as the page's script reads them."""
    return msgspec.json.encode({"language": received.language, "replies": [as_dict(words) for words in received.words]})


def as_dict(words: Words) -> dict[str, object]:
    options = [{"name": option.name, "label": option.label} for option in words.options]
    return {"name": words.name, "text": words.text, "phones": words.phones, "options": options}


def pieces(words: Words) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the address that calls it: "" for what is no telephone number."""
    if not words.phones:
        yield words.text, ""
        return
    longest_first = sorted(words.phones, key=len, reverse=True)
    for piece in re.split(f"({'|'.join(map(re.escape, longest_first))})", words.text):
        yield piece, f"tel:{re.sub(r'[^0-9+]', '', piece)}" if piece in words.phones else ""
