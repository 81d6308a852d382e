"""Which language somebody writes in: Mongolian in either script, or English. Needed only to choose the language of the reply."""

from collections.abc import Iterable, Mapping

from bot.understand.fold import CAP, IS_CYRILLIC, words


def vocabulary(phrases: Mapping[str, Iterable[str]]) -> Mapping[str, frozenset[str]]:
    """The folded words that only this language's phrases have, by language."""
    known = {language: {word for phrase in texts for word in words(phrase)} for language, texts in phrases.items()}
    return {
        language: frozenset(own - {word for other, theirs in known.items() if other != language for word in theirs})
        for language, own in known.items()
    }


def language_of(text: str, known: Mapping[str, frozenset[str]]) -> str:
    """The language of the text, or "" when it does not show."""
    if IS_CYRILLIC.search(text[:CAP].lower()):
        return "mn"
    said = words(text[:CAP])
    counts = {language: sum(word in own for word in said) for language, own in known.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > sum(counts.values()) / 2 else ""
