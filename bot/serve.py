"""Puts the house together and runs it until it is told to stop: content, store, sender, channels, web."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
import watchfiles
from starlette.types import ASGIApp

from bot.config import Config
from bot.connect import Platform, connect
from bot.content import ContentError, Words
from bot.dialogue import Guide
from bot.files import CONTENT
from bot.guide import open_guide
from bot.load import NotTrained
from bot.log import log
from bot.send import Sender
from bot.service import Service, in_words
from bot.store import Outgoing, Store
from bot.store.sealing import make_keys, read_or_make_secret
from bot.web.about import about_routes
from bot.web.app import make_app
from bot.web.chat import Chat

PURGE_EVERY = 3600.0  # seconds
CLOSING = 2  # seconds that requests under way have when the bot stops


@dataclass
class House:
    """Everything that runs, put together from the settings."""

    config: Config
    content: Path
    service: Service
    sender: Sender
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    content_faults: int = 0  # in files changed since the last good version
    watching: asyncio.Event = field(default_factory=asyncio.Event)  # set once changes to content files are seen
    content_changed: asyncio.Event = field(default_factory=asyncio.Event)  # set, and at once cleared, when files were read anew
    to_learn: asyncio.Event = field(default_factory=asyncio.Event)  # set when phrases have changed since they were learnt
    platforms: list[Platform] = field(default_factory=list)

    async def report(self) -> dict[str, object]:
        """How the bot is doing, without anything about anyone."""
        store = await self.service.store.ready()
        halted = {name: channel.halted for name, channel in self.sender.channels.items() if channel.halted}
        trouble = {platform.name: platform.trouble for platform in self.platforms if platform.trouble} | halted
        content = (
            f"last good version; {self.content_faults} faults in changed files, see the log" if self.content_faults else "ok"
        )
        return {
            "ready": store and not halted,
            "mode": self.config.mode,
            "store": "ok" if store else "unavailable",
            "content": content,
            "channels": {"web": "ok", **{platform.name: trouble.get(platform.name, "ok") for platform in self.platforms}},
            "letters_waiting": self.sender.waiting,
            "letters": self.sender.counts,
            "updates": {platform.name: platform.intake.counts for platform in self.platforms},
        }

    def app(self) -> ASGIApp:
        chat = Chat(self.service, self.config.web.leave_to)
        largest = self.config.web.largest_post
        webhooks = {path: webhook for platform in self.platforms for path, webhook in platform.webhooks.items()}
        return make_app(
            [*chat.routes(), *about_routes(self.service, self.config.web.public_url, self.config.channels.messenger.secret)],
            webhooks,
            self.report,
            form_targets=chat.form_targets,
            largest_post=largest,
        )

    async def watch_content(self) -> None:
        """Take over changed content files; a broken edit leaves the last good version serving."""
        async for changes in watchfiles.awatch(self.content, stop_event=self.stop, debounce=300, yield_on_timeout=True):
            self.watching.set()
            if changes:
                await self.reload()

    async def reload(self) -> None:
        try:
            self.service.guide = await asyncio.to_thread(open_guide, self.config, self.content)
            self.content_faults = 0
            log.info("content_reloaded", count=len(self.service.guide.library.cards["mn"]))
            if not self.service.guide.fresh:
                self.to_learn.set()
        except ContentError as problem:
            faults = str(problem).splitlines()
            self.content_faults = len(faults)
            log.error("content_broken", count=len(faults), faults=faults[:20])
        self.content_changed.set()
        self.content_changed.clear()

    async def learn_anew(self) -> None:
        """Learn again when what there is to learn has changed. Until that is done, what was learnt before serves."""
        while True:
            await self.to_learn.wait()
            self.to_learn.clear()
            await learn(self.config, self.content)
            await self.reload()

    async def purge(self) -> None:
        """Forget, every hour, what has been kept for its time."""
        keep = self.config.keep
        while not self.stop.is_set():
            with suppress(Exception):
                await self.service.store.purge(
                    conversations_days=keep.conversations_days,
                    seen_days=keep.seen_days,
                    outbox_hours=keep.outbox_hours,
                    counts_weeks=keep.counts_weeks,
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), PURGE_EVERY)


async def learn(config: Config, content: Path) -> None:
    """Train from the content in a process of its own: what it needs for that is large, and goes with it."""
    log.info("learning", where="half a minute")
    command = "-m", "bot", "train", "--content", str(content), "--models", str(config.models)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.DEVNULL)
    try:
        if await process.wait():
            log.error("not_learnt", where="run: umbrella train")
    finally:
        if process.returncode is None:
            process.terminate()


async def open_or_learn(config: Config, content: Path) -> Guide:
    """The guide; where nothing was ever trained, that is done first. Raises ContentError."""
    try:
        return open_guide(config, content)
    except NotTrained:
        await learn(config, content)
        return open_guide(config, content)


@asynccontextmanager
async def open_house(config: Config, content: Path = CONTENT) -> AsyncIterator[House]:
    """The house, open and working. Closing it finishes the turns in hand and sends or keeps the outbox.

    Raises ContentError, StoreUnavailable or BadKey when it cannot be opened, and NotTrained when nothing could be learnt.
    """
    guide = await open_or_learn(config, content)
    keys = make_keys(read_or_make_secret(config.secret, config.home))
    store = Store(config.database_url, keys)
    await store.open()
    async with AsyncExitStack() as stack:  # closed from the last to the first: what writes before what it writes to
        stack.push_async_callback(store.close)
        service = Service(guide, store)

        def render(letter: Outgoing) -> list[Words]:
            language = letter.letter.language or service.guide.language
            return in_words(letter.letter.replies, language, service.guide.library)

        send, hours = config.send, config.keep.outbox_hours
        sender = Sender(store, render, send.per_second, send.burst_per_chat, send.tries, keeps=hours * 3600.0)
        platforms = connect(config, service, sender)
        for platform in platforms:
            stack.push_async_callback(platform.close)
        stack.push_async_callback(sender.close)
        service.send = sender.add
        house = House(config, content, service, sender, platforms=platforms)
        if not guide.fresh:
            house.to_learn.set()
        sender.open({platform.name: platform.client for platform in platforms})
        await sender.resume()
        gc.collect()
        gc.freeze()  # the library and its index live as long as the house: the collector need not walk them at every turn
        tasks = [asyncio.create_task(house.watch_content()), asyncio.create_task(house.purge())]
        tasks += [asyncio.create_task(do(house.stop)) for platform in platforms for do in platform.jobs]
        learner = asyncio.create_task(house.learn_anew())

        async def end_jobs() -> None:
            house.stop.set()
            learner.cancel()
            _, late = await asyncio.wait(tasks, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(learner, *tasks, return_exceptions=True)

        stack.push_async_callback(end_jobs)
        yield house


async def serve(config: Config) -> None:
    """Run until SIGTERM or SIGINT."""
    async with open_house(config) as house:
        server = uvicorn.Server(server_config(house.app(), config.web.host, config.web.port))
        with suppress(asyncio.CancelledError):
            await run_until_told(server)


def server_config(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> uvicorn.Config:
    """How the web server runs: it writes no log of who asked what, and at the end waits CLOSING for who is being served."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=CLOSING,
        lifespan="off",
    )


async def run_until_told(server: uvicorn.Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    await server.serve()
