"""Every setting, from config.yaml and the environment, as one frozen value.

config.yaml holds each setting with its default. UMBRELLA_<SECTION>_<KEY> overrides it (UMBRELLA_WEB_PORT; a channel's section is
its own name: UMBRELLA_TELEGRAM_API). Secrets come from the environment only. A wrong setting stops the start: all faults at once.
"""

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

PREFIX = "UMBRELLA_"
DEFAULTS = Path(__file__).parent.parent / "config.yaml"


class ConfigError(Exception):
    """Settings are wrong. The message names each one, where it stands and what to do."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Web(Section):
    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+)?$")]
    leave_to: Annotated[str, Field(pattern=r"^(https?://|/)\S*$")]
    largest_post: Annotated[int, Field(ge=1_000, le=10_000_000)]


class Keep(Section):
    conversations_days: Annotated[int, Field(ge=1, le=365)]
    seen_days: Annotated[int, Field(ge=1, le=30)]
    outbox_hours: Annotated[int, Field(ge=1, le=24 * 7)]
    counts_weeks: Annotated[int, Field(ge=1, le=520)]


class Send(Section):
    per_second: Annotated[float, Field(gt=0, le=1000)]
    burst_per_chat: Annotated[int, Field(ge=1, le=20)]
    tries: Annotated[int, Field(ge=1, le=20)]


class Telegram(Section):
    api: Annotated[str, Field(pattern=r"^https?://\S+[^/]$")]
    poll_seconds: Annotated[int, Field(ge=0, le=50)]
    token: SecretStr | None = None
    secret: SecretStr | None = None


class Messenger(Section):
    api: Annotated[str, Field(pattern=r"^https?://\S+[^/]$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+$")]
    watch_seconds: Annotated[int, Field(ge=1, le=3600)]
    page_id: str = ""
    page_token: SecretStr | None = None
    app_secret: SecretStr | None = None
    verify_token: SecretStr | None = None

    @model_validator(mode="after")
    def all_or_none(self) -> Self:
        """The channel is on when its secrets are set: some of them alone are a mistake."""
        given = {name: bool(getattr(self, name)) for name in ("page_id", "page_token", "app_secret", "verify_token")}
        if any(given.values()) and not all(given.values()):
            missing = ", ".join(f"{PREFIX}MESSENGER_{name.upper()}" for name, there in given.items() if not there)
            raise ValueError(f"Messenger needs all four of its settings; set also {missing}")
        return self

    @property
    def secret(self) -> str | None:
        """The app's secret; None when Messenger is off."""
        return self.app_secret.get_secret_value() if self.app_secret else None


class Channels(Section):
    telegram: Telegram
    messenger: Messenger


class Config(Section):
    mode: Literal["demo", "live"]
    language: str
    database: str
    log: Literal["debug", "info", "warning", "error"]
    web: Web
    keep: Keep
    send: Send
    channels: Channels
    key: SecretStr | None = None
    home: Path = Path("var")
    model: Path | None = None

    @property
    def secret(self) -> str | None:
        """The key that pseudonyms and seals are made with, as it was given; None when one is to be made under `home`."""
        return self.key.get_secret_value() if self.key else None

    @property
    def models(self) -> Path:
        """Where what was trained is kept."""
        return self.model or self.home / "model"

    @property
    def database_url(self) -> str:
        """The database as SQLAlchemy names it; the embedded one under `home` when none is given."""
        return self.database or f"sqlite+aiosqlite:///{(self.home / 'umbrella.db').resolve()}"


def load_config(path: Path = DEFAULTS, environ: Mapping[str, str] = os.environ) -> Config:
    """The settings of config.yaml, overridden by the environment. Raises ConfigError naming every fault."""
    text = path.read_text(encoding="utf-8")
    try:
        settings: dict[str, Any] = yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise ConfigError(f"{path.name} cannot be read: {problem}") from problem
    lines = dict(places(yaml.compose(text)))
    known = dict(variables(Config))
    faults = [
        f"{name} is not a setting; did you mean {nearest(name, known)}?"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]
    for name, key in known.items():
        if name in environ:
            put(settings, key, environ[name])
    try:
        config = Config.model_validate(settings)
    except ValidationError as problem:
        names = {key: name for name, key in known.items()}
        for error in problem.errors(include_url=False, include_input=False):
            key = tuple(str(part) for part in error["loc"])
            name = names.get(key, "")
            where = name if name in environ else f"{path.name}:{lines.get(key, lines.get(key[:-1], 1))}"
            faults.append(f"{where}: {'.'.join(key)}: {error['msg']}")
        raise ConfigError("\n".join(faults)) from None
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def variables(section: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The environment variable of each setting, and where the setting stands."""
    for key, info in section.model_fields.items():
        here = (*path, key)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from variables(info.annotation, here)
        else:
            yield PREFIX + "_".join(part for part in here if part != "channels").upper(), here


def places(node: yaml.Node | None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line each setting stands in."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1
            yield from places(value, here)


def put(settings: dict[str, Any], key: tuple[str, ...], value: str) -> None:
    for part in key[:-1]:
        settings = settings.setdefault(part, {})
    settings[key[-1]] = value


def nearest(name: str, known: Mapping[str, object]) -> str:
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.0)), "")
