"""The log holds listed fields alone: no word, name or number of a person gets into it, by whatever way."""

import json
import logging
import subprocess
import sys
from pathlib import Path

from bot.log import FIELDS

ROOT = Path(__file__).parent.parent
CANARY = "нарлагхөх"
PROGRAM = f"""
import logging
from bot.log import log, set_up_log
set_up_log("debug")
log.info("started", text="{CANARY}", chat="{CANARY}", count=3)
try:
    {{}}["{CANARY}"]
except KeyError:
    log.error("turn_failed", exc_info=True, channel="web")
logging.getLogger("library").error("could not parse {CANARY}")
try:
    raise ValueError("{CANARY}")
except ValueError:
    logging.getLogger("library").exception("%s", "{CANARY}")
"""


def test_only_listed_fields_reach_the_log() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert CANARY not in told.stderr + told.stdout
    entries = [json.loads(line) for line in told.stderr.splitlines()]
    assert [entry["event"] for entry in entries] == ["started", "turn_failed", "library", "library"]
    assert all(set(entry) <= FIELDS for entry in entries)
    assert (entries[0]["count"], entries[1]["error"], entries[3]["error"]) == (3, "KeyError", "ValueError")


def test_before_anything_is_set_up_the_log_is_just_as_sparing() -> None:
    program = PROGRAM.replace('set_up_log("debug")', "")
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert CANARY not in told.stderr + told.stdout
    assert "KeyError" in told.stderr


def test_the_library_of_http_clients_is_quiet_about_addresses() -> None:
    """A Bot API address holds the token."""
    assert "url" not in FIELDS
    assert logging.getLogger("aiohttp").getEffectiveLevel() >= logging.WARNING
