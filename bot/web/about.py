"""Pages beside the chat, in every language: what is kept, and what becomes of a wish to be deleted that Facebook passes on.

Facebook names a person to the deletion callback by an id that belongs to its login, not to Messenger: we never see it otherwise
and keep nothing under it. So the page says what is deleted, when, and how she deletes the rest herself in the chat.
Source: Meta, "Data Deletion Request Callback" and "signed_request".
"""

import binascii
import hashlib
import hmac
import html
import json
from base64 import urlsafe_b64decode
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.log import log
from bot.model import Reply
from bot.service import Service, in_words

PAGE = """<!doctype html><html lang="mn"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><main>{body}</main></html>"""


def about_routes(service: Service, public_url: str, secret: str | None) -> list[Route]:
    """The routes. `secret` is the Messenger app's, None when Messenger is off: then every wish of Facebook's is refused."""

    def page(card: str, note: str = "") -> Response:
        library = service.guide.library
        parts = [
            f"<section lang={language!r}><h1>{html.escape(library.card(language, card).label)}</h1>"
            + "".join(f"<p>{html.escape(words.text)}</p>" for words in in_words([Reply(card)], language, library))
            + "</section>"
            for language in library.languages
        ]
        return HTMLResponse(PAGE.format(title=html.escape(library.card("mn", card).label), body=note + "".join(parts)))

    async def privacy(_request: Request) -> Response:
        return page("about/privacy")

    async def deletion(request: Request) -> Response:
        return page("talk/deletion", f"<p><code>{html.escape(request.path_params['code'])}</code></p>")

    async def wish(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("ascii", "replace"))
        person = wished_by(form.get("signed_request", [""])[0], secret)
        if person is None:
            return PlainTextResponse("not signed by Facebook", 403)
        log.info("deletion_wished", channel="messenger")
        code = hashlib.blake2b(person.encode(), key=(secret or "").encode()[:64], digest_size=8).hexdigest()
        base = public_url or str(request.base_url).rstrip("/")
        return JSONResponse({"url": f"{base}/deletion/{code}", "confirmation_code": code})

    return [
        Route("/privacy", privacy, methods=["GET"]),
        Route("/deletion/{code:str}", deletion, methods=["GET"]),
        Route("/channels/messenger/delete", wish, methods=["POST"]),
    ]


def wished_by(signed_request: str, secret: str | None) -> str | None:
    """The app-scoped id of the person in a signed request; None when Facebook did not sign it."""
    signature, _, payload = signed_request.partition(".")
    if not secret or not payload:
        return None
    try:
        given = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        told = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return None
    ours = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(ours, given) or not isinstance(told, dict):
        return None
    return str(told.get("user_id", ""))
