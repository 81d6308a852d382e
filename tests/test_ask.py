"""`umbrella ask` and `umbrella benchmark` keep their contract: one JSON object a line, and a clear word about a bad one."""

import json
from pathlib import Path

import pytest

from bot.ask import answers
from bot.benchmark import BadLines, benchmark, read_phrases, run
from bot.dialogue import Guide
from bot.evaluate import Share, as_json, as_table, evaluate, script_of


def asked(guide: Guide, *lines: object) -> list[dict[str, object]]:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return [json.loads(printed) for printed, _ in answers(guide, raw)]


def test_each_line_is_answered_by_one_object_of_the_agreed_shape(guide: Guide) -> None:
    found = asked(
        guide, {"text": "хотод нүүж ирээд хаягаа яаж бүртгүүлэх вэ"}, {"text": "thanks!", "language": "en"}, {"text": ""}
    )
    for one in found:
        assert set(one) == {"card", "candidates", "confidence", "decision", "danger", "sure", "language"}
        assert 0 <= float(str(one["confidence"])) <= 1
        assert len(list(one["candidates"])) <= 5  # type: ignore[call-overload]
    assert [one["decision"] for one in found] == ["answer", "smalltalk", "none"]
    assert found[1]["card"] == "talk/thanks"
    assert [one["language"] for one in found] == ["mn", "en", "mn"]


def test_danger_is_told_with_its_kind_and_whether_it_is_sure(guide: Guide) -> None:
    first, second = asked(guide, {"text": "намайг зодож байна"}, {"text": "маргааш цаг агаар ямар байх вэ"})
    assert (first["danger"], first["sure"]) == ("emergency", True)
    assert (second["danger"], second["sure"]) == (None, False)


@pytest.mark.parametrize("bad", [b"not json", b"[]", b'{"language": "mn"}', b'{"text": 5}', b"\xff\xfe"])
def test_a_bad_line_is_told_with_its_number_and_the_next_is_answered(guide: Guide, bad: bytes) -> None:
    told = list(answers(guide, [bad, b'{"text": "help"}']))
    assert "line 1" in told[0][1]
    assert '"text"' in json.loads(told[0][0])["error"]
    assert json.loads(told[1][0])["danger"] == "emergency"


def test_labelled_phrases_of_any_kind_are_learnt(guide: Guide) -> None:
    train = [(f"{verb} the {thing}", verb) for verb in ("open", "close", "paint") for thing in ("door", "window", "gate", "box")]
    train += [(f"why is the {thing} red", "") for thing in ("sky", "sea", "bus", "tree")]
    found = benchmark(
        train, [("please open this door", "open"), ("paint a big gate", "paint"), ("why is the moon red", "")], guide.reader
    )
    assert (found.accuracy, found.top3, found.out_of_scope_recall) == (1.0, 1.0, 1.0)
    assert (found.phrases, found.classes, found.questions, found.out_of_scope) == (16, 3, 2, 1)


def test_a_file_of_phrases_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text('{"text": "open it", "label": "open"}\n{"text": "eh", "label": null}\n', encoding="utf-8")
    bad.write_text('{"text": "open it", "label": "open"}\n{"text": 1}\n', encoding="utf-8")
    assert read_phrases(good) == [("open it", "open"), ("eh", "")]
    with pytest.raises(BadLines, match="bad:2"):
        read_phrases(bad)
    assert run(good, tmp_path / "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err


def test_the_table_has_a_share_with_its_bounds_for_every_way_of_writing(guide: Guide) -> None:
    rows = evaluate(guide)
    table = as_table(rows)
    assert {"mn", "mn-Latin", "en", "mixed"} == set(rows)
    for name in ("tries: first", "hand c: in three", "emergency: sure or maybe", "lookalike: sure", "no card: not answered"):
        assert f"| {name} |" in table
    assert json.loads(as_json(rows))["en"]["tries: first"]["of"] > 400


def test_bounds_are_those_of_wilson() -> None:
    low, high = Share(66, 66).bounds()
    assert (round(low, 3), round(high, 3)) == (0.945, 1.0)
    assert Share().bounds() == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [("сайн уу", "mn", "mn"), ("sain uu", "mn", "mn-Latin"), ("hello", "en", "en"), ("виз extension хийх", "mn", "mixed")],
)
def test_how_a_message_is_written_is_told(text: str, language: str, script: str) -> None:
    assert script_of(text, language) == script
