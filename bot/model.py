"""The nouns of the house: messages, replies, events, and the conversation they add up to.

Every value here is frozen. Nothing here reads a clock, a file, a socket or a die.
Rule 3: no event has a free-text field, so a person's words cannot be kept by mistake.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

SAFETY_LINE = "talk/safety-line"
TRAIL = 12  # how far "back" reaches
WALKS = 6  # how many half-read step cards are remembered
SUSPICIONS = 2  # how many messages back what was heard of danger counts
WATCH = 2  # turns after an unanswered question about danger in which the number is said again


@dataclass(frozen=True, slots=True)
class Message:
    """What a person sent, whichever channel it came by: words, the name of the option tapped, or something without words."""

    id: str  # the channel's own; the same again means delivered again
    channel: str
    address: str  # where the channel can answer; sealed before it is kept
    text: str = ""
    tap: str = ""
    attachment: str = ""  # voice, picture, video, sticker, location, contact, file: its kind only, never what was in it
    language: str = ""  # what the person's app is set to: a hint
    code: str = ""  # what the link she came by carries: the name of a card, or of a poster
    greeted: bool = False  # the channel has shown the first meeting already, as the web page does
    receipt: str = ""  # what the channel wants back for a tap
    hand: str = ""  # who holds the conversation from now on, when this tells that: person (at the Page's inbox) or bot
    hour: int = 0  # hours since 1970, where the channel tells when it happened
    point: tuple[float, float] | None = field(default=None, repr=False)  # a shared location to 0.1 degree: used, and never kept


class Added(NamedTuple):
    """An option that the turn adds under a text: what it leads to, and which of the bot's own buttons it is.

    With "" as the button it is called by the label of the card.
    """

    name: str
    button: str = ""


COMMON = (Added("help/emergency", "help"), Added("menu/main", "menu"), Added("back", "back"))  # under every turn's last reply


@dataclass(frozen=True, slots=True)
class Reply:
    """What the bot says, by name. The words for the name are in content/. The options come after the text's own."""

    name: str
    options: tuple[Added, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a turn. Named in the past tense; never changed, only added."""


@dataclass(frozen=True, slots=True)
class Met(Event):
    """The person was told who the bot is."""


@dataclass(frozen=True, slots=True)
class LanguageNoticed(Event):
    """The first words, or the person's app, were in this language."""

    language: str


@dataclass(frozen=True, slots=True)
class LanguageChosen(Event):
    language: str


@dataclass(frozen=True, slots=True)
class Said(Event):
    """This was put before the person. What the last turn said decides which labels and numbers count as an answer."""

    name: str
    options: tuple[Added, ...] = ()


@dataclass(frozen=True, slots=True)
class Went(Event):
    """The person is at this place now: a card, or a part of one."""

    place: str


@dataclass(frozen=True, slots=True)
class WentBack(Event):
    """The person left the place she was at for the one before."""


@dataclass(frozen=True, slots=True)
class StepReached(Event):
    """The person is at this step of a card that is walked step by step; "" when she has walked it to the end."""

    card: str
    step: str


@dataclass(frozen=True, slots=True)
class CheckAnswered(Event):
    """A question of a check was answered: names of ours, never the person's words."""

    card: str
    version: int
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class CheckEnded(Event):
    """This check has come to its result, or begins anew: the answers given in it are forgotten."""

    card: str


@dataclass(frozen=True, slots=True)
class Asked(Event):
    """The bot asked something and waits for the answer at this place."""

    place: str


@dataclass(frozen=True, slots=True)
class RiskNoticed(Event):
    """The person may be in danger: emergency, distress or risk. Says nothing of why: her words are never in an event."""

    level: str
    sure: bool


@dataclass(frozen=True, slots=True)
class Suspected(Event):
    """How much her words told of danger: the scores of one message, in hundredths, or () for nothing. Figures, never words."""

    scores: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DoorNoticed(Event):
    """For whom she asks: me, other, or work."""

    door: str


@dataclass(frozen=True, slots=True)
class Silenced(Event):
    """A person answers her now: the bot is silent until this hour since 1970. 0: it speaks again."""

    until: int


@dataclass(frozen=True, slots=True)
class Misread(Event):
    """The person says that the bot misunderstood her."""


@dataclass(frozen=True, slots=True)
class NotUnderstood(Event):
    """The question was not understood; nearest is the card it came nearest to, if any."""

    nearest: str = ""


@dataclass(frozen=True, slots=True)
class AttachmentReceived(Event):
    kind: str


@dataclass(frozen=True, slots=True)
class FeedbackGiven(Event):
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Forgotten(Event):
    """The person asked that everything about her be deleted."""


class Answer(NamedTuple):
    """What one turn gives back."""

    replies: list[Reply]
    events: list[Event]


@dataclass(frozen=True, slots=True)
class CheckBegun:
    """The answers given so far in a check that is not ended, as (question, answer)."""

    card: str
    version: int
    given: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """All the bot remembers of one person between turns: the sum of the events so far."""

    language: str = ""  # "" until the first words
    met: bool = False
    asked: str = ""  # the place of an unanswered question
    trail: tuple[str, ...] = ()  # places, the present one last
    walks: tuple[tuple[str, str], ...] = ()  # step cards begun and not finished, and the step reached
    checks: tuple[CheckBegun, ...] = ()  # checks begun and not ended
    said: tuple[Reply, ...] = ()  # the last turn's replies
    suspected: tuple[tuple[int, ...], ...] = ()  # what was heard of danger in her last messages, as figures
    watch: int = 0  # turns in which the number is said again, since the question about danger was not answered
    door: str = ""  # for whom she asks, once that is known
    silent: int = 0  # a person answers her until this hour since 1970

    @property
    def place(self) -> str:
        """Where the person is, or "" at the very start."""
        return self.trail[-1] if self.trail else ""

    def given(self, card: str, version: int) -> tuple[tuple[str, str], ...]:
        """The answers given so far in this version of a check."""
        return next((begun.given for begun in self.checks if (begun.card, begun.version) == (card, version)), ())

    def after(self, events: Iterable[Event]) -> "Conversation":
        """The conversation once these events have happened."""
        then = replace(self, asked="", said=())  # an unanswered question does not outlive the next turn
        for event in events:
            then = then.with_event(event)
        return then

    def with_event(self, event: Event) -> "Conversation":
        """The conversation once this one event has happened."""
        match event:
            case Said(name, options):
                watch = self.watch - 1 if name == SAFETY_LINE else self.watch
                return replace(self, said=(*self.said, Reply(name, options)), watch=watch)
            case Went(place) if place != self.place:
                return replace(self, trail=(*self.trail, place)[-TRAIL:])
            case WentBack():
                return replace(self, trail=self.trail[:-1])
            case StepReached(card, step):
                others = tuple(walk for walk in self.walks if walk[0] != card)
                return replace(self, walks=(*others, (card, step))[-WALKS:] if step else others)
            case CheckAnswered(card, version, question, answer):
                given = (*(pair for pair in self.given(card, version) if pair[0] != question), (question, answer))
                unchanged = tuple(begun for begun in self.checks if begun.card != card)
                return replace(self, checks=(*unchanged, CheckBegun(card, version, given)))
            case CheckEnded(card):  # there is no way back to a question whose answer is forgotten
                unchanged = tuple(begun for begun in self.checks if begun.card != card)
                return replace(self, checks=unchanged, trail=tuple(at for at in self.trail if not at.startswith(f"{card}.")))
            case Asked(place):
                return replace(self, asked=place)
            case Met():
                return replace(self, met=True)
            case LanguageNoticed(spoken) | LanguageChosen(spoken):
                return replace(self, language=spoken)
            case Suspected(scores):
                return replace(self, suspected=(*self.suspected, scores)[-SUSPICIONS:])
            case RiskNoticed(_, sure=True):
                return replace(self, suspected=(), watch=0)  # it has been answered, and is not carried over
            case RiskNoticed():
                return replace(self, watch=WATCH)
            case Misread():
                return replace(self, suspected=(), watch=0)
            case DoorNoticed(door):
                return replace(self, door=door)
            case Silenced(until):
                return replace(self, silent=until)
            case Forgotten():
                return Conversation()
        return self


def say(name: str, *options: Added) -> Reply:
    """The reply of this name, with these options after its own."""
    return Reply(name, options)


def ask(place: str) -> Answer:
    """Say this and wait for one of its options."""
    return Answer([say(place)], [Asked(place)])
