"""The program as it is run: it starts from nothing, answers, and stops when told, with nothing lost."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.conftest import MODELS
from tests.standins.telegram import TEST_TOKEN, TelegramStandIn

ROOT = Path(__file__).parent.parent


@contextmanager
def serving(home: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """`umbrella serve` in a process of its own, and where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "PATH": "/usr/bin:/bin",
        "UMBRELLA_HOME": str(home),
        "UMBRELLA_WEB_PORT": str(port),
        "UMBRELLA_MODEL": str(MODELS),
        **environ,
    }
    process = subprocess.Popen([sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=settings)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def first_answer(base: str, **said: str) -> httpx.Response:
    """The answer to this, once somebody listens."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=100), timeout=60) as client:
        return client.post(f"{base}/", data={"id": "1", **said}, headers={"accept": "application/json"})


def test_it_starts_from_nothing_answers_and_stops_when_told(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, base):
        assert first_answer(base, text="тусламж").json()["replies"][0]["text"].startswith("102")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
    assert (tmp_path / "umbrella.db").exists()


def test_what_is_heavy_and_not_needed_is_not_loaded() -> None:
    program = "import sys, bot.serve; print({'aiogram', 'sklearn', 'scipy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


async def test_what_could_not_be_sent_before_it_was_stopped_is_sent_at_the_next_start(tmp_path: Path) -> None:
    async with TelegramStandIn(pacing=False) as telegram:
        settings = {
            "UMBRELLA_TELEGRAM_TOKEN": TEST_TOKEN,
            "UMBRELLA_TELEGRAM_API": telegram.base,
            "UMBRELLA_TELEGRAM_POLL_SECONDS": "1",
        }
        anna = telegram.person(1)
        telegram.fail_next("sendMessage", 500, "Internal Server Error", times=100)
        with serving(tmp_path, **settings) as (process, _):
            anna.write("/menu")
            await telegram.wait_for(lambda: telegram.counters["sendMessage:500"] > 0, 30, "the platform refuses")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=5) == 0
        telegram.clear_faults()
        assert anna.received == []
        with serving(tmp_path, **settings):
            assert (await anna.next(timeout=30)).text
