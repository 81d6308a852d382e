"""The web chat over plain HTTP: forms and JSON, one visit at a time, and nothing left behind."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.transcript import spoken
from bot.web.chat import COOKIE
from tests.conftest import PLAYED, named, texts
from tests.house import web_house

JSON = {"accept": "application/json"}


async def test_every_conversation_goes_the_same_on_the_web(tmp_path: Path) -> None:
    """All scripts but those of a first meeting, which the page itself shows, and of what a page cannot send."""
    async with web_house(tmp_path) as (house, browser):
        guide = house.service.guide
        for case in PLAYED:
            turns: list[dict[str, Any]] = case.values[0]  # type: ignore[assignment]
            language = str(case.values[1])
            if any("first" in turn or "sends" in turn for turn in turns):
                continue
            browser.cookies.clear()
            speaking = language
            await browser.post("/", data={"tap": "menu/start", "id": "0"}, headers={**JSON, "accept-language": language})
            for number, turn in enumerate(turns):
                form = {
                    "text": spoken(turn.get("user", ""), language),
                    "tap": spoken(turn.get("tap", ""), language),
                    "id": str(number + 1),
                }
                answer = await browser.post("/", data=form, headers={**JSON, "accept-language": language})
                speaking = turn["speaks"][language] if "speaks" in turn else speaking
                names = [name for name in named(turn["bot"]) if name != "talk/demo"]
                if "Forgotten" in str(turns) and "menu/start" in names:
                    continue  # the page greets by itself
                assert [reply["text"] for reply in answer.json()["replies"]] == texts(guide, speaking, *names), case.id
                assert answer.json()["language"] == speaking


async def test_a_plain_form_does_the_same_as_the_script(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (house, browser):
        guide = house.service.guide
        first = await browser.get("/")
        assert 'lang="mn"' in first.text
        assert all(text in shown(first) for text in texts(guide, "mn", "talk/demo"))
        answer = await browser.post("/", data={"tap": "menu/help", "id": "1"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert texts(guide, "mn", "menu/help")[0] in shown(await browser.get("/"))


def shown(page: httpx.Response) -> str:
    """What a person reads on a page: its text, without what makes a number a link."""
    return unescape(re.sub(r"</?a[^>]*>", "", page.text))


async def test_the_first_screen_speaks_the_browsers_language_and_keeps_nothing(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (house, browser):
        english = await browser.get("/", headers={"accept-language": "en-GB,en;q=0.9"})
        korean = await browser.get("/", headers={"accept-language": "ko"})
        assert ('lang="en"' in english.text, 'lang="mn"' in korean.text) == (True, True)
        assert COOKIE not in english.cookies
        assert await house.service.store.waiting() == []


async def test_two_visits_do_not_see_each_other(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (house, browser):
        await browser.post("/", data={"tap": "help/violence", "id": "1"})
        hers = dict(browser.cookies)
        browser.cookies.clear()
        assert texts(house.service.guide, "mn", "help/violence")[0] not in shown(await browser.get("/"))
        browser.cookies.update(hers)
        assert texts(house.service.guide, "mn", "help/violence")[0] in shown(await browser.get("/"))


async def test_a_double_press_is_answered_once(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (_, browser):
        await browser.post("/", data={"tap": "travel/checklist", "id": "1"}, headers=JSON)
        once = await browser.post("/", data={"text": "1", "id": "2"}, headers=JSON)
        again = await browser.post("/", data={"text": "1", "id": "2"}, headers=JSON)
        assert once.json()["replies"] == again.json()["replies"]


async def test_leaving_deletes_the_visit_here_and_in_the_browser(tmp_path: Path) -> None:
    async with web_house(tmp_path, UMBRELLA_WEB_LEAVE_TO="https://example.org/weather") as (house, browser):
        await browser.post("/", data={"tap": "help/violence", "id": "1"})
        visit = browser.cookies[COOKIE]
        left = await browser.post("/leave")
        assert (left.status_code, left.headers["location"]) == (303, "https://example.org/weather")
        assert "cookies" in left.headers["clear-site-data"]
        assert COOKIE not in browser.cookies
        assert await house.service.store.conversation("web", visit) is None


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}])
async def test_other_sites_cannot_speak_for_a_person(tmp_path: Path, headers: dict[str, str]) -> None:
    async with web_house(tmp_path) as (_, browser):
        await browser.post("/", data={"tap": "about/delete", "id": "1"})
        for path in ("/", "/leave"):
            assert (await browser.post(path, data={"tap": "yes", "id": "2"}, headers=headers)).status_code == 403


async def test_what_a_person_writes_is_shown_nowhere_and_breaks_nothing(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (_, browser):
        for text in ("<script>alert(1)</script>", "{hl-mn-102} {0} %s", "x" * 50_000, "\x00\u202e'\"`", "😀" * 100):
            answer = await browser.post("/", data={"text": text, "id": "1"})
            assert answer.status_code == 303
            assert "alert(1)" not in (await browser.get("/")).text


async def test_a_post_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (_, browser):
        assert (await browser.post("/", content=b"text=" + b"x" * 300_000)).status_code == 413


async def test_every_answer_forbids_other_origins_frames_and_caches(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (_, browser):
        for path in ("/", "/healthz", "/readyz", "/nothing"):
            headers = (await browser.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert (headers["referrer-policy"], headers["x-frame-options"], headers["cache-control"]) == (
                "no-referrer",
                "DENY",
                "no-store",
            )


async def test_with_the_database_gone_the_emergency_number_is_still_given_and_nothing_promised(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (house, browser):
        await house.service.store.close()
        danger = await browser.post("/", data={"text": "намайг зодож байна", "id": "1"}, headers=JSON)
        other = await browser.post("/", data={"text": "паспорт", "id": "2"}, headers=JSON)
        plain = await browser.post("/", data={"text": "he is hitting me", "id": "3"})
        assert danger.json()["replies"][0]["text"].startswith("102")
        assert [reply["name"] for reply in other.json()["replies"]] == ["talk/unavailable"]
        assert "102" in other.json()["replies"][0]["text"]
        assert (plain.status_code, "102" in plain.text) == (200, True)
        ready = await browser.get("/readyz")
        assert (ready.status_code, ready.json()["store"]) == (503, "unavailable")
        assert (await browser.get("/healthz")).status_code == 200


async def test_the_page_is_light(tmp_path: Path) -> None:
    async with web_house(tmp_path) as (_, browser):
        page = await browser.get("/")
        paths = [piece.split('"')[0] for piece in page.text.split('="/')[1:] if piece.startswith("chat.")]
        assets = [await browser.get(f"/{path}") for path in paths]
        assert len(assets) == 2
        assert all(isinstance(asset, httpx.Response) and asset.status_code == 200 for asset in assets)
        assert sum(len(answer.content) for answer in (page, *assets)) < 20_000
