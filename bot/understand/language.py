"""Which language somebody writes in: Mongolian in either script, or English. Needed only to choose the language of the reply."""

import re
from collections.abc import Iterable, Mapping, Sequence

from bot.understand.fold import CAP, words

CYRILLIC_WORD = re.compile(r"[а-яёөүєїɵұўһі]{2,}")


def vocabulary(phrases: Mapping[str, Iterable[str]]) -> Mapping[str, frozenset[str]]:
    """The folded words that only this language's phrases have, by language."""
    known = {language: {word for phrase in texts for word in words(phrase)} for language, texts in phrases.items()}
    return {
        language: frozenset(own - {word for other, theirs in known.items() if other != language for word in theirs})
        for language, own in known.items()
    }


def language_of(text: str, said: Sequence[str], known: Mapping[str, frozenset[str]]) -> tuple[str, int]:
    """The language of a text and its folded words, "" when it does not show; and how many words tell, less those that deny it."""
    cyrillic = len(CYRILLIC_WORD.findall(text[:CAP].lower()))
    counts = {language: sum(word in own for word in said[:CAP]) for language, own in known.items()}
    if cyrillic:
        return "mn", cyrillic - counts.get("en", 0)
    best = max(counts, key=lambda language: counts[language])
    lead = 2 * counts[best] - sum(counts.values())
    return (best, lead) if lead > 0 else ("", 0)
