"""A real server, a real browser, and the page as a person meets it: what is said, what can be pressed, what answers."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright

from tests.conftest import MODELS

HOUSE = Path(__file__).parent.parent
CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30.0  # seconds for anything to come about, on a busy machine


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Come back as soon as this is so."""
    async with asyncio.timeout(PATIENCE):
        while not await true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(home: Path, leave_to: str) -> AsyncIterator[str]:
    """`umbrella serve` in a process of its own. Yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("UMBRELLA_")}
    environ |= {"UMBRELLA_HOME": str(home), "UMBRELLA_MODEL": str(MODELS)}
    environ |= {"UMBRELLA_WEB_PORT": str(port), "UMBRELLA_WEB_LEAVE_TO": leave_to}
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "bot", "serve"]
        server = await asyncio.create_subprocess_exec(*command, cwd=HOUSE, env=environ, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"

    async def up() -> bool:
        assert server.returncode is None, (home / "log").read_text()
        try:
            return (await client.get(f"{base}/healthz")).is_success
        except httpx.TransportError:
            return False

    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await until(up)
        yield base
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


@asynccontextmanager
async def elsewhere() -> AsyncIterator[str]:
    """Another site, to leave to. Yields the address of its page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nSunny")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/weather"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser. Where there is none the tests are skipped, but not where everything must be tested."""
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"there is no browser at {CHROMIUM}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@dataclass
class Talk:
    """One visit to the page, with its script or without."""

    page: Page
    script: bool

    def button(self, name: str) -> Locator:
        return self.page.locator(f'main [name="tap"][value="{name}"], footer [name="tap"][value="{name}"]')

    @property
    def field(self) -> Locator:
        return self.page.locator("#text")

    async def tap(self, name: str) -> None:
        """Press the button of this name and have the answer."""
        async with self.answer():
            await self.button(name).click()

    async def write(self, text: str) -> None:
        """Type this, press Enter and have the answer."""
        await self.field.fill(text)
        async with self.answer():
            await self.field.press("Enter")

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[None]:
        """What happens inside sends a message; afterwards its answer is on the page."""
        if not self.script:
            async with self.page.expect_navigation():
                yield
            return
        yield
        await self.page.locator("#talk:not([aria-busy])").wait_for()

    async def said(self) -> list[str]:
        """What the bot said in its last turn."""
        texts = "[...document.querySelectorAll('.said')].filter((said) => !mine || said.compareDocumentPosition(mine) & 2)"
        script = f"() => {{ const mine = [...document.querySelectorAll('.mine')].at(-1); return {texts}"
        return list(await self.page.evaluate(script + ".map((said) => said.querySelector('p').textContent) }"))

    async def options(self) -> list[str]:
        """The names of all that can be chosen, in the order of the page."""
        buttons = self.page.locator('main [name="tap"], footer [name="tap"]')
        return list(await buttons.evaluate_all("(all) => all.map((button) => button.value)"))

    async def in_sight(self, what: Locator) -> bool:
        """Whether this is on the screen as it stands, and nothing lies over it."""
        return bool(await what.evaluate(IN_SIGHT))

    async def look(self, script: str) -> Any:
        return await self.page.evaluate(script)


IN_SIGHT = """(element) => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const shown = (x, y) => element.contains(document.elementFromPoint(x, y));
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight
    && shown((left + right) / 2, top + 4) && shown((left + right) / 2, bottom - 4);
}"""
