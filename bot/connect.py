"""Connects the platforms that are switched on: for each its client, its intake, its webhook, and what it must do all along."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from starlette.types import ASGIApp

from bot.channels.messenger import GET_STARTED
from bot.channels.telegram import COMMANDS
from bot.config import Config, ConfigError
from bot.dialogue import Guide
from bot.intake import Intake, MessengerIntake, TelegramIntake
from bot.log import log
from bot.send import Client, Sender, SendError
from bot.service import Service
from bot.web import messenger, telegram

LONGEST_WAIT = 60.0  # seconds between two tries to set a platform up
GREETING = 160  # characters of Messenger's greeting. Source: Messenger Profile API, 2026
QUESTIONS = ("menu/signs", "menu/travel", "menu/moving", "menu/help")  # Messenger's ice breakers: four at most

Job = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@dataclass
class Platform:
    """One platform that is switched on."""

    name: str
    client: Client
    intake: Intake
    webhooks: Mapping[str, ASGIApp]
    close: Callable[[], Awaitable[None]]
    jobs: list[Job] = field(default_factory=list)
    trouble: str = ""  # for staff: what is wrong between the platform and us


def connect(config: Config, service: Service, sender: Sender) -> list[Platform]:
    """The platforms whose secrets are set. Their clients are imported only then: aiogram takes seconds and 100 MB."""
    found = (connect_telegram(config, service, sender), connect_messenger(config, service, sender))
    return [platform for platform in found if platform is not None]


def connect_telegram(config: Config, service: Service, sender: Sender) -> Platform | None:
    settings, public = config.channels.telegram, config.web.public_url
    if settings.token is None:
        return None
    if public and settings.secret is None:
        log.error("telegram_webhook_refuses_everything", where="set UMBRELLA_TELEGRAM_SECRET")
    module = import_module("bot.platforms.telegram")
    client = module.TelegramClient(settings.token.get_secret_value(), settings.api)
    intake = TelegramIntake(service, sender, client)
    secret = settings.secret.get_secret_value() if settings.secret else ""
    webhook = telegram.TelegramWebhook(intake.accept, secret or None, config.web.largest_post)

    async def set_up(stop: asyncio.Event) -> None:
        texts = module.Texts(**telegram_texts(service.guide))
        await until_done(stop, "telegram", lambda: client.set_up(texts, f"{public}{telegram.PATH}" if public else "", secret))

    async def poll(stop: asyncio.Event) -> None:
        await set_up(stop)
        await client.poll(intake.accept, settings.poll_seconds, stop)

    return Platform("telegram", client, intake, {telegram.PATH: webhook}, client.close, [set_up if public else poll])


def connect_messenger(config: Config, service: Service, sender: Sender) -> Platform | None:
    settings = config.channels.messenger
    if not (settings.page_token and settings.app_secret and settings.verify_token):
        return None
    client = messenger_client(config)
    intake = MessengerIntake(service, sender, client)
    secrets = settings.app_secret.get_secret_value(), settings.verify_token.get_secret_value()
    webhook = messenger.MessengerWebhook(intake.accept, *secrets, config.web.largest_post)
    platform = Platform("messenger", client, intake, {messenger.PATH: webhook}, client.close)

    async def watch(stop: asyncio.Event) -> None:
        """After an hour of outage Meta takes us off the Page without a word: look, and come back, and say so loudly."""
        while not stop.is_set():
            try:
                if missing := await client.missing():
                    log.error("messenger_not_subscribed", faults=missing)
                    await client.subscribe()
                platform.trouble = ""
            except SendError as problem:
                platform.trouble = f"subscription cannot be checked: {problem.kind}"
                log.warning("messenger_not_watched", kind=problem.kind)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), settings.watch_seconds)

    platform.jobs.append(watch)
    return platform


def messenger_client(config: Config) -> Any:
    """The client for the Page of the settings. Raises ConfigError when Messenger is off."""
    settings = config.channels.messenger
    if settings.page_token is None or settings.app_secret is None:
        raise ConfigError("Messenger is off: set UMBRELLA_MESSENGER_PAGE_ID, _PAGE_TOKEN, _APP_SECRET and _VERIFY_TOKEN")
    module = import_module("bot.platforms.messenger")
    secrets = settings.page_token.get_secret_value(), settings.app_secret.get_secret_value()
    return module.MessengerClient(settings.page_id, *secrets, settings.api, settings.version)


async def until_done(stop: asyncio.Event, name: str, do: Callable[[], Awaitable[None]]) -> None:
    """Do this, and again after an outage until it is done."""
    wait = 1.0
    while not stop.is_set():
        try:
            return await do()
        except Exception as problem:
            log.warning(f"{name}_not_set_up", kind=type(problem).__name__, seconds=wait)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)
            wait = min(wait * 2, LONGEST_WAIT)


def telegram_texts(guide: Guide) -> dict[str, Any]:
    """What Telegram shows outside the chat: each command is described by the label of the card it leads to."""
    library, languages = guide.library, guide.library.languages
    about = {language: library.part(language, "talk/hello").messages[0] for language in languages}
    return {
        "default": "en",
        "commands": {
            language: {command: library.card(language, place).label for command, place in COMMANDS.items()}
            for language in languages
        },
        "description": {language: text[:512] for language, text in about.items()},
        "short": {language: library.part(language, "talk/page").messages[0][:120] for language in languages},
    }


def messenger_profile(guide: Guide) -> dict[str, Any]:
    """What Messenger shows outside the talk: Mongolian by default, English for those whose Facebook is in English.

    There is no locale mn_MN: Facebook has no Mongolian, so whoever reads Mongolian has another language set.
    """
    library = guide.library
    locales = {"default": "mn", "en_US": "en", "en_GB": "en"}

    def items(places: tuple[str, ...], language: str) -> list[tuple[str, str]]:
        return [(library.card(language, place).label, place) for place in places]

    menu = tuple(place for place in COMMANDS.values() if place != GET_STARTED)
    return {
        "get_started": {"payload": GET_STARTED},
        "greeting": [
            {"locale": locale, "text": library.part(language, "talk/page").messages[0][:GREETING]}
            for locale, language in locales.items()
        ],
        "persistent_menu": [
            {
                "locale": locale,
                "composer_input_disabled": False,
                "call_to_actions": [
                    {"type": "postback", "title": title, "payload": place} for title, place in items(menu, language)
                ],
            }
            for locale, language in locales.items()
        ],
        "ice_breakers": [
            {
                "locale": locale,
                "call_to_actions": [{"question": question, "payload": place} for question, place in items(QUESTIONS, language)],
            }
            for locale, language in locales.items()
        ],
    }
