"""Checks: every path of answers ends in a band, nothing on it is a dead end, and nothing of it is kept; faults are named."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.checks import BEGIN, SIGNS, SKIP, SKIPPED, UNKNOWN, Check, band, many_open, part_of, reached, score, signs
from bot.content import ContentError, Library, put_into_words
from bot.dialogue import Guide, respond
from bot.files import CONTENT, Faults, read_file
from bot.load import load_library
from bot.model import COMMON, Conversation, Message, Reply
from bot.service import Service
from bot.store import Store, dump, restore

LIBRARY = load_library(CONTENT)
CHECKS = LIBRARY.checks
each_check = pytest.mark.parametrize("name", CHECKS)


def answers(check: Check, chosen: Callable[[dict[str, int]], str]) -> dict[str, str]:
    """One answer to every question."""
    return {question.name: chosen(dict(question.scores)) for question in check.questions}


def lightest(scores: dict[str, int]) -> str:
    return min(scores, key=lambda answer: scores[answer])


def weightiest(scores: dict[str, int]) -> str:
    return max(scores, key=lambda answer: scores[answer])


@st.composite
def any_answers(draw: st.DrawFn) -> tuple[Check, dict[str, str]]:
    """A check, and any one answer to each of its questions."""
    check = CHECKS[draw(st.sampled_from(sorted(CHECKS)))]
    return check, {question.name: draw(st.sampled_from(question.answers)) for question in check.questions}


# What answers add up to


@each_check
def test_all_paths_of_answers_end_in_a_band_and_every_band_is_the_end_of_one(name: str) -> None:
    """Of all paths, those with the same sum and as many open questions come to the same end: each end is looked at."""
    check = CHECKS[name]
    ends: dict[tuple[int, int], dict[str, str]] = {(0, 0): {}}
    for question in check.questions:
        ends = {
            (total + question.scores.get(answer, 0), left_open + (answer in (UNKNOWN, SKIP))): {**before, question.name: answer}
            for (total, left_open), before in ends.items()
            for answer in question.answers
        }
    for (total, left_open), path in ends.items():
        assert reached(check, path) == ""
        assert score(check, path) == total
        assert band(check, path).least <= total
        assert many_open(check, path) == (left_open >= check.skipped)
    assert {band(check, path).name for path in ends.values()} == {band.name for band in check.bands}
    assert {many_open(check, path) for path in ends.values()} == {True, False}


@given(any_answers(), st.data())
def test_a_weightier_answer_never_makes_the_result_lighter(drawn: tuple[Check, dict[str, str]], data: st.DataObject) -> None:
    check, path = drawn
    question = data.draw(st.sampled_from(check.questions))
    lighter, heavier = sorted(question.answers, key=lambda answer: question.scores.get(answer, 0))[:: len(question.answers) - 1]
    less, more = {**path, question.name: lighter}, {**path, question.name: heavier}
    assert score(check, less) <= score(check, path) <= score(check, more)
    assert band(check, less).least <= band(check, path).least <= band(check, more).least


@given(any_answers())
def test_what_is_not_known_or_not_said_counts_nothing(drawn: tuple[Check, dict[str, str]]) -> None:
    check, path = drawn
    said = {question: answer for question, answer in path.items() if answer not in (UNKNOWN, SKIP)}
    assert (score(check, path), signs(check, path)) == (score(check, said), signs(check, said))


@given(any_answers())
def test_a_result_names_the_weightiest_signs_and_only_what_was_answered(drawn: tuple[Check, dict[str, str]]) -> None:
    check, path = drawn
    weights = {part_of(one.name, path[one.name]): one.scores.get(path[one.name], 0) for one in check.questions}
    named = signs(check, path)
    assert len(named) == min(SIGNS, sum(weight > 0 for weight in weights.values()))
    assert all(weights[part] > 0 for part in named)
    assert all(weights[first] >= weights[then] for first, then in pairwise(named))
    assert all(weights[part] <= weights[named[-1]] for part in weights.keys() - set(named) if named)


# Walking a check


class Walk:
    """A person who walks a check, and is forgotten and remembered between all turns."""

    def __init__(self, guide: Guide, name: str, language: str = "mn") -> None:
        self.guide, self.name, self.language = guide, name, language
        self.conversation = Conversation(language, met=True)
        self.said: list[Reply] = []
        self.heard: set[str] = set()
        self.tap(name)

    def tap(self, name: str) -> None:
        """Press this button, which must be there, and see that nothing on the next screen is a dead end."""
        assert not self.said or name in self.options(), name
        message = Message("1", "test", "me", tap=name)
        self.said, events = respond(self.guide, self.conversation, message)
        self.conversation = restore(dump(self.conversation.after(events)))
        self.heard |= {reply.name.partition(".")[2] for reply in self.said}
        assert not self.said[-1].name.startswith("talk/")
        assert {common.name for common in COMMON} - {self.said[-1].name} <= set(self.options())

    def options(self) -> list[str]:
        return [
            option.name
            for reply in self.said
            for words in put_into_words(reply, self.language, self.guide.library)
            for option in words.options
        ]

    def answer(self, question: str, answer: str) -> None:
        assert self.conversation.place == f"{self.name}.{question}"
        self.tap(f"{self.name}.{part_of(question, answer)}")

    def all_of(self, path: dict[str, str]) -> "Walk":
        self.tap(f"{self.name}.{BEGIN}")
        for question, answer in path.items():
            self.answer(question, answer)
        return self


def paths(check: Check) -> Iterator[dict[str, str]]:
    """From each of four persons, every path that differs from hers in one answer."""
    for person in (lightest, weightiest, lambda _: UNKNOWN, lambda _: SKIP):
        hers = answers(check, person)
        for question in check.questions:
            for answer in question.answers:
                yield {**hers, question.name: answer}


@each_check
@pytest.mark.parametrize("language", LIBRARY.languages)
def test_every_walk_ends_in_the_band_of_its_answers_and_each_part_is_said_on_some(guide: Guide, name: str, language: str) -> None:
    check, heard = CHECKS[name], set[str]()
    for path in paths(check):
        walk = Walk(guide, name, language).all_of(path)
        result = band(check, path)
        said = [reply.name.partition(".")[2] for reply in walk.said]
        assert walk.conversation.place == f"{name}.{result.name}"
        assert [part for part in said if part in signs(check, path)] == list(signs(check, path))
        assert (SKIPPED in said) == many_open(check, path)
        assert set(result.next) <= set(walk.options())
        assert walk.conversation.checks == ()
        heard |= walk.heard
    assert heard == set(LIBRARY.card(language, name).parts)


@settings(max_examples=60, deadline=None)
@given(drawn=any_answers(), data=st.data())
def test_going_back_leaving_and_coming_back_anywhere_come_to_the_same_end(
    guide: Guide, drawn: tuple[Check, dict[str, str]], data: st.DataObject
) -> None:
    check, path = drawn
    name = next(name for name, known in CHECKS.items() if known is check)
    walk = Walk(guide, name, data.draw(st.sampled_from(LIBRARY.languages)))
    walk.tap(f"{name}.{BEGIN}")
    asked = list(path)
    for number, question in enumerate(asked):
        match data.draw(st.sampled_from(("go on", "go on", "back", "leave", "leave for good"))):
            case "back" if number:
                before = asked[number - 1]
                walk.tap("back")
                path[before] = data.draw(st.sampled_from(next(one for one in check.questions if one.name == before).answers))
                walk.answer(before, path[before])
            case "leave":
                walk.tap("help/emergency")
                walk.tap("back")
            case "leave for good" if number:
                walk.tap("menu/main")
                walk.said = []
                walk.tap(name)
                walk.tap(f"{name}.{question}")
        walk.answer(question, path[question])
    assert walk.conversation.place == f"{name}.{band(check, path).name}"


@each_check
def test_what_was_answered_is_names_only_and_is_gone_when_the_check_ends(guide: Guide, name: str) -> None:
    walk = Walk(guide, name)
    walk.tap(f"{name}.{BEGIN}")
    path = answers(CHECKS[name], weightiest)
    *before, (last, answer) = path.items()
    for question, chosen in before:
        walk.answer(question, chosen)
    assert walk.conversation.given(name, CHECKS[name].version) == tuple(before)
    walk.answer(last, answer)
    remembered = dump(walk.conversation.after([]))
    assert not [part for question, chosen in path.items() if (part := part_of(question, chosen)) in remembered]


@each_check
def test_answers_to_another_version_are_dropped(guide: Guide, name: str) -> None:
    walk = Walk(guide, name)
    walk.tap(f"{name}.{BEGIN}")
    first = CHECKS[name].questions[0]
    walk.answer(first.name, first.answers[0])
    walk.guide = replace(guide, library=newer(guide.library, name))
    walk.tap("back")
    assert (walk.said[0].name, walk.conversation.checks) == (name, ())
    walk.tap(f"{name}.{BEGIN}")
    walk.answer(first.name, first.answers[0])
    assert [begun.version for begun in walk.conversation.checks] == [CHECKS[name].version + 1]


def newer(library: Library, name: str) -> Library:
    """The library in which this check means something else than before."""
    check = library.checks[name]
    return replace(library, checks={**library.checks, name: replace(check, version=check.version + 1)})


@each_check
def test_a_question_that_was_taken_out_of_a_check_leaves_nobody_stuck(guide: Guide, name: str) -> None:
    walk = Walk(guide, name)
    walk.tap(f"{name}.{BEGIN}")
    check, (first, second, *_) = CHECKS[name], CHECKS[name].questions
    walk.answer(first.name, first.answers[0])
    shorter = replace(check, questions=check.questions[1:])
    walk.guide = replace(guide, library=replace(guide.library, checks={**guide.library.checks, name: shorter}))
    walk.tap("back")
    walk.tap(f"{name}.{BEGIN}")
    assert walk.conversation.place == f"{name}.{second.name}"


@each_check
async def test_a_check_counts_nobody_and_leaves_no_answer_in_the_store(guide: Guide, store: Store, name: str) -> None:
    service = Service(guide, store)
    path = answers(CHECKS[name], weightiest)
    for number, tap in enumerate([name, f"{name}.{BEGIN}", *(f"{name}.{part_of(*one)}" for one in path.items())]):
        received = await service.receive(Message(str(number), "test", "anna", tap=tap))
    assert received.words[-1].name.startswith(name)
    assert await store.counted() == []
    conversation = await store.conversation("test", "anna")
    assert conversation is not None
    assert conversation.checks == ()


# Content that is not whole


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A copy of the content, to be spoilt."""
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


def is_noticed(content: Path, path: Path, spoilt: str) -> bool:
    """Whether the content with this text in this file is refused. The file is as before afterwards."""
    before = path.read_text(encoding="utf-8")
    path.write_text(spoilt, encoding="utf-8")
    try:
        load_library(content)
    except ContentError:
        return True
    finally:
        path.write_text(before, encoding="utf-8")
    return False


@each_check
def test_no_part_and_no_answer_can_be_taken_out_of_the_words(content: Path, name: str) -> None:
    unnoticed = []
    parts = [part for part in LIBRARY.card("mn", name).parts if part]
    for number, part in enumerate(parts):
        path = content / ("mn", "en")[number % 2] / f"{name}.md"  # the two languages in turn, to save time
        text = path.read_text(encoding="utf-8")
        begins = text.index(f"\n## {part}\n") + 1
        ends = text.find("\n## ", begins) + 1 or len(text)
        section = text[begins:ends]
        for spoilt in ("", *(section.replace(row, "", 1) for row in section.splitlines(keepends=True) if row.startswith("* "))):
            if not is_noticed(content, path, text[:begins] + spoilt + text[ends:]):
                unnoticed.append((part, spoilt))
    assert unnoticed == []


@each_check
def test_nothing_can_be_taken_out_of_the_structure(content: Path, name: str) -> None:
    path = content / "checks" / f"{name.rpartition('/')[2]}.yaml"
    read = read_file(path, Faults(content))
    unnoticed = []
    for keys in [
        *((key,) for key in read),
        *(("questions", question) for question in read["questions"]),
        *(("questions", question, answer) for question, scores in read["questions"].items() for answer in scores),
        *(("bands", result) for result in read["bands"]),
        *(("bands", result, key) for result, written in read["bands"].items() for key in written),
    ]:
        whole = read_file(path, Faults(content))
        *above, last = keys
        holder = whole
        for key in above:
            holder = holder[key]
        del holder[last]
        if not is_noticed(content, path, yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)):
            unnoticed.append(keys)
    assert unnoticed == []


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(before) >= 1, "the test changes nothing"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


YAML, MN, EN = "checks/self-check.yaml", "mn/signs/self-check.md", "en/signs/self-check.md"
SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("no structure", lambda c: (c / YAML).unlink(), "write content/checks/self-check.yaml"),
    ("a structure without words", lambda c: (c / "checks/another.yaml").write_text((c / YAML).read_text(encoding="utf-8"), encoding="utf-8"), "no card of kind check"),  # noqa: E501
    ("a structure that is no yaml", lambda c: edit(c / YAML, "questions:", "questions: ["), "cannot be read"),
    ("a score that is no number", lambda c: edit(c / YAML, "other: 2", "other: much"), "Expected `int`"),
    ("a score below nothing", lambda c: edit(c / YAML, "other: 2", "other: -2"), ">= 0"),
    ("a key nobody knows", lambda c: edit(c / YAML, "skipped:", "skiped: 1\nskipped:"), "skiped"),
    ("an answer without words", lambda c: edit(c / YAML, "{same: 0,", "{same: 0, alike: 0,"), "the buttons of work"),
    ("a score without an explanation", lambda c: edit(c / YAML, "{same: 0,", "{same: 1,"), "## work-same"),
    ("a question without words", lambda c: edit(c / YAML, "  rest:", "  food: {enough: 0}\n  rest:"), "## food"),
    ("an answer that is always there", lambda c: edit(c / YAML, "{same: 0,", "{unknown: 0,"), "always there"),
    ("too many answers", lambda c: edit(c / YAML, "{same: 0,", "{a: 0, b: 0, d: 0, e: 0, f: 0, g: 0, same: 0,"), "1 to 7"),
    ("a name with two meanings", lambda c: edit(c / YAML, "  signs:", "  work:"), "work means two things"),
    ("no band for low scores", lambda c: edit(c / YAML, "none: {least: 0", "none: {least: 1"), "begins at 0"),
    ("bands out of order", lambda c: edit(c / YAML, "signs: {least: 1", "signs: {least: 6"), "highest to the lowest"),
    ("a band that is never reached", lambda c: edit(c / YAML, "person: {least: 5", "person: {least: 90"), "add up to person"),
    ("a next step that is nowhere", lambda c: edit(c / YAML, "help/near-me", "help/nowhere"), "leads nowhere"),
    ("no way to a person", lambda c: edit(c / YAML, "help/counsellor, ", ""), "to a person"),
    ("a rule that never holds", lambda c: edit(c / YAML, "skipped: 5", "skipped: 12"), "1 to 11"),
    ("an answer in one language", lambda c: edit(c / EN, "* same: As they told me\n", ""), "the buttons of work"),
    ("an answer without a label", lambda c: edit(c / EN, "* same: As they told me", "* same"), "needs words"),
    ("the answers in another order", lambda c: edit(c / EN, "* same: As they told me\n* other: Quite different now", "* other: Quite different now\n* same: As they told me"), "in this order: same, other"),  # noqa: E501
    ("two answers that read alike", lambda c: edit(c / EN, "* same: As they told me", "* same: quite different now"), "same words"),  # noqa: E501
    ("words that nobody sees", lambda c: edit(c / MN, "## work-other", "## work-others"), "nobody ever sees work-others"),
    ("a wrong number of the question", lambda c: edit(c / MN, "2/11. ", "3/11. "), "'2/11. '"),
    ("buttons under an explanation", lambda c: edit(c / MN, "\n## rest\n", "\n* help/police\n\n## rest\n"), "the buttons of work-other"),  # noqa: E501
    ("an explanation of two messages", lambda c: edit(c / MN, "\n## rest\n", "\n---\nБас нэг.\n\n## rest\n"), "one message"),
    ("no button to leave a question open", lambda c: edit(c / "mn/talk/buttons.md", "* skip: Алгасах\n", ""), "* skip: …"),
    ("another kind in one language", lambda c: edit(c / EN, "kind: check", "kind: article"), "article here and check"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "told"), [case[1:] for case in SPOILT], ids=[case[0] for case in SPOILT])
def test_a_fault_of_a_check_is_named_with_its_file_and_line(content: Path, spoil: Callable[[Path], object], told: str) -> None:
    spoil(content)
    with pytest.raises(ContentError) as caught:
        load_library(content)
    assert told in str(caught.value)
    assert all(line.startswith("content/") and line.split(":")[1].isdigit() for line in str(caught.value).splitlines())


SMALL = """---
kind: check
label: {label}
source: [hl-mn-102]
reviewed: {{by: drafting team, on: 2026-11-25}}
---
{hello} {{hl-mn-102}}.

## sky
1/1. {question}
* blue: {blue}
* red: {red}

## sky-red
{why}

## storm
{why}

## calm
{why}

## skipped
{why}
"""


def test_another_check_is_files_only(guide: Guide, content: Path) -> None:
    words = {"label": "Small", "hello": "Hello", "question": "Which sky?", "blue": "Blue", "red": "Red", "why": "Look again."}
    for language in ("mn", "en"):
        (content / language / "signs" / "small.md").write_text(SMALL.format(**words), encoding="utf-8")
    structure = "version: 1\nquestions:\n  sky: {blue: 0, red: 1}\nskipped: 1\nbands:\n"
    bands = "  storm: {least: 1, next: [help/counsellor]}\n  calm: {least: 0, next: [help/hotlines]}\n"
    (content / "checks" / "small.yaml").write_text(structure + bands, encoding="utf-8")
    walk = Walk(replace(guide, library=load_library(content)), "signs/small").all_of({"sky": "red"})
    assert [reply.name for reply in walk.said] == ["signs/small.storm", "signs/small.sky-red"]
    assert "help/counsellor" in walk.options()
