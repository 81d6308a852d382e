"""A bot that is killed in the middle of everything loses no turn, mixes none up, and repeats at most what was on its way."""

import pytest

from bench.kill import Heard, Report, Turn, drill_messenger, drill_telegram, judge

SEED = 20261125
TURNS = [Turn("tap", "a", ("a1", "a2")), Turn("tap", "b", ("b1",)), Turn("tap", "c", ("c1", "c2", "c3"))]


@pytest.mark.timeout(120)
async def test_nothing_is_lost_or_mixed_up_by_kills_with_the_webhook_and_polled() -> None:
    unharmed(await drill_telegram(webhook=3, polling=3, seed=SEED))


@pytest.mark.timeout(120)
async def test_nothing_is_lost_or_mixed_up_by_kills_on_messenger() -> None:
    unharmed(await drill_messenger(rounds=3, seed=SEED))


def unharmed(report: Report) -> None:
    assert report.tally.faults == ()
    assert report.tally.whole
    assert report.tally.turns > 100
    assert report.settled, "something is still on its way"
    assert report.turning == 0, "a tapped button still turns"
    assert report.ended == 0, "the bot did not end well when it was asked to"


@pytest.mark.parametrize(
    ("heard", "starts", "expected"),
    [
        ("a1 a2 b1 c1 c2 c3", [], {}),
        ("a1 a1 a2 b1 c1 c2 c3", [1.5], {"doubled": 1}),
        ("a1 a2 b1 b1 c1 c2 c3", [3.5], {"doubled": 1}),
        ("a1 a1 a1 a2 b1 c1 c2 c3", [1.5, 2.5], {"doubled": 2}),
        ("a1 a1 a1 a2 b1 c1 c2 c3", [1.5], {"doubled": 1, "doubled_beyond": 1}),
        ("a1 a2 b1 b1 c1 c2 c3", [], {"doubled_beyond": 1}),
        ("a1 a2 b1 a1 a2 c1 c2 c3", [3.5], {"doubled_beyond": 1}),
        ("a1 a2 c1 c2 c3", [], {"lost": 1}),
        ("a1 a2 b1 c1 c3", [], {"lost": 1, "strange": 1}),
        ("a1 a2 c1 c2 c3 b1", [], {"out_of_order": 1}),
        ("a1 a2 b1 c1 c2 c3 d1", [], {"strange": 1}),
        ("", [], {"lost": 3}),
    ],
)
def test_the_drill_tells_what_became_of_each_turn(heard: str, starts: list[float], expected: dict[str, int]) -> None:
    tally = judge(TURNS, [Heard(text, at) for at, text in enumerate(heard.split(), start=1)], starts)

    found = {name: getattr(tally, name) for name in ("doubled", "doubled_beyond", "lost", "out_of_order", "strange")}
    assert {name: number for name, number in found.items() if number} == expected
    assert tally.whole == (set(expected) <= {"doubled"})
    assert bool(tally.faults) != tally.whole
