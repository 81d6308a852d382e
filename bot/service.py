"""Where everything meets: a message comes in, the turn is decided and kept, words go out.

Rule 1: whatever breaks, the emergency number is still given, and nothing is promised.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from bot.content import Library, Words, put_into_words
from bot.dialogue import EMERGENCY, Guide, respond
from bot.log import log
from bot.model import COMMON, Answer, Conversation, Event, LanguageNoticed, Message, NotUnderstood, Reply, say
from bot.store import Outgoing, Store, StoreUnavailable
from bot.understand.fold import CAP, words

SHORTEST = 4  # letters of a word that may tell what a question was about
TERMS = 20  # words of one question at most


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a message: the words to show, and whether the turn was kept. Repeated: it had been answered before."""

    words: list[Words]
    language: str
    events: list[Event] = field(default_factory=list)
    kept: bool = True
    repeated: bool = False


@dataclass
class Service:
    """`guide` may be replaced at any time: a turn uses the one that was there when it began."""

    guide: Guide
    store: Store
    send: Callable[[Outgoing], None] | None = None  # hands a letter to the sender, once it is kept

    async def receive(self, message: Message) -> Received:
        """Answer a message at once, for a channel that shows the words itself. Never raises."""
        guide = self.guide
        try:
            kept = await self.store.turn(message, lambda conversation: decide(guide, conversation, message), sends=False)
            if kept is None:
                return await self.said_last(message)
        except StoreUnavailable:
            return without_memory(guide, message)
        await self.note(message, kept.answer.events)
        return Received(in_words(kept.answer.replies, kept.language, guide.library), kept.language, kept.answer.events)

    async def accept(self, message: Message) -> bool:
        """Answer a message by letter, for a channel that is written to. False when it was answered before.

        Raises StoreUnavailable when nothing could be kept: the platform will bring the message again.
        """
        guide = self.guide
        kept = await self.store.turn(message, lambda conversation: decide(guide, conversation, message), sends=True)
        if kept is None:
            return False
        await self.note(message, kept.answer.events)
        if kept.outgoing is not None and self.send is not None:
            self.send(kept.outgoing)
        return True

    async def note(self, message: Message, events: list[Event]) -> None:
        """A question that was not understood becomes work for staff, without being kept: see bot/store/counts.py."""
        if message.text and any(isinstance(event, NotUnderstood) for event in events):
            with suppress(StoreUnavailable):
                await self.store.note_unanswered(message, terms_of(message.text))

    async def said_last(self, message: Message) -> Received:
        """What the bot said last to this person, when her message has been answered before. Raises StoreUnavailable."""
        conversation = await self.store.conversation(message.channel, message.address) or Conversation()
        language = conversation.language or self.guide.language
        return Received(in_words(conversation.said, language, self.guide.library), language, repeated=True)


def terms_of(text: str) -> list[str]:
    """The folded words of a question that may tell what it was about: no figures, and not the shortest."""
    return sorted({word for word in words(text[:CAP]) if len(word) >= SHORTEST and word.isalpha()})[:TERMS]


def decide(guide: Guide, conversation: Conversation, message: Message) -> Answer:
    """The answer; when our own code fails, still the word about danger."""
    try:
        return respond(guide, conversation, message)
    except Exception:
        log.error("turn_failed", channel=message.channel, exc_info=True)
        return Answer([say("talk/unavailable")], [] if conversation.language else [LanguageNoticed(guide.language)])


def without_memory(guide: Guide, message: Message) -> Received:
    """What is said when nothing can be read or kept: the emergency card in danger, else that something is out of order."""
    nobody = Conversation(met=True)
    replies, events = decide(guide, nobody, message)
    language = nobody.after(events).language or guide.language
    in_danger = bool(replies) and replies[0].name == EMERGENCY
    said = replies[:1] if in_danger else [say("talk/unavailable", *COMMON[:2])]
    return Received(in_words(said, language, guide.library), language, kept=False)


def in_words(replies: list[Reply] | tuple[Reply, ...], language: str, library: Library) -> list[Words]:
    """The words of the replies whose card is still there."""
    return [words for reply in replies if library.has(reply.name) for words in put_into_words(reply, language, library)]
