"""Content that is not whole is refused, with every fault named by file and line; a broken edit keeps the last good version."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bot.content import ContentError
from bot.files import CONTENT
from bot.load import load_guide, load_library
from bot.serve import House
from bot.train import load_trained
from tests.conftest import MODELS
from tests.house import web_house


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content, to be spoilt."""
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert before != after, "the test changes nothing"
    path.write_text(after, encoding="utf-8")


SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("a twin is missing", lambda c: (c / "en/signs/list.md").rename(c / "list"), "en/signs/list.md"),
    ("a label too long", lambda c: edit(c / "mn/signs/list.md", lambda t: t.replace("label: ", "label: Маш урт бичсэн ")), "label"),  # noqa: E501
    ("a button to nowhere", lambda c: edit(c / "mn/signs/list.md", lambda t: t + "* no/card: Хаашаа\n"), "leads nowhere"),
    ("a button in one language", lambda c: edit(c / "en/signs/list.md", lambda t: t + "* help/police\n"), "other buttons"),
    ("a part in one language", lambda c: edit(c / "en/travel/checklist.md", lambda t: t + "\n## more\nMore.\n"), "parts"),
    ("a number typed", lambda c: edit(c / "mn/help/police.md", lambda t: t.replace("{hl-mn-102}", "102", 1)), "never typed"),
    ("an unknown fact", lambda c: edit(c / "mn/help/police.md", lambda t: t.replace("{hl-mn-102}", "{hl-mn-1}")), "no fact"),
    ("a fact not for the public", lambda c: edit(c / "mn/help/police.md", lambda t: t.replace("{hl-mn-102}", "{hl-mn-1903}")), "may not"),  # noqa: E501
    ("a text too long", lambda c: edit(c / "en/menu/main.md", lambda t: t.replace("---\n", "---\n" + "Long. " * 80, 2)), "at most 400"),  # noqa: E501
    ("no number on a card about safety", lambda c: edit(c / "en/help/legal.md", lambda t: t.replace("{hl-mn-102}", "them")), "names the emergency"),  # noqa: E501
    ("nobody reviewed it", lambda c: edit(c / "mn/signs/list.md", lambda t: t.replace("reviewed:", "revised:")), "who read"),
    ("a head that is no yaml", lambda c: edit(c / "mn/signs/list.md", lambda t: t.replace("label: ", "label: [")), "cannot be read"),  # noqa: E501
    ("no head", lambda c: edit(c / "mn/signs/list.md", lambda t: t.replace("---\n", "", 1)), "begins with"),
    ("a needed card is gone", lambda c: [(c / x / "talk/demo.md").rename(c / x / "x") for x in ("mn", "en")], "cannot do without"),  # noqa: E501
    ("a fact twice", lambda c: edit(c / "facts/campaign.yaml", lambda t: t + "\nhl-mn-102: {kind: phone}\n"), "stands already"),
    ("text after buttons", lambda c: edit(c / "mn/signs/list.md", lambda t: t + "Дараа нь\n"), "after the buttons"),
    ("a try that is an ask", lambda c: edit(c / "mn/signs/list.md", lambda t: t.replace("tries:", "tries:\n  - аа")
        .replace("asks:", "asks:\n  - аа")), "may not be an ask"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_a_fault_is_named_with_its_file_and_line(content: Path, spoil: Callable[[Path], object], told: str) -> None:
    spoil(content)
    with pytest.raises(ContentError) as caught:
        load_library(content)
    assert told in str(caught.value)
    assert all(line.startswith("content/") and line.split(":")[1].isdigit() for line in str(caught.value).splitlines())


def test_all_faults_are_named_at_once(content: Path) -> None:
    for _, spoil, _ in SPOILT[:3]:
        spoil(content)
    with pytest.raises(ContentError) as caught:
        load_library(content)
    assert all(told in str(caught.value) for _, _, told in SPOILT[1:3])


def test_a_flow_without_a_handler_does_not_start(content: Path) -> None:
    for language in ("mn", "en"):
        edit(content / language / "help/police.md", lambda t: t.replace("kind: article", "kind: flow"))
    with pytest.raises(ContentError, match="help/police"):
        load_guide(partial(load_trained, MODELS), content)


async def test_a_changed_text_is_taken_over_and_a_broken_one_keeps_the_last_good(tmp_path: Path, content: Path) -> None:
    async with web_house(tmp_path / "home", content) as (house, browser):
        await house.watching.wait()
        edit(content / "mn/talk/thanks.md", lambda text: text.replace("---\n", "---\n", 1) + "\n")
        edit(content / "mn/menu/main.md", lambda text: text.replace("label: ", "label: Ө", 1))
        await reloaded(house, lambda: house.service.guide.library.card("mn", "menu/main").label.startswith("Ө"))

        edit(content / "mn/menu/main.md", lambda text: text.replace("label: Ө", "label: [", 1))
        await reloaded(house, lambda: house.content_faults > 0)
        assert house.service.guide.library.card("mn", "menu/main").label.startswith("Ө")
        told = (await browser.get("/readyz")).json()
        assert told["ready"] is True
        assert "last good version" in told["content"]

        edit(content / "mn/menu/main.md", lambda text: text.replace("label: [", "label: Ү", 1))
        await reloaded(house, lambda: house.content_faults == 0)
        assert (await browser.get("/readyz")).json()["content"] == "ok"


async def reloaded(house: House, done: Callable[[], bool]) -> None:
    """Wait until the watcher has taken over the change."""
    import asyncio

    async with asyncio.timeout(20):
        while not done():
            await house.content_changed.wait()
