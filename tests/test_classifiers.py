"""What was trained: it hears veiled danger that no phrase holds, leaves everyday talk alone, and is kept and read as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bot.dialogue import Guide, respond
from bot.files import CONTENT
from bot.load import NotTrained, load_library
from bot.model import Conversation, Message, RiskNoticed
from bot.safety import build_danger, listen
from bot.train import fit_classes, fit_probabilities, load_trained, matrix, train
from bot.understand.concepts import build_concepts
from bot.understand.danger import KINDS, danger_scores
from bot.understand.fold import words
from bot.understand.linear import from_bytes, scores, to_bytes

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


def test_danger_that_no_phrase_holds_is_heard(guide: Guide) -> None:
    missed = [text for text in IN_DANGER if listen(guide.danger, guide.reader.read(text)).alarm is None]
    assert missed == []


def test_everyday_talk_is_left_alone(guide: Guide) -> None:
    assert [text for text in EVERYDAY if listen(guide.danger, guide.reader.read(text)).alarm is not None] == []


def test_danger_in_the_middle_of_a_long_message_is_heard(guide: Guide) -> None:
    small_talk = "өнөөдөр цаг агаар сайхан байна дэлгүүр орж талх авна дараа нь хоол хийнэ " * 8
    assert listen(guide.danger, guide.reader.read(small_talk + IN_DANGER[0] + " " + small_talk)).alarm is not None


def test_what_is_sure_comes_first_with_the_number_and_the_ordinary_answer_below(guide: Guide) -> None:
    first = {}
    for text in IN_DANGER:
        alarm = listen(guide.danger, guide.reader.read(text)).alarm
        if alarm and alarm.sure:
            replies, events = respond(guide, Conversation("mn", met=True), Message("1", "test", "me", text=text))
            first[text] = replies[0].name.partition(".")[0]
            assert RiskNoticed(alarm.level, sure=True) in events
            assert "{hl-mn-10" in guide.library.part("mn", replies[0].name).messages[0]
    assert first
    assert set(first.values()) <= {"help/emergency", "talk/distress", "talk/risk"}


def test_what_may_be_danger_gets_the_ordinary_answer_and_the_question(guide: Guide) -> None:
    hesitant = replace(guide.danger.classifier, figures={"sure": 2.0, "maybe": 0.3})
    unsure = replace(guide, danger=build_danger(guide.library.danger.values(), hesitant))
    replies, events = respond(unsure, Conversation("mn", met=True), Message("1", "test", "me", text=IN_DANGER[2]))
    assert replies[-1].name == "talk/danger-question"
    assert len(replies) > 1
    assert any(isinstance(event, RiskNoticed) and not event.sure for event in events)


@pytest.mark.parametrize(
    "card", ["talk/distress", "talk/distress.other", "talk/risk", "talk/risk.other", "help/emergency", "help/emergency.other"]
)
def test_every_crisis_card_lets_her_say_that_she_cannot_talk_or_was_misunderstood(guide: Guide, card: str) -> None:
    options = {option.name for option in guide.library.part("mn", card).options}
    assert "talk/misunderstood" in options
    assert options & {"talk/later", ".quiet"}


def test_the_plain_arrays_say_what_scikit_learn_says(guide: Guide) -> None:
    from sklearn.linear_model import LogisticRegression

    texts = [guide.reader.see(words(text)) for text in (*IN_DANGER, *EVERYDAY)]
    kinds = [number % 4 + 1 for number in range(len(IN_DANGER))] + [0] * len(EVERYDAY)
    ours = fit_probabilities(texts, kinds)
    rows = matrix(texts, ours.rarity)
    theirs = LogisticRegression(C=10, max_iter=1000, tol=1e-4).fit(rows, kinds).decision_function(rows)
    for text, expected in zip(texts, theirs, strict=True):
        assert scores(ours, text) == pytest.approx(expected, abs=0.05)
        assert int(np.argmax(scores(ours, text))) == int(np.argmax(expected))


def test_two_classes_are_learnt_as_well_as_many(guide: Guide) -> None:
    linear = fit_classes([*((text, "danger") for text in IN_DANGER), *((text, "") for text in EVERYDAY)], guide.reader)
    found = [linear.names[int(np.argmax(scores(linear, guide.reader.see(words(text)))))] for text in (*IN_DANGER, *EVERYDAY)]
    assert found == ["danger"] * len(IN_DANGER) + [""] * len(EVERYDAY)


def test_a_classifier_is_written_and_read_as_it_was_and_another_file_is_refused(guide: Guide) -> None:
    classifier = guide.danger.classifier
    again = from_bytes(to_bytes(classifier))
    for text in (*IN_DANGER, *EVERYDAY):
        said = guide.reader.read(text)
        assert danger_scores(again, said).tolist() == danger_scores(classifier, said).tolist()
    assert again.names == KINDS
    for wrong in (b"", b"something else", to_bytes(classifier)[:-4]):
        with pytest.raises(ValueError, match="umbrella train"):
            from_bytes(wrong)


def test_content_that_has_not_changed_is_not_learnt_again(models: Path) -> None:
    assert train(models) is False
    assert load_trained(models, load_library(CONTENT)).fresh


def test_until_it_is_learnt_anew_what_was_learnt_before_serves(models: Path, tmp_path: Path) -> None:
    older = tmp_path / "model"
    older.mkdir()
    for path in models.glob("*.bin"):
        (older / f"{path.name.partition('-')[0]}-0123456789abcdef.bin").write_bytes(path.read_bytes())
    assert load_trained(older, load_library(CONTENT)).fresh is False


def test_where_nothing_was_trained_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotTrained, match="umbrella train"):
        load_trained(tmp_path, load_library(CONTENT))


def test_a_word_has_the_meaning_of_its_own_entry_else_of_its_longest_stem() -> None:
    concepts = build_concepts([("doctor", "doctor эмч* эмнэл*"), ("medicine", "эм эмийн"), ("hospital", "эмнэлэг*")])
    assert [concepts.of(word) for word in words("doctor emneleg emnelgiin emchid эм pasport")] == [
        ("doctor",), ("hospital",), ("doctor",), ("doctor",), ("medicine",), (),
    ]  # fmt: skip
