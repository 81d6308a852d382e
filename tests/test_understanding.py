"""How well questions are understood, measured on wordings that nothing was trained on. The floors only ever rise."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest
import yaml

from bot.dialogue import Guide
from bot.load import load_guide
from bot.train import load_trained, train

HELD_BACK = Path(__file__).parent / "understanding"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Guide:
    home: Path = tmp_path_factory.mktemp("trained")
    train(home)
    return load_guide(trained=partial(load_trained, home))


def outcomes(guide: Guide, questions: list[tuple[str, str]]) -> dict[str, float]:
    """What becomes of these (card, question), as shares of all of them."""
    counts: Counter[str] = Counter()
    for card, question in questions:
        found = guide.understand(question)
        if found.card:
            counts["right" if found.card == card else "wrong"] += 1
        else:
            counts["offered" if card in found.candidates else "not offered" if found.candidates else "nothing"] += 1
    return {outcome: count / len(questions) for outcome, count in counts.items()}


def test_most_wordings_kept_back_lead_to_their_card_or_have_it_among_three(trained: Guide) -> None:
    kept_back = [
        (name, words) for cards in trained.library.cards.values() for name, card in cards.items() for words in card.tries
    ]
    found = outcomes(trained, kept_back)
    assert found["right"] + found["offered"] >= 0.58, found
    assert found["wrong"] <= 0.16, found


def test_what_no_card_is_about_is_seldom_answered_with_one(trained: Guide) -> None:
    texts = (yaml.safe_load(path.read_text(encoding="utf-8"))["none"] for path in sorted(HELD_BACK.glob("*.yaml")))
    strangers = [("", question) for by_language in texts for said in by_language.values() for question in said]
    found = outcomes(trained, strangers)
    assert len(strangers) >= 150
    assert found["wrong"] <= 0.10, found
    assert found["nothing"] >= 0.75, found


def test_every_ask_of_a_card_leads_to_it_or_offers_it(trained: Guide) -> None:
    asked = [(name, ask) for cards in trained.library.cards.values() for name, card in cards.items() for ask in card.asks]
    found = outcomes(trained, asked)
    assert found["right"] + found["offered"] >= 0.99, found


@pytest.mark.parametrize("nonsense", ["", " ", "?!", "😀", "ъъъъ", "zzzz qqqq", "1234567", "a" * 5000])
def test_nonsense_is_not_guessed_at(trained: Guide, nonsense: str) -> None:
    assert trained.understand(nonsense).card == ""
