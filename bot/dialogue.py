"""The heart: one message in, replies and events out.

Rule 1: everything that decides what the bot does next is in ORDER, and the first that knows wins.
Rule 2: safety is first. No lookup, no login and no state can come before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from bot.content import Library, Option, offered
from bot.model import (
    COMMON,
    SAFETY_LINE,
    Added,
    Answer,
    AttachmentReceived,
    Conversation,
    DoorNoticed,
    Event,
    LanguageNoticed,
    Message,
    Met,
    Misread,
    NotUnderstood,
    Reply,
    RiskNoticed,
    Said,
    Silenced,
    StepReached,
    Suspected,
    Went,
    WentBack,
    say,
)
from bot.safety import Danger, cries_for_help, listen
from bot.understand.doors import OTHER, WORK, Doors, door_of
from bot.understand.features import Reader, Utterance
from bot.understand.fold import fold
from bot.understand.language import language_of
from bot.understand.linear import Linear
from bot.understand.rank import Understood, rank
from bot.understand.spelling import nearly

SILENT = 12  # hours after a person's last words to her at which the bot comes back by itself
LONGEST_LABEL = 64  # characters of a message that may be a label, typed
OFFERED = 3  # cards offered when it is not clear which is meant
CLEARLY = 3  # words that must tell before the bot changes its language of its own accord
ON_SAFETY = ("signs/", "trafficking/", "help/", "talk/not-understood")  # where the door a person came by offers one more button
DOORS = {OTHER: Added("signs/friend"), WORK: Added("signs/officials")}
START, MENU, EMERGENCY, GREETING, BACK = "menu/start", "menu/main", "help/emergency", "talk/greeting", "back"


@dataclass(frozen=True, slots=True)
class Turn:
    """What a handler is given."""

    conversation: Conversation
    message: Message
    card: str
    languages: tuple[str, ...]
    show: Callable[[str], Answer]  # the answer that goes to this place

    @property
    def step(self) -> str | None:
        """The part of this card whose question the person is answering: "" for its beginning, None when she is not."""
        card, _, part = self.conversation.asked.partition(".")
        return part if card == self.card else None


Handler = Callable[[Turn], Answer]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What a short question asks about the card just read: for each place or section, the card that answers it there."""

    leads: tuple[tuple[str, str], ...]

    def lead(self, place: str) -> str:
        """The card that answers it after this place, by the longest name that fits; "" when none does."""
        return max(
            ((name, card) for name, card in self.leads if place.startswith(name)), key=lambda lead: len(lead[0]), default=("", "")
        )[1]


@dataclass(frozen=True)
class Guide:
    """All the bot knows. Read once, never changed; a new one takes its place when content files change."""

    library: Library
    handlers: Mapping[str, Handler]  # by the card they answer
    reader: Reader
    danger: Danger
    cards: Linear  # tells the cards apart
    near: Mapping[str, frozenset[str]]  # card -> the cards of its section and those it leads to
    follow_ups: Mapping[str, FollowUp]
    doors: Doors
    vocabulary: Mapping[str, frozenset[str]]
    labels: Mapping[str, str]  # folded label -> the one card, or language, that it names
    fresh: bool = True  # the classifiers were trained from just this content
    demo: bool = True  # numbers are not yet verified, and the first meeting says so
    language: str = "mn"  # when nothing tells


@dataclass(frozen=True, slots=True)
class Look:
    """One message, looked at once: what every entry of ORDER may ask."""

    guide: Guide
    conversation: Conversation
    message: Message
    said: Utterance


def respond(guide: Guide, conversation: Conversation, message: Message) -> Answer:
    """Answer one message. The conversation that results is `conversation.after(events)`."""
    said = guide.reader.read(message.text)
    noticed = [*notice_language(guide, conversation, message, said), *notice_door(guide, conversation, said)]
    asked = conversation  # what was asked and said last still counts as the answer is read
    for event in noticed:
        asked = asked.with_event(event)
    look = Look(guide, asked, typed_or_tapped(guide, asked, message), said)
    replies, events = next(answer for decide in ORDER if (answer := decide(look)))
    if not replies:  # a person answers her
        return Answer([], [*noticed, *events])
    replies = watched(look, replies, events)
    replies, met = first_meeting(guide, look.conversation, look.message, replies)
    replies = [*replies[:-1], with_common_options(replies[-1], look.conversation, events)]
    return Answer(replies, [*noticed, *met, *(Said(reply.name, reply.options) for reply in replies), *events])


def notice_language(guide: Guide, conversation: Conversation, message: Message, said: Utterance) -> list[Event]:
    """At the first message: the language of its words, else the one the person's app is set to, else the house's own.

    Later: the other language, when she clearly writes it.
    """
    written, telling = language_of(message.text, said.words, guide.vocabulary)
    if conversation.language:
        return [LanguageNoticed(written)] if telling >= CLEARLY and written != conversation.language else []
    hint = message.language.partition("-")[0].lower()
    return [LanguageNoticed(written or (hint if hint in guide.library.languages else guide.language))]


def notice_door(guide: Guide, conversation: Conversation, said: Utterance) -> list[Event]:
    """For whom she asks, when her words tell."""
    door = door_of(guide.doors, said.words)
    return [DoorNoticed(door)] if door and door != conversation.door else []


def typed_or_tapped(guide: Guide, conversation: Conversation, message: Message) -> Message:
    """An option may be typed, by its label or its number, as well as tapped: all are the same from here on."""
    if message.tap or not message.text or len(message.text) > LONGEST_LABEL:
        return message
    said = fold(message.text)
    number = message.text.strip().rstrip(".)")
    hers = options_before(guide.library, conversation, conversation.language)
    for position, option in enumerate(hers, start=1):
        if number == str(position):
            return replace(message, tap=option.name)
    for language in guide.library.languages:  # "back" is understood in a Mongolian talk as well
        for option in options_before(guide.library, conversation, language):
            if said and said == fold(option.label):
                return replace(message, tap=option.name)
    return replace(message, tap=guide.labels[said]) if said in guide.labels else message


def options_before(library: Library, conversation: Conversation, language: str) -> list[Option]:
    """The options that the last turn put before the person, in the order she saw them, labelled in this language."""
    found: dict[str, Option] = {}
    for reply in conversation.said:
        for option in offered(reply, language, library) if library.has(reply.name) else ():
            found.setdefault(option.name, option)
    return list(found.values())


def danger(look: Look) -> Answer | None:
    """What is heard in the words themselves. Danger now: the emergency card. Less, or less sure: the ordinary answer as well."""
    if look.message.tap or cries_for_help(look.guide.danger, look.said):
        return None  # a label is ours, not her words; and a mere cry for help has its own answer
    heard = listen(look.guide.danger, look.said, [scores for scores in look.conversation.suspected if scores])
    if heard.alarm is None:
        if not heard.evidence and not any(look.conversation.suspected):
            return None
        ordinary = ordinary_answer(look)
        return Answer(ordinary.replies, [Suspected(heard.evidence), *ordinary.events])
    alarm = heard.alarm
    noticed = [RiskNoticed(alarm.level, alarm.sure), Suspected(heard.evidence)]
    ordinary = ordinary_answer(look)
    first = ordinary.replies[0].name if ordinary.replies else ""
    if alarm.sure and alarm.level == "emergency":
        below = [Added(first)] if look.guide.library.has(first) and not first.startswith(("talk/", EMERGENCY)) else []
        there = show(look, for_whom(look, EMERGENCY))
        return Answer([say(there.replies[0].name, *below)], [*noticed, *there.events])
    if not first or first.startswith(EMERGENCY):
        return Answer(ordinary.replies, [*noticed, *ordinary.events])  # a person answers her, or she is there already
    if alarm.sure:
        known = [] if first.startswith("talk/") else ordinary.replies
        return Answer([say(for_whom(look, f"talk/{alarm.level}")), *known], [*noticed, *ordinary.events])
    return Answer([*ordinary.replies, say("talk/danger-question")], [*noticed, *ordinary.events])


def ordinary_answer(look: Look) -> Answer:
    """What would be answered if nothing had been heard."""
    return next(answer for decide in ORDER[1:] if (answer := decide(look)))


def for_whom(look: Look, place: str) -> str:
    """The place, or what it says to somebody who worries about another, when her words tell that."""
    other = f"{place}.{OTHER}"
    worried = look.guide.library.has(other) and door_of(look.guide.doors, look.said.words) == OTHER
    return other if worried else place


def watched(look: Look, replies: list[Reply], events: list[Event]) -> list[Reply]:
    """A question about danger that was not answered is not forgotten: for a few turns the number stands above the answer."""
    answered = any(isinstance(event, RiskNoticed | Misread) for event in events)
    if not look.conversation.watch or answered or replies[0].name.startswith(EMERGENCY):
        return replies
    return [say(SAFETY_LINE), *replies]


def cry_for_help(look: Look) -> Answer | None:
    return show(look, EMERGENCY) if cries_for_help(look.guide.danger, look.said) else None


def hand(look: Look) -> Answer | None:
    """Somebody else has taken the conversation, or has given it back: then the bot says that it is a program again."""
    match look.message.hand:
        case "person":
            return Answer([], [Silenced(look.message.hour + SILENT)])
        case "bot" if look.conversation.silent:
            return Answer([say("talk/resumed")], [Silenced(0)])
        case "bot":
            return Answer([], [])
        case _:
            return None


def silent(look: Look) -> Answer | None:
    """While a person answers her, the bot is silent, unless she presses one of its buttons; and it comes back by itself."""
    if not look.conversation.silent:
        return None
    if look.message.hour < look.conversation.silent and not look.message.tap:
        return Answer([], [])
    awake = replace(look, conversation=replace(look.conversation, silent=0))
    answer = ordinary_answer(awake)
    return Answer(answer.replies, [Silenced(0), *answer.events])


def nearly_a_label(look: Look) -> Answer | None:
    """One of the options just shown, misspelt. After danger: her own words may be near a label and mean something else."""
    message, conversation, library = look.message, look.conversation, look.guide.library
    if message.tap or not message.text or len(message.text) > LONGEST_LABEL:
        return None
    labels = {
        fold(option.label): option.name
        for language in (conversation.language, *library.languages)
        for option in options_before(library, conversation, language)
    }
    said = nearly(fold(message.text), labels)
    return ordinary_answer(replace(look, message=replace(message, tap=labels[said]))) if said else None


def answer_to_question(look: Look) -> Answer | None:
    """The answer to a question asked in the last turn, for the handler that asked it. An older question is past answering."""
    asked, tap = look.conversation.asked, look.message.tap
    if not asked or not tap or not look.guide.library.has(asked):
        return None
    card = asked.partition(".")[0]
    answers = (option.name for option in look.guide.library.part(look.conversation.language, asked).options)
    return handle(look, card) if tap in answers else None


def attachment(look: Look) -> Answer | None:
    kind = look.message.attachment
    if not kind:
        return None
    place = f"talk/media.{kind}"
    return Answer([say(place if look.guide.library.has(place) else "talk/media")], [AttachmentReceived(kind)])


def back(look: Look) -> Answer | None:
    if look.message.tap != BACK:
        return None
    here, before = look.conversation.place, look.conversation.trail[:-1]
    known = look.guide.library.has
    if here not in {reply.name for reply in look.conversation.said} and known(here):
        return show(look, here)  # she was told something in passing, such as "I did not understand", and has not left
    if not before or not known(before[-1]):
        return show(look, MENU)
    there = show(look, before[-1])
    return Answer(there.replies, [WentBack(), *(event for event in there.events if not isinstance(event, Went))])


def language_named(look: Look) -> Answer | None:
    return handle(look, "about/language") if look.message.tap in look.guide.library.languages else None


def arrival(look: Look) -> Answer | None:
    """A link on a poster may name the card it leads to, with "__" for the stroke: travel__checklist."""
    place = look.message.code.replace("__", "/")
    return show(look, place) if place and look.guide.library.has(place) else None


def place_named(look: Look) -> Answer | None:
    """A tap, or a command such as /menu, that names a place. Old buttons lead there still: going somewhere is harmless."""
    place = look.message.tap
    return show(look, place) if place and look.guide.library.has(place) else None


def meaning(look: Look) -> Answer | None:
    """What the words mean: the card when sure, a choice of the likeliest when not."""
    if not look.message.text:
        return None
    understood = understand(look.guide, look.said, look.conversation.place)
    if understood.card:
        return show(look, understood.card)
    if understood.candidates:
        likely = tuple(Added(card) for card in understood.candidates[:OFFERED])
        return Answer([say("talk/not-understood.candidates", *likely, Added("help/counsellor"))], [NotUnderstood(likely[0].name)])
    return None


def understand(guide: Guide, said: Utterance, place: str = "") -> Understood:
    """What an utterance means to somebody who is at this place. A follow-up is about the card she has just read."""
    here = place.partition(".")[0]
    known = guide.library.cards[guide.language].keys()
    understood = rank(guide.cards, said, guide.near.get(here, frozenset()), known)
    if not understood.follows:
        return understood
    follow_up = guide.follow_ups[understood.follows]
    lead = follow_up.lead(place)
    leads = dict.fromkeys(card for _, card in follow_up.leads)
    return Understood(lead, (lead,) if lead else tuple(leads), understood.confidence)


def nothing(look: Look) -> Answer | None:
    return Answer([say("talk/not-understood")], [NotUnderstood()])


ORDER = (
    danger,
    cry_for_help,
    hand,
    silent,
    nearly_a_label,
    answer_to_question,
    attachment,
    back,
    language_named,
    arrival,
    place_named,
    meaning,
    nothing,
)


def show(look: Look, place: str) -> Answer:
    """Go to a place and say what is there; where the card has a handler, the handler answers."""
    card_name, _, part = place.partition(".")
    if card_name in look.guide.handlers:  # what is in its parts is for the handler to say, in its own order
        return handle(look, card_name)
    card = look.guide.library.card(look.conversation.language, place)
    if card.kind == "steps":
        return show_step(look, card_name, part)
    if place == "talk/misunderstood":
        return Answer([say(place)], [Misread()])
    return Answer([say(place)], [] if place.startswith("talk/") else [Went(place)])


def show_step(look: Look, name: str, part: str) -> Answer:
    """One step of a card that is walked step by step: how to go on, and where she was when she left it."""
    card, place = look.guide.library.card(look.conversation.language, name), f"{name}.{part}" if part else name
    following = card.after(part)
    if part:
        onward = [Added(f"{name}.{following}", "next")] if following else []
        return Answer([say(place, *onward)], [Went(place), StepReached(name, part if following else "")])
    reached = dict(look.conversation.walks).get(name, "")
    if reached and reached in card.parts:
        onward = [Added(f"{name}.{reached}", "continue"), Added(f"{name}.{following}", "restart")]
    else:
        onward = [Added(f"{name}.{following}", "start")]
    return Answer([say(place, *onward)], [Went(place)])


def handle(look: Look, card: str) -> Answer:
    """What this card's handler answers."""
    return look.guide.handlers[card](
        Turn(look.conversation, look.message, card, look.guide.library.languages, partial(show, look))
    )


def first_meeting(
    guide: Guide, conversation: Conversation, message: Message, replies: list[Reply]
) -> tuple[list[Reply], list[Event]]:
    """At the first message, who the bot is: before the answer, but after a word about danger."""
    if conversation.met:
        return replies, []
    if message.greeted:
        return replies, [Met()]
    warning = [say("talk/demo")] if guide.demo else []
    if replies[0].name in (START, GREETING):
        return [*warning, say(START)], [Met()]
    hello = [*warning, say("talk/hello")]
    return ([*replies, *hello] if replies[0].name == EMERGENCY else [*hello, *replies]), [Met()]


def with_common_options(reply: Reply, conversation: Conversation, events: list[Event]) -> Reply:
    """The last reply of every turn carries help, the menu, and the way back where there is one."""
    name = reply.name
    common: tuple[Added, ...] = COMMON
    if name in (START, MENU) and conversation.after(events).trail in ((), (name,)):
        common = COMMON[:2]
    if conversation.door in DOORS and name.startswith(ON_SAFETY):
        common = (DOORS[conversation.door], *common)
    return Reply(name, (*reply.options, *(option for option in common if option[0] != name)))
