"""Reads the body of a request that a platform sends, and no more of it than is allowed."""

from starlette.types import Receive


async def read_body(receive: Receive, largest: int) -> bytes | int:
    """The whole body; or the status to answer with: 413 when it is larger, 400 when the caller went away in the middle."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return 400
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > largest:
            return 413
        if not message.get("more_body"):
            return body
