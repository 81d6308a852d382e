"""The web chat in a real browser: on a small phone, without a script, by keyboard, on a bad line, and left in a hurry."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.async_api import Browser, Route

from bot.dialogue import BACK, EMERGENCY, MENU, Guide
from tests.browser import Talk, chromium, elsewhere, serving, until
from tests.conftest import texts

pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONE = {"width": 360, "height": 640}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
FIRST = ("talk/demo", "menu/start")
ABROAD, CHECKLIST = "menu/travel", "travel/checklist"

Visit = Callable[..., Awaitable[Talk]]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def away() -> AsyncIterator[str]:
    async with elsewhere() as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def base(browser: Browser, away: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with serving(tmp_path_factory.mktemp("home"), away) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, base: str) -> AsyncIterator[Visit]:
    """Opens the page in a browser window of its own. No fault of the script goes unnoticed."""
    opened, faults = [], []

    async def open_page(language: str = "mn", script: bool = True, **settings: Any) -> Talk:
        settings = {"viewport": PHONE, "locale": language, "java_script_enabled": script, "reduced_motion": "reduce", **settings}
        context = await browser.new_context(**settings)
        context.set_default_timeout(10_000)
        opened.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        await page.goto(base)
        return Talk(page, script)

    yield open_page
    for context in opened:
        await context.close()
    assert faults == []


either_way = pytest.mark.parametrize("script", [True, False], ids=["with-script", "without"])


def asked(guide: Guide, card: str, letters: str) -> str:
    """A question that this card answers, in these letters."""
    return next(ask for ask in guide.library.card("mn", card).asks if re.fullmatch(rf"[{letters} ]+", ask))


def labels(guide: Guide, language: str) -> dict[str, str]:
    return {option.name: option.label for option in guide.library.part(language, "talk/page").options}


def own(guide: Guide, place: str) -> list[str]:
    """The names of the options that a place's own text has."""
    return [option.name for option in guide.library.part("mn", place).options]


@either_way
async def test_a_whole_talk_in_mongolian_goes_from_the_first_meeting_to_english(guide: Guide, visit: Visit, script: bool) -> None:
    talk = await visit(script=script)
    assert await talk.said() == texts(guide, "mn", *FIRST)

    await talk.tap(ABROAD)
    assert await talk.said() == texts(guide, "mn", ABROAD)
    assert await talk.options() == [*own(guide, ABROAD), EMERGENCY, MENU, BACK]

    await talk.tap(CHECKLIST)
    assert await talk.said() == texts(guide, "mn", CHECKLIST)
    *_, before_last, _ = steps = [f"{CHECKLIST}.{part}" for part in guide.library.card("mn", CHECKLIST).parts if part]
    for step in steps:
        await talk.tap(step)
        assert await talk.said() == texts(guide, "mn", step)
    assert not [name for name in await talk.options() if name.startswith(f"{CHECKLIST}.")]
    await talk.tap(BACK)
    assert await talk.said() == texts(guide, "mn", before_last)

    for letters in ("а-яёөү", "a-z"):
        await talk.write(asked(guide, "menu/return", letters))
        assert await talk.said() == texts(guide, "mn", "menu/return")

    async with talk.answer():
        await talk.page.locator('header [value="en"]').click()
    assert await talk.said() == texts(guide, "en", "about/language.chosen", "menu/return")
    await talk.page.locator('html[lang="en"] header [value="mn"]').wait_for()
    assert await talk.page.title() == labels(guide, "en")["title"]
    assert await talk.page.locator(".leave").inner_text() == labels(guide, "en")["leave"]
    assert await talk.field.get_attribute("placeholder") == labels(guide, "en")["write"]
    await talk.tap(BACK)
    assert await talk.said() == texts(guide, "en", before_last)


@either_way
async def test_help_is_one_tap_away_from_everywhere_and_in_sight_without_scrolling(
    guide: Guide, visit: Visit, script: bool
) -> None:
    talk = await visit(script=script)
    ways: list[tuple[str, Callable[[], Awaitable[None]] | None]] = [
        ("", None),
        (ABROAD, lambda: talk.tap(ABROAD)),
        (CHECKLIST, lambda: talk.tap(CHECKLIST)),
        (f"{CHECKLIST}.offer", lambda: talk.tap(f"{CHECKLIST}.offer")),
        (f"{CHECKLIST}.offer", lambda: talk.write("ъъъъ ъъъъ")),  # not understood
        ("menu/help", lambda: talk.write(guide.library.card("mn", "menu/help").label)),
    ]
    for place, go in ways:
        if go:
            await go()
        assert await talk.in_sight(talk.button(EMERGENCY)), place
        assert await talk.in_sight(talk.page.locator(".leave")), place
        await talk.tap(EMERGENCY)
        assert await talk.said() == texts(guide, "mn", EMERGENCY), place
        await talk.tap(BACK)
        assert await talk.said() == texts(guide, "mn", place or MENU)


async def test_nothing_is_requested_from_any_other_host(guide: Guide, visit: Visit, base: str) -> None:
    talk = await visit()
    requested: list[str] = []
    talk.page.context.on("request", lambda request: requested.append(request.url))
    await talk.page.reload()
    await talk.tap(ABROAD)
    await talk.write(asked(guide, "menu/return", "a-z"))
    await talk.tap(EMERGENCY)
    assert len(requested) >= 6
    assert [url for url in requested if not url.startswith((f"{base}/", "data:"))] == []


async def test_a_first_visit_with_three_turns_is_under_60_kilobytes_over_the_wire(guide: Guide, visit: Visit, base: str) -> None:
    talk = await visit()
    await talk.page.goto("about:blank")
    wire = await talk.page.context.new_cdp_session(talk.page)
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    await wire.send("Network.enable")
    await wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await talk.page.goto(base)
    await talk.tap(ABROAD)
    await talk.tap(CHECKLIST)
    await talk.tap(EMERGENCY)
    print(f"{sum(sizes):.0f} bytes in {len(sizes)} answers")
    assert len(sizes) >= 6
    assert 5_000 < sum(sizes) < 60_000


@pytest.mark.parametrize("language", ["mn", "en"])
async def test_axe_finds_no_fault_in_any_language_colour_or_width(visit: Visit, language: str) -> None:
    talk = await visit(language)
    await talk.look(AXE_SCRIPT)
    found: dict[str, Any] = {}
    for place in ("", CHECKLIST, EMERGENCY):
        if place == CHECKLIST:
            await talk.tap(ABROAD)
        if place:
            await talk.tap(place)
        for width in (360, 1280):
            await talk.page.set_viewport_size({"width": width, "height": 740})
            for scheme in ("light", "dark"):
                await talk.page.emulate_media(color_scheme=scheme)
                options = json.dumps({"runOnly": WCAG, "resultTypes": ["violations"]})
                result = await talk.look(f"axe.run({options})")
                assert len(result["passes"]) > 10
                for fault in result["violations"]:
                    found[f"{place or 'first'} {width} {scheme} {fault['id']}"] = [node["html"] for node in fault["nodes"]]
    assert found == {}


FOCUS = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  return [element.matches(".skip") ? "skip" : element.matches(".leave") ? "leave" : element.id || element.value || element.type,
    element.matches(":focus-visible") && style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2];
}"""


@either_way
async def test_everything_is_reached_and_used_by_keyboard_alone(guide: Guide, visit: Visit, script: bool) -> None:
    talk = await visit(script=script)
    options = await talk.options()
    numbers = [""] * await talk.page.locator(".said a").count()  # to be called; they have no name
    expected = ["skip", "en", "leave", *numbers, *options, "text", "submit"]
    for name in expected:
        await talk.page.keyboard.press("Tab")
        assert await talk.look(FOCUS) == [name, True]
        assert await talk.in_sight(talk.page.locator(":focus")), name

    await talk.page.locator(".skip").focus()
    await talk.page.keyboard.press("Enter")
    assert (await talk.look(FOCUS))[0] == "text"

    while (await talk.look(FOCUS))[0] != ABROAD:
        await talk.page.keyboard.press("Shift+Tab")
    async with talk.answer():
        await talk.page.keyboard.press("Enter")
    assert await talk.said() == texts(guide, "mn", ABROAD)

    await talk.write(asked(guide, "menu/return", "а-яёөү"))
    assert await talk.said() == texts(guide, "mn", "menu/return")
    assert await talk.field.input_value() == ""


async def test_the_focus_is_never_lost_after_a_turn(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    await talk.button(ABROAD).focus()
    async with talk.answer():
        await talk.page.keyboard.press("Enter")
    reply = talk.page.locator(".said:focus-visible")
    assert [await reply.locator("p").inner_text()] == texts(guide, "mn", ABROAD)
    await talk.page.keyboard.press("Tab")
    assert await talk.look(FOCUS) == [own(guide, ABROAD)[0], True]

    await talk.button(EMERGENCY).focus()
    async with talk.answer():
        await talk.page.keyboard.press("Space")
    assert await talk.page.locator(".said:focus-visible p").text_content() == texts(guide, "mn", EMERGENCY)[0]

    await talk.write(asked(guide, "menu/return", "a-z"))
    assert (await talk.look(FOCUS))[0] == "text"


async def test_a_phones_keyboard_gives_way_to_the_answer(guide: Guide, visit: Visit) -> None:
    talk = await visit(is_mobile=True, has_touch=True)
    await talk.write(asked(guide, "menu/return", "a-z"))
    assert await talk.page.locator(".said:focus p").text_content() == texts(guide, "mn", "menu/return")[0]


async def test_new_replies_are_announced_once_they_are_whole(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    log = talk.page.get_by_role("log", name=labels(guide, "mn")["talk"], exact=True)
    assert await log.get_attribute("aria-live") == "polite"
    assert await log.get_attribute("aria-relevant") is None  # additions are announced, as by default
    await log.evaluate(
        """(log) => { window.added = []; new MutationObserver((changes) => { for (const change of changes)
        for (const node of change.addedNodes) added.push([node.className, log.getAttribute("aria-busy")]);
        }).observe(log, { childList: true }) }"""
    )
    await talk.tap(EMERGENCY)
    assert [name for name, _ in await talk.look("added")] == ["mine", *["said"] * len(texts(guide, "mn", EMERGENCY))]
    assert await log.get_attribute("aria-busy") is None
    mine = f"{labels(guide, 'mn')['you']}: {guide.library.card('mn', EMERGENCY).label}"
    assert await log.locator(".mine").text_content() == mine
    async with talk.answer():
        await talk.page.locator('header [value="en"]').click()
    english = talk.page.get_by_role("log", name=labels(guide, "en")["talk"], exact=True)
    assert await english.evaluate("(log) => added.length > 3")  # the same region: a new one would not be read
    assert await english.locator('.said[lang="mn"]').count() > 0
    assert await english.locator('.said[lang="en"]').count() > 0


@pytest.mark.parametrize("way", ["click", "escape", "without"])
async def test_leave_quickly_leaves_nothing_behind(
    guide: Guide, visit: Visit, browser: Browser, base: str, away: str, way: str
) -> None:
    talk = await visit(script=way != "without")
    page, context = talk.page, talk.page.context
    await talk.tap(ABROAD)
    await talk.tap(CHECKLIST)
    cookies = await context.cookies()
    assert len(cookies) == 1
    assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    async with page.expect_navigation(url=away):
        if way == "escape":
            await page.keyboard.press("Escape")
            await page.keyboard.press("Escape")
        else:
            await page.locator(".leave").click()
    assert page.url == away

    async def cookie_is_gone() -> bool:
        return not await context.cookies()

    await until(cookie_is_gone)
    for _ in range(5):
        await page.go_back()
        shown = await page.inner_text("body")
        assert not [text for text in texts(guide, "mn", ABROAD, CHECKLIST) if text[:40] in shown]
        if page.url == "about:blank":
            break

    again = await browser.new_context(locale="mn")
    await again.add_cookies([{"name": str(cookie["name"]), "value": str(cookie["value"]), "url": base} for cookie in cookies])
    later = Talk(await again.new_page(), True)
    await later.page.goto(base)
    assert await later.said() == texts(guide, "mn", *FIRST)
    await again.close()


async def test_one_escape_does_not_leave(visit: Visit, base: str) -> None:
    talk = await visit()
    for key in ("Escape", "Tab", "Escape"):
        await talk.page.keyboard.press(key)
    await talk.tap(ABROAD)
    assert talk.page.url.startswith(base)


async def test_an_answer_under_way_does_not_bring_the_visit_back(visit: Visit, base: str, away: str) -> None:
    """On a slow line the page lives until the next one comes, and so would an answer with its cookie."""
    talk = await visit()
    page = talk.page
    await talk.tap(ABROAD)
    next_page: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await page.route(away, lambda route: next_page.set_result(route))
    async with held(talk):
        await talk.button(CHECKLIST).click()
        async with page.expect_event("requestfailed", lambda request: request.url == f"{base}/"):
            await page.locator(".leave").click(no_wait_after=True)
        async with page.expect_navigation(url=away):
            await (await next_page).continue_()


@pytest.mark.parametrize(("language", "script"), [("mn", True), ("en", False)])
async def test_nothing_is_wider_than_a_320_pixel_screen(visit: Visit, language: str, script: bool) -> None:
    """320 by 256 is a screen of 1280 by 1024 at 400 %: WCAG 1.4.10."""
    talk = await visit(language, script, viewport={"width": 320, "height": 640})
    for go in (None, "menu/help", EMERGENCY, "word"):
        if go == "word":
            await talk.write("ү" * 4_000)
        elif go:
            await talk.tap(go)
        for height, letters in ((640, "100%"), (256, "100%"), (640, "200%")):
            await talk.page.set_viewport_size({"width": 320, "height": height})
            wide = await talk.look(
                f"""() => {{ document.documentElement.style.fontSize = "{letters}";
                return [document.documentElement.scrollWidth, ...[...document.querySelectorAll("body *")]
                  .filter((element) => element.getBoundingClientRect().right > 320.5).map((element) => element.outerHTML)] }}"""
            )
            assert wide == [320], (go, height, letters)
        await talk.look("() => { document.documentElement.style.fontSize = '' }")
        await talk.page.set_viewport_size({"width": 320, "height": 640})


async def test_a_new_reply_is_shown_from_its_beginning(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    for name in (ABROAD, CHECKLIST, EMERGENCY, MENU, "signs/self-check"):
        if name in await talk.options():
            await talk.tap(name)
        else:
            await talk.write(guide.library.card("mn", name).label)
        first = talk.page.locator(".mine ~ .said").nth(-len(await talk.said())).locator("p")
        top = await first.evaluate("(reply) => reply.getBoundingClientRect().top")
        header = await talk.look("document.querySelector('header').getBoundingClientRect().bottom")
        assert header <= top < 400, name


@either_way
async def test_a_double_press_is_answered_once(guide: Guide, visit: Visit, script: bool) -> None:
    talk = await visit(script=script)
    for name in (ABROAD, CHECKLIST, f"{CHECKLIST}.offer"):
        await talk.tap(name)
    async with talk.answer():
        await talk.button(BACK).dblclick()
    await talk.page.goto(talk.page.url)
    assert await talk.said() == texts(guide, "mn", CHECKLIST)


async def test_a_key_held_down_presses_once(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    for name in (ABROAD, CHECKLIST, f"{CHECKLIST}.offer"):
        await talk.tap(name)
    async with talk.answer():
        await talk.button(BACK).evaluate("(button) => { button.click(); button.click(); button.click() }")
    assert (await talk.said(), await talk.page.locator(".mine").count()) == (texts(guide, "mn", CHECKLIST), 4)


async def test_a_slow_double_press_does_not_press_the_buttons_of_the_answer(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    for name in (ABROAD, CHECKLIST, f"{CHECKLIST}.offer"):
        await talk.tap(name)
    await talk.tap(BACK)
    await talk.button(BACK).hover()
    await talk.page.mouse.down(click_count=2)
    await talk.page.mouse.up(click_count=2)
    await talk.page.goto(talk.page.url)
    assert await talk.said() == texts(guide, "mn", CHECKLIST)


async def test_a_lost_connection_is_told_and_the_message_is_sent_again_without_loss(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    await talk.tap(ABROAD)
    await talk.page.context.set_offline(True)
    text = asked(guide, "menu/return", "а-яёөү")
    await talk.write(text)
    lost = talk.page.locator("#talk .lost")
    assert await lost.text_content() == labels(guide, "mn")["lost"] + labels(guide, "mn")["again"]
    assert await talk.in_sight(lost)
    assert await talk.in_sight(talk.button(EMERGENCY))
    assert text in (await talk.page.locator(".mine").last.inner_text())
    await talk.page.context.set_offline(False)
    async with talk.answer():
        await lost.get_by_role("button").click()
    assert await talk.said() == texts(guide, "mn", "menu/return")
    assert (await lost.count(), await talk.page.locator(".mine").count()) == (0, 2)


async def test_an_answer_lost_on_its_way_is_fetched_again_and_counts_once(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    for name in (ABROAD, CHECKLIST, f"{CHECKLIST}.offer"):
        await talk.tap(name)
    lost = 0

    async def lose_the_first(route: Route) -> None:
        nonlocal lost
        await route.fetch()
        if lost == 0:
            lost += 1
            await route.abort()
        else:
            await route.continue_()

    await talk.page.route(re.compile("/$"), lose_the_first)
    await talk.tap(BACK)
    assert (lost, await talk.said()) == (1, texts(guide, "mn", CHECKLIST))


async def test_help_does_not_wait_for_an_answer_under_way(guide: Guide, visit: Visit) -> None:
    talk = await visit()
    async with held(talk) as let_go:
        await talk.button(ABROAD).click()
        await talk.tap(EMERGENCY)
        assert await talk.said() == texts(guide, "mn", EMERGENCY)
        await let_go()
    assert await talk.said() == texts(guide, "mn", EMERGENCY)
    assert await talk.page.locator(".lost").count() == 0


@asynccontextmanager
async def held(talk: Talk) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """The first message sent from here on is kept on the line until it is let go."""
    kept: list[Route] = []

    async def hold_the_first(route: Route) -> None:
        if kept:
            await route.continue_()
        else:
            kept.append(route)

    async def let_go() -> None:
        await kept[0].continue_()

    await talk.page.route(re.compile("/$"), hold_the_first)
    yield let_go
    await talk.page.unroute(re.compile("/$"))


@either_way
async def test_what_a_person_writes_is_shown_as_text_only(visit: Visit, script: bool) -> None:
    talk = await visit(script=script)
    title, scripts = await talk.page.title(), await talk.page.locator("script").count()
    text = "<script>document.title='x'</script><img src=x onerror=document.title='x'> \"'&amp;`{{7*7}} 😀👩‍👩‍👧 "
    text = text.ljust(4_000 - sum(sign > "\uffff" for sign in text), "ү")  # the longest: the browser counts an emoji as two
    await talk.write(text)
    mine = await talk.page.locator(".mine").all_text_contents()
    assert [shown.partition(": ")[2] for shown in mine] == ([text] if script else [])
    assert await talk.page.locator("img").count() == 0
    assert (await talk.page.title(), await talk.page.locator("script").count()) == (title, scripts)
    assert await talk.options() != []


@either_way
async def test_a_number_is_called_by_a_tap(guide: Guide, visit: Visit, script: bool) -> None:
    talk = await visit(script=script)
    await talk.tap("help/emergency")
    links = {await link.inner_text(): await link.get_attribute("href") for link in await talk.page.locator(".said a").all()}
    assert {"102": "tel:102", "103": "tel:103", "+976 102": "tel:+976102"}.items() <= links.items()
    assert texts(guide, "mn", "help/emergency")[0] in await talk.said()
