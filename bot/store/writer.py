"""Many people's writes share one commit: while one commit is on its way to the disk, the next ones gather.

A lone write waits for nobody. Nothing is reported done before the commit that holds it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

W = TypeVar("W")

LARGEST_BATCH = 64  # while one batch is on its way the next is read and decided: larger ones make each wait for the other


class StoreUnavailable(Exception):
    """Nothing can be read or kept just now. Try again later; promise nothing meanwhile."""


class GroupWriter(Generic[W]):
    """Hands waiting works, in the order they came, to `commit`, one batch at a time.

    `commit` returns one result a work; a result that is an exception is raised to that work's owner alone.
    When `commit` itself fails, nothing of the batch was kept, and every owner is told StoreUnavailable.
    """

    def __init__(self, commit: Callable[[list[W]], Awaitable[list[object]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[W, asyncio.Future[object]]] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="group writer")

    @property
    def running(self) -> bool:
        """Whether works are taken."""
        return not self._closing and self._task is not None and not self._task.done()

    def submit(self, work: W) -> asyncio.Future[object]:
        """The result of this work, once it is committed. Works are done in the order they are submitted."""
        if not self.running:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        self._wake.set()
        return future

    async def close(self) -> None:
        """Commit what is waiting, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                await self._commit_batch(batch)
            if self._closing:
                return

    async def _commit_batch(self, batch: list[tuple[W, asyncio.Future[object]]]) -> None:
        try:
            results = await self._commit([work for work, _ in batch])
        except Exception as problem:
            results = [StoreUnavailable(type(problem).__name__) for _ in batch]
        except BaseException:  # the writer itself is being ended: nobody may be left waiting for it
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # its owner has gone away
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
