"""Long texts are cut where a reader would pause, and nothing of them is lost."""

from hypothesis import given
from hypothesis import strategies as st

from bot.channels.telegram import write
from bot.content import Option, Words
from bot.limits import split_text


def test_a_text_is_cut_at_the_ends_of_paragraphs_first() -> None:
    assert split_text("aaa aaa\n\nbbb bbb\nccc\n\nddd", 15) == ["aaa aaa", "bbb bbb\nccc", "ddd"]
    assert split_text("aaa bbb ccc", 8) == ["aaa bbb", "ccc"]
    assert split_text("a" * 10, 4) == ["aaaa", "aaaa", "aa"]


@given(st.text(alphabet="аб \n", max_size=200), st.integers(min_value=1, max_value=50))
def test_every_piece_fits_and_no_letter_is_lost(text: str, limit: int) -> None:
    pieces = split_text(text, limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_on_telegram_the_buttons_stand_under_the_last_piece() -> None:
    long = Words("x", "\n\n".join(["Урт мөр. " * 100] * 10), (Option("menu/main", "Цэс"),))
    payloads = write("7", long)
    assert len(payloads) > 1
    assert all(len(payload["text"]) <= 4096 for payload in payloads)
    assert ["reply_markup" in payload for payload in payloads] == [False] * (len(payloads) - 1) + [True]
