"""The terminal: one message a line from a pipe, JSON for a program, and the exit code says whether it went well."""

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from bot.transcript import spoken
from tests.conftest import MODELS, SCRIPTS, named

ROOT = Path(__file__).parent.parent
SURROUNDINGS = {"PATH": "/usr/bin:/bin", "UMBRELLA_MODEL": str(MODELS)}


def umbrella(*arguments: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=ROOT, input=said, capture_output=True, text=True, timeout=60, env={**SURROUNDINGS, **environ}, check=False,
    )  # fmt: skip


def test_a_pipe_gets_one_json_object_a_turn() -> None:
    told = umbrella("chat", "--json", said="сайн уу\n/tap menu/help\nhe is hitting me\n/tap about/language\nМонгол\n")
    assert told.returncode == 0, told.stderr
    turns = [json.loads(line) for line in told.stdout.splitlines()]
    assert [turn["replies"][-1]["name"] for turn in turns] == [
        "menu/start", "menu/help", "help/emergency", "about/language", "help/emergency",
    ]  # fmt: skip
    assert [turn["language"] for turn in turns] == ["mn", "mn", "en", "en", "mn"]
    assert turns[2]["replies"][0]["text"].startswith("102")
    assert "RiskNoticed emergency True" in turns[2]["events"]
    assert {"name", "label"} == set(turns[1]["replies"][-1]["options"][0])


@pytest.mark.parametrize("language", ["mn", "en"])
def test_every_conversation_goes_the_same_in_the_terminal(language: str) -> None:
    """All scripts in one talk, everything forgotten between them; but those with what a terminal cannot send."""
    lines: list[str] = []
    expected: dict[int, tuple[str, list[str]]] = {}  # number of the line -> script, replies
    for name, conversations in SCRIPTS.items():
        for title, turns in conversations.items():
            if any("sends" in turn or "hint" in turn for turn in turns):
                continue
            lines += ["/tap about/delete", "/tap yes"] + ([] if turns[0].get("first") else ["/tap menu/start"])
            for turn in turns:
                said, tap = (spoken(turn.get(does, ""), language) for does in ("user", "tap"))
                expected[len(lines)] = f"{name}: {title}", named(turn["bot"])
                lines.append(said or f"/tap {tap}")
    told = umbrella("chat", "--json", "--language", language, said="\n".join(lines) + "\n")
    assert told.returncode == 0, told.stderr
    answers = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(answers) == len(lines)
    for number, (script, names) in expected.items():
        assert [name for name, _ in groupby(reply["name"] for reply in answers[number]["replies"])] == names, script


def test_a_pipe_without_json_gets_the_words_with_numbered_options() -> None:
    told = umbrella("chat", "--language", "en", said="help\n1\n")
    assert told.returncode == 0, told.stderr
    assert "102 is the police" in told.stdout
    assert "  1. I can't talk now" in told.stdout


def test_a_conversation_can_be_printed_with_its_words() -> None:
    told = umbrella("transcript", "danger", "mn")
    assert told.returncode == 0, told.stderr
    assert "102 цагдаа" in told.stdout
    missing = umbrella("transcript", "nothing", "mn")
    assert missing.returncode == 1
    assert "danger" in missing.stderr


def test_check_says_that_all_is_well_and_a_wrong_setting_what_to_mend() -> None:
    assert umbrella("check").returncode == 0
    wrong = umbrella("check", UMBRELLA_WEB_PORT="many")
    assert wrong.returncode == 1
    assert "UMBRELLA_WEB_PORT" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_database_that_cannot_be_opened_stops_the_start_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "umbrella.db").mkdir()
    told = umbrella("serve", UMBRELLA_HOME=str(tmp_path), UMBRELLA_WEB_PORT="0")
    assert told.returncode == 1
    assert "cannot be opened" in told.stderr
    assert "Traceback" not in told.stderr
