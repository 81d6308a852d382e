"""What the classifiers learn from: the cards' `asks`, and the messages of content/understanding. Never from `tries`."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bot.content import ContentError, Library
from bot.files import HOUSE, Faults, notes, read_file
from bot.safety import LEVELS
from bot.understand.danger import KINDS
from bot.understand.rank import FOLLOWS, NOTHING

# Cards whose asks tell of danger themselves, and of which kind.
TOLD_BY = {
    "help/emergency": "emergency",
    "help/violence": "distress",
    "help/feelings": "distress",
    "trafficking/passport": "risk",
    "trafficking/debt": "risk",
    "trafficking/scam-centres": "risk",
    "trafficking/domestic-work": "risk",
    "trafficking/forced-labour": "risk",
    "trafficking/entertainment": "risk",
    "trafficking/boyfriend": "risk",
}
# Sections whose asks are ordinary questions. Those of the other cards may be either, and teach nothing here.
ORDINARY = ("registration/", "internal/", "campaign/", "about/", "menu/", "talk/", "return/avrr", "return/who", "return/before")
PHRASES = 3  # how often a reviewed phrase counts: short and plain, where the messages are long
HOW = ("understand/*.py", "lessons.py", "train.py")  # the code that learns: when it changes, what was learnt is learnt anew

LEARNT_FROM = ("danger", "questions", "follow-ups", "elsewhere", "concepts")  # of content/understanding

Lesson = tuple[str, str]  # a message, and its class


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is to be learnt."""

    cards: list[Lesson]  # the class is a card; NOTHING: no card is about it; FOLLOWS and a name: it asks on about the card before
    danger: list[Lesson]  # the class is one of KINDS


def read_lessons(library: Library, content: Path) -> Lessons:
    """Everything there is to learn from. Raises ContentError naming what cannot be read."""
    faults = Faults(content.parent)
    heard, asked, asked_on, elsewhere = (
        [read_file(path, faults) for path in notes(content, name)] for name in ("danger", "questions", "follow-ups", "elsewhere")
    )
    if faults.found:
        raise ContentError("\n".join(faults.found))
    questions = [(message, name) for note in asked for name, said in note.items() for message in in_all_languages(said)]
    return Lessons(
        cards=[
            *((ask, name) for name, ask in library.asks),
            *questions,
            *(
                (message, FOLLOWS + name)
                for note in asked_on
                for name, on in note.items()
                for message in in_all_languages(on["asks"])
            ),
            *((message, NOTHING) for note in heard for message in note.get("background", ())),
            *((message, NOTHING) for note in elsewhere for message in in_all_languages(note)),
        ],
        danger=[
            *(
                (message, "none" if kind == "background" else kind)
                for note in heard
                for kind, said in note.items()
                for message in said
            ),
            *(
                (phrase.replace("*", ""), level)
                for said in library.danger.values()
                for level in LEVELS
                for phrase in getattr(said, level) * PHRASES
            ),
            *((ask, TOLD_BY.get(name, KINDS[0])) for name, ask in library.asks if name in TOLD_BY or name.startswith(ORDINARY)),
            *((message, KINDS[0]) for message, name in questions if name.startswith(ORDINARY)),
            *((message, KINDS[0]) for note in elsewhere for message in in_all_languages(note)),
        ],
    )


def in_all_languages(said: dict[str, list[str]]) -> Iterator[str]:
    for messages in said.values():
        yield from messages


def digest(library: Library, content: Path) -> str:
    """Changes when there is something else to learn: not with a text that is edited, but with a phrase that is."""
    phrases = [library.danger[language] for language in library.languages]
    told = sha256(repr((library.asks, phrases)).encode())
    learnt_from = (path for name in LEARNT_FROM for path in notes(content, name))
    how = (path for pattern in HOW for path in sorted((HOUSE / "bot").glob(pattern)))
    for path in (*learnt_from, *how):
        told.update(path.read_bytes())
    return told.hexdigest()[:16]
