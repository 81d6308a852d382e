"""The whole house, open on a temporary directory, with the real content and the Telegram stand-in where a test wants it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from bot.config import Config, load_config
from bot.files import CONTENT
from bot.serve import House, open_house
from tests.conftest import MODELS
from tests.standins.messenger import APP_SECRET, PAGE_TOKEN, VERIFY_TOKEN, MessengerStandIn
from tests.standins.telegram import TEST_TOKEN, TelegramStandIn

SECRET = "a-secret-for-tests"


def settings(home: Path, **environ: str) -> Config:
    """The default settings, with these variables set."""
    return load_config(environ={"UMBRELLA_HOME": str(home), "UMBRELLA_MODEL": str(MODELS), "UMBRELLA_LOG": "error", **environ})


@asynccontextmanager
async def web_house(home: Path, content: Path = CONTENT, **environ: str) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """An open house, and a browser without a screen that talks to its web application."""
    async with open_house(settings(home, **environ), content) as house:
        transport = httpx.ASGITransport(app=house.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://umbrella.test") as browser:
            yield house, browser


@asynccontextmanager
async def telegram_house(home: Path, telegram: TelegramStandIn, **environ: str) -> AsyncIterator[House]:
    """An open house that polls the stand-in."""
    settings_of_telegram = {
        "UMBRELLA_TELEGRAM_TOKEN": TEST_TOKEN,
        "UMBRELLA_TELEGRAM_API": telegram.base,
        "UMBRELLA_TELEGRAM_POLL_SECONDS": "1",
        "UMBRELLA_SEND_PER_SECOND": "1000",
        "UMBRELLA_SEND_BURST_PER_CHAT": "20",
    }
    async with open_house(settings(home, **{**settings_of_telegram, **environ})) as house:
        yield house


@asynccontextmanager
async def served(house: House, listening: socket.socket) -> AsyncIterator[None]:
    """The web application of an open house, on loopback."""
    options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
    server = uvicorn.Server(uvicorn.Config(house.app(), **options))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def messenger_house(home: Path, graph: MessengerStandIn, **environ: str) -> AsyncIterator[House]:
    """An open house, served on loopback, that the stand-in of Messenger has verified and brings its events to."""
    listening = socket.create_server(("127.0.0.1", 0))
    variables = {
        "UMBRELLA_MESSENGER_PAGE_ID": graph.page_id,
        "UMBRELLA_MESSENGER_PAGE_TOKEN": PAGE_TOKEN,
        "UMBRELLA_MESSENGER_APP_SECRET": APP_SECRET,
        "UMBRELLA_MESSENGER_VERIFY_TOKEN": VERIFY_TOKEN,
        "UMBRELLA_MESSENGER_API": graph.base,
        "UMBRELLA_SEND_PER_SECOND": "1000",
        "UMBRELLA_SEND_BURST_PER_CHAT": "20",
        **environ,
    }
    async with open_house(settings(home, **variables)) as house, served(house, listening):
        await graph.webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/channels/messenger")
        yield house


@asynccontextmanager
async def webhook_house(home: Path, telegram: TelegramStandIn, **environ: str) -> AsyncIterator[House]:
    """An open house, served on loopback, that the stand-in brings its updates to."""
    listening = socket.create_server(("127.0.0.1", 0))  # from now on callers wait until they are served
    port = listening.getsockname()[1]
    variables: dict[str, str] = {
        "UMBRELLA_WEB_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "UMBRELLA_TELEGRAM_SECRET": SECRET,
        **environ,
    }
    async with telegram_house(home, telegram, **variables) as house, served(house, listening):
        yield house
