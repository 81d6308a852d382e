"""Settings: each has a default, each can be overridden, and what is wrong stops the start with everything named at once."""

from pathlib import Path

import pytest

from bot.config import DEFAULTS, ConfigError, load_config, variables
from bot.config import Config as Whole


def test_every_setting_in_the_file_has_a_comment_or_says_itself_and_every_one_can_be_overridden() -> None:
    config = load_config(environ={})
    assert (config.mode, config.web.port, config.home) == ("demo", 8080, Path("var"))
    names = dict(variables(Whole))
    assert {"UMBRELLA_WEB_PORT", "UMBRELLA_DATABASE", "UMBRELLA_HOME", "UMBRELLA_TELEGRAM_API", "UMBRELLA_TELEGRAM_TOKEN"} <= set(
        names
    )
    changed = load_config(
        environ={"UMBRELLA_WEB_PORT": "9", "UMBRELLA_DATABASE": "sqlite+aiosqlite://", "UMBRELLA_TELEGRAM_API": "http://x.test"}
    )
    assert (changed.web.port, changed.database_url, changed.channels.telegram.api) == (9, "sqlite+aiosqlite://", "http://x.test")


def test_secrets_are_in_no_text_of_the_settings() -> None:
    config = load_config(environ={"UMBRELLA_TELEGRAM_TOKEN": "42:SECRET", "UMBRELLA_KEY": "ab" * 32})
    assert "SECRET" not in repr(config)
    assert "abab" not in repr(config)
    assert "SECRET" not in DEFAULTS.read_text(encoding="utf-8").replace("TELEGRAM_SECRET", "").replace("APP_SECRET", "")


def test_every_fault_is_named_at_once_with_where_it_stands(tmp_path: Path) -> None:
    wrong = DEFAULTS.read_text(encoding="utf-8").replace("port: 8080", "port: many").replace("language: mn ", "langauge: mn ")
    path = tmp_path / "config.yaml"
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, {"UMBRELLA_MODE": "public", "UMBRELLA_WEB_PROT": "1"})
    told = str(caught.value)
    line = next(number for number, row in enumerate(wrong.splitlines(), start=1) if "port: many" in row)
    assert f"config.yaml:{line}: web.port" in told
    assert "UMBRELLA_MODE: mode" in told
    assert "UMBRELLA_WEB_PROT is not a setting; did you mean UMBRELLA_WEB_PORT?" in told
    assert "langauge" in told
    assert "language: Field required" in told


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("web: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config.yaml cannot be read"):
        load_config(path, {})
