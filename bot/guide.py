"""Opens the guide as the settings say: the content, and what was trained from it."""

from functools import partial
from pathlib import Path

from bot.config import Config
from bot.dialogue import Guide
from bot.files import CONTENT
from bot.load import load_guide
from bot.train import load_trained


def open_guide(config: Config, content: Path = CONTENT) -> Guide:
    """All the bot knows. Raises ContentError, or NotTrained when nothing has ever been trained."""
    trained = partial(load_trained, config.models)
    return load_guide(trained, content, demo=config.mode == "demo", language=config.language)
