"""The trained ear: it hears veiled danger that no phrase holds, leaves everyday talk alone, and what it is unsure of it asks."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.dialogue import Guide, respond
from bot.load import load_library
from bot.model import Conversation, Message, RiskNoticed
from bot.safety import build_danger, listen
from bot.train import CONTENT, fit_probabilities, load_trained, matrix, train
from bot.understand.danger import KINDS, probabilities
from bot.understand.fold import words
from bot.understand.linear import Linear, from_bytes, to_bytes

# Written for this test alone, none of it learnt from: first person and about a friend, plain and veiled, in three scripts.
IN_DANGER = [
    "манай эзэн бидний бүх бичиг баримтыг хураагаад буцааж өгөхгүй, орой болгон түгжчихдэг",
    "zochid buudliin uruund 3 honog tugjeetei baina utas maani abchihsan",
    "эгч минь хятад руу гэрлээд явснаас хойш ярьж чадахаа больсон, нөхөр нь утсыг нь авчихсан гэсэн",
    "тэр хүн намайг дахиад алгадлаа, би өрөөндөө нуугдчихсан байна",
    "tsalin ugahgui 4 sar bolloo garch bolohgui gesen manaach bgaa",
    "надаас өрөө төл гээд өөр эрчүүдтэй унт гэж шахаж байна",
    "би ингэж амьдармааргүй байна, бүх юм дууссан",
    "naiz maani kambodjid barigdaad bna gergui bol zodno gj bichsen",
    "нүцгэн зургийг маань тараана гээд мөнгө нэхээд байна",
    "he locks the door every night and took our passports",
    "my cousin went to work in dubai and now a man answers her phone and says she owes money",
    "they make me talk to customers all night and beat us if we do not reach the number",
    "i do not want to wake up tomorrow",
    "my boyfriend says he will send my photos to my father if i leave him",
    "the boss says i must work until the debt is paid and nobody may go outside",
]
EVERYDAY = [
    "маргааш цаг агаар ямар байх вэ",
    "автобусны хуваарь хэлж өгөөч",
    "hoolnii jor heregtei bna",
    "шалгалтандаа тэнцсэн баяртай байна",
    "улаанбаатарт хаягаа яаж солих вэ",
    "what time does the office open",
    "can you recommend a good restaurant",
    "i love this song",
    "how do i register my new address",
    "сайн байна уу баярлалаа",
]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Linear:
    home: Path = tmp_path_factory.mktemp("trained")
    train(home)
    found = load_trained(home, load_library(CONTENT)).danger
    assert found is not None
    return found


@pytest.fixture(scope="module")
def trained(guide: Guide, classifier: Linear) -> Guide:
    return replace(guide, danger=build_danger(guide.library.danger.values(), classifier))


def test_danger_that_no_phrase_holds_is_heard(trained: Guide) -> None:
    missed = [text for text in IN_DANGER if listen(trained.danger, text) is None]
    assert len(missed) <= 1, missed


def test_everyday_talk_is_left_alone(trained: Guide) -> None:
    assert [text for text in EVERYDAY if listen(trained.danger, text) is not None] == []


def test_danger_in_the_middle_of_a_long_message_is_heard(trained: Guide) -> None:
    small_talk = "өнөөдөр цаг агаар сайхан байна дэлгүүр орж талх авна дараа нь хоол хийнэ " * 8
    assert listen(trained.danger, small_talk + IN_DANGER[0] + " " + small_talk) is not None


def test_what_is_sure_comes_first_with_the_number_and_the_ordinary_answer_below(trained: Guide) -> None:
    first = {}
    for text in IN_DANGER:
        alarm = listen(trained.danger, text)
        if alarm and alarm.sure:
            replies, events = respond(trained, Conversation("mn", met=True), Message("1", "test", "me", text=text))
            first[text] = replies[0].name
            assert RiskNoticed(alarm.level, sure=True) in events
            assert "{hl-mn-10" in trained.library.part("mn", replies[0].name).messages[0]
    assert first
    assert set(first.values()) <= {"help/emergency", "talk/distress", "talk/risk"}


def test_what_may_be_danger_gets_the_ordinary_answer_and_the_question(trained: Guide, classifier: Linear) -> None:
    unsure = replace(
        trained, danger=build_danger(trained.library.danger.values(), replace(classifier, figures={"sure": 2.0, "maybe": 0.3}))
    )
    replies, events = respond(unsure, Conversation("mn", met=True), Message("1", "test", "me", text=IN_DANGER[0]))
    assert replies[-1].name == "talk/danger-question"
    assert len(replies) > 1
    assert any(isinstance(event, RiskNoticed) and not event.sure for event in events)
    offered = {option.name for option in unsure.library.part("mn", "talk/danger-question").options}
    assert {"help/emergency", "talk/misunderstood"} <= offered


def test_the_plain_arrays_say_what_scikit_learn_says() -> None:
    from sklearn.linear_model import LogisticRegression

    texts = [words(text) for text in (*IN_DANGER, *EVERYDAY)]
    kinds = [number % 3 + 1 for number in range(len(IN_DANGER))] + [0] * len(EVERYDAY)
    ours = fit_probabilities(texts, kinds)
    rows = matrix(texts, ours.rarity)
    theirs = LogisticRegression(C=10, max_iter=1000, tol=1e-4).fit(rows, kinds).predict_proba(rows)
    for text, expected in zip(texts, theirs, strict=True):
        assert probabilities(ours, text[:40]) == pytest.approx(tuple(expected), abs=1e-4)


def test_a_classifier_is_written_and_read_as_it_was_and_another_file_is_refused(classifier: Linear) -> None:
    again = from_bytes(to_bytes(classifier))
    for text in (*IN_DANGER, *EVERYDAY):
        assert probabilities(again, words(text)) == pytest.approx(probabilities(classifier, words(text)), abs=1e-6)
    assert len(KINDS) == len(again.bias)
    for wrong in (b"", b"something else", to_bytes(classifier)[:-4]):
        with pytest.raises(ValueError, match="umbrella train"):
            from_bytes(wrong)


def test_content_that_has_not_changed_is_not_learnt_again(tmp_path: Path) -> None:
    library = load_library(CONTENT)
    assert load_trained(tmp_path, library).danger is None
    paths = train(tmp_path)
    made = [path.stat().st_mtime_ns for path in paths]
    assert train(tmp_path) == paths
    assert [path.stat().st_mtime_ns for path in paths] == made
