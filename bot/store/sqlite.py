"""What is SQLite's own: how it is opened, and the driver below SQLAlchemy for the few statements of every turn."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Batch:
    """The driver below an open transaction, for the few statements of every turn: one trip to its thread each, not three or four.

    Under load every trip waits its turn among the requests being read: the trips, not the work, are what a commit costs.
    """

    driver: aiosqlite.Connection

    @classmethod
    async def on(cls, db: AsyncConnection) -> "Batch":
        driver = (await db.get_raw_connection()).driver_connection
        assert isinstance(driver, aiosqlite.Connection)  # noqa: S101 - for the type checker: the engine is aiosqlite's
        return cls(driver)

    async def read(self, statement: str, *values: Sequence[bytes]) -> list[tuple[bytes, str | None]]:
        """The rows of a statement in which each %s stands for the places of one list of values."""
        places = tuple(",".join("?" * len(some)) for some in values)
        return [
            (row[0], row[1])
            for row in await self.driver.execute_fetchall(statement % places, [v for some in values for v in some])
        ]

    async def write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        await self.driver.executemany(statement, rows)


def database_file(url: str) -> Path | None:
    """Where an SQLite database lies, or None for one in memory."""
    _, found, path = url.partition(":///")
    return Path(path) if found and path and path != ":memory:" else None


def probe(path: Path) -> None:
    """Raise what is wrong with this file while it is easily told: a connection in a thread of its own tells it late or never."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()


def set_pragmas(connection: object, _record: object) -> None:
    """SQLite: survive a power cut (FULL), write beside readers (WAL), overwrite what is deleted."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "foreign_keys=ON", "trusted_schema=OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def empty_log(db: AsyncConnection) -> None:
    """Deleted rows live on in the write-ahead log until it is emptied."""
    await db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await db.rollback()
