"""What every test may ask for."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.content import put_into_words
from bot.dialogue import Guide
from bot.files import HOUSE
from bot.load import load_guide
from bot.model import Reply
from bot.service import Service
from bot.store import Store
from bot.store.sealing import Keys, make_keys
from bot.train import load_trained, train
from bot.transcript import read_script

MODELS = HOUSE / "var" / "model"
HERE = Path(__file__).parent
SCRIPTS = {path.stem: read_script(path) for path in sorted((HERE / "conversations").glob("*.yaml"))}
PLAYED = [
    pytest.param(turns, language, id=f"{name}: {title} [{language}]")
    for name, conversations in SCRIPTS.items()
    for title, turns in conversations.items()
    for language in ("mn", "en")
]


@pytest.fixture(scope="session")
def models() -> Path:
    """Where what was trained from the real content lies: the same place as for `make run`, so that it is trained once."""
    train(MODELS)
    return MODELS


@pytest.fixture(scope="session")
def guide(models: Path) -> Guide:
    """The real content, handlers and classifiers."""
    return load_guide(partial(load_trained, models))


@pytest.fixture
def keys() -> Keys:
    return make_keys(bytes(range(32)))


@pytest_asyncio.fixture
async def store(tmp_path: Path, keys: Keys) -> AsyncIterator[Store]:
    """A real store in a file of its own."""
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/umbrella.db", keys)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def service(guide: Guide, store: Store) -> Service:
    return Service(guide, store)


def named(said: Any) -> list[str]:
    """One name, or several, as a list."""
    return list(said) if isinstance(said, list) else [said]


def texts(guide: Guide, language: str, *names: str) -> list[str]:
    """The texts of these replies."""
    return [words.text for name in names for words in put_into_words(Reply(name), language, guide.library)]
