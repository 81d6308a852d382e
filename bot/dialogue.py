"""The heart: one message in, replies and events out.

Rule 1: everything that decides what the bot does next is in ORDER, and the first that knows wins.
Rule 2: safety is first. No lookup, no login and no state can come before it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from bot.checks import BEGIN, SKIP, SKIPPED, UNKNOWN, Check, band, many_open, part_of, reached, signs, still_given
from bot.content import Library, Option, offered
from bot.directory import ABROAD, Directory, nearest_place, need_named, places_named, soum_named
from bot.model import (
    COMMON,
    SAFETY_LINE,
    Added,
    Answer,
    AttachmentReceived,
    CheckAnswered,
    CheckEnded,
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
from bot.understand.fold import CAP, fold, words
from bot.understand.language import language_of
from bot.understand.linear import Linear
from bot.understand.rank import Understood, rank
from bot.understand.spelling import nearly

SILENT = 12  # hours after a person's last words to her at which the bot comes back by itself
FINDER = "help/near-me"
FINDERS = (FINDER, "return/services")  # whose questions are answered by naming a place or a need as well
SHORT = 6  # words of an answer; who writes more may mean something else
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
    directory: Directory
    places: tuple[str, ...] = ()  # the aimag or district that she has named, or is in; several when it is not clear which
    need: str = ""  # what she has named that she needs help with
    unclear: bool = False  # she answered in words, and nobody knows what they mean

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
    asked: Mapping[str, str]  # folded phrase -> the one card whose ask it is
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

    @property
    def answering(self) -> str:
        """The finder whose question was asked in the last turn, or ""."""
        card = self.conversation.asked.partition(".")[0]
        return card if card in FINDERS and self.guide.library.has(self.conversation.asked) else ""

    @property
    def places(self) -> tuple[str, ...]:
        """The places that her words name, or the one that her location is nearest to; () when all are far."""
        directory, message = self.guide.library.directory, self.message
        if message.point:
            nearest = nearest_place(directory, *message.point)
            return (nearest,) if nearest else ()
        if message.tap or not message.text:
            return ()
        typed = words(message.text[:CAP])
        return places_named(directory, typed) or places_named(directory, self.said.words[: len(typed)])

    @property
    def need(self) -> str:
        """The need that her words name, or ""."""
        return "" if self.message.tap else need_named(self.guide.library.directory, words(self.message.text[:CAP]))


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
            if said and said == label_folded(option.label):
                return replace(message, tap=option.name)
    return replace(message, tap=guide.labels[said]) if said in guide.labels else message


@lru_cache(maxsize=4096)
def label_folded(label: str) -> str:
    """A label as its skeleton. Labels are ours and few: folding them anew was half of what a typed message cost."""
    return fold(label)


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
    noticed = [Suspected(heard.evidence), RiskNoticed(alarm.level, alarm.sure)]
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
        label_folded(option.label): option.name
        for language in library.languages
        for option in options_before(library, conversation, language)
    }
    said = nearly(fold(message.text), labels)
    return ordinary_answer(replace(look, message=replace(message, tap=labels[said]))) if said else None


def answer_to_question(look: Look) -> Answer | None:
    """The answer to a question asked in the last turn, for the handler that asked it. An older question is past answering."""
    asked, tap = look.conversation.asked, look.message.tap
    if look.answering and names_a_place_or_need(look):
        return handle(look, look.answering)
    if not asked or not tap or not look.guide.library.has(asked) or look.guide.library.has(tap):
        return None  # a button that names a card leads there, also from under a question
    card = asked.partition(".")[0]
    answers = (option.name for option in look.guide.library.part(look.conversation.language, asked).options)
    return handle(look, card) if tap in answers else None


def names_a_place_or_need(look: Look) -> bool:
    """Whether a finder's question is answered in words: with a place, or with a need when it asked for that."""
    if not look.message.text or len(look.said.words) > SHORT:
        return False
    return bool(look.places) or (look.conversation.asked.endswith(".need") and bool(look.need))


def names_a_soum(look: Look) -> bool:
    """Whether she answers with a soum, which the finder does not know: its name must not be taken for a question about moving."""
    return len(look.said.words) <= SHORT and soum_named(look.guide.library.directory, words(look.message.text[:CAP]))


def attachment(look: Look) -> Answer | None:
    kind = look.message.attachment
    if not kind:
        return None
    if look.message.point:
        return located(look)
    place = f"talk/media.{kind}"
    return Answer([say(place if look.guide.library.has(place) else "talk/media")], [AttachmentReceived(kind)])


def located(look: Look) -> Answer:
    """A shared location: help near there, and the word that it is not kept."""
    here = [place for place in look.places if look.guide.library.directory.places[place].kind != ABROAD]
    there = handle(look, look.answering or FINDER) if here else show(look, "help/abroad")
    told = say(f"{FINDER}.location" if here else f"{FINDER}.location-abroad")
    return Answer([told, *there.replies], [AttachmentReceived(look.message.attachment), *there.events])


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


def answer_in_check(look: Look) -> Answer | None:
    """An answer in a check, or its beginning. The button names the question: an old one does not answer another question."""
    name, _, part = look.message.tap.partition(".")
    check = look.guide.library.checks.get(name)
    if check is None:
        return None
    if part == BEGIN:
        first = check_question(name, check.questions[0].name)
        return Answer(first.replies, [CheckEnded(name), *first.events])
    answered = check.answer_named(part)
    if answered is None:
        return None
    question, answer = answered
    given = given_in_check(look, name, check)
    if question not in (*given, reached(check, given)):
        return show(look, name)
    given[question] = answer
    explained = [place] if look.guide.library.has(place := f"{name}.{part}") else []
    following = reached(check, given)
    if following:
        there = check_question(name, following)
        replies = [*(say(place) for place in explained), *there.replies]
        return Answer(replies, [CheckAnswered(name, check.version, question, answer), *there.events])
    return check_result(name, check, given, explained)


def place_named(look: Look) -> Answer | None:
    """A tap, or a command such as /menu, that names a place. Old buttons lead there still: going somewhere is harmless."""
    place = look.message.tap
    return show(look, place) if place and look.guide.library.has(place) else None


def meaning(look: Look) -> Answer | None:
    """What the words mean: the card when sure, a choice of the likeliest when not."""
    if not look.message.text:
        return None
    understood = understand(look.guide, look.said, look.conversation.place)
    if asks_where(look, understood):
        return handle(look, look.answering or FINDER)
    if look.answering and (not understood.card or names_a_soum(look)):
        return handle(look, look.answering, unclear=True)
    if understood.card:
        return show(look, understood.card)
    if understood.candidates:
        likely = tuple(Added(card) for card in understood.candidates[:OFFERED])
        return Answer([say("talk/not-understood.candidates", *likely, Added("help/counsellor"))], [NotUnderstood(likely[0].name)])
    return None


def asks_where(look: Look, understood: Understood) -> bool:
    """Whether help at a place is asked for: it is named, with a need that the card meant is about, or no other card is meant."""
    if understood.card in FINDERS or not look.places:
        return False
    need = look.guide.library.directory.needs.get(look.need)
    if understood.card:
        return need is not None and understood.card in need.cards
    return need is not None or FINDER in understood.candidates


def understand(guide: Guide, said: Utterance, place: str = "") -> Understood:
    """What an utterance means to somebody who is at this place. A follow-up is about the card she has just read."""
    here = place.partition(".")[0]
    known = guide.library.cards[guide.language].keys()
    if word_for_word := guide.asked.get(" ".join(said.words)):
        return Understood(word_for_word, (word_for_word,), 1.0)
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
    answer_in_check,
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
    if card.kind == "check":
        return show_check(look, card_name, part)
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


def show_check(look: Look, name: str, part: str) -> Answer:
    """A place in a check: a question she has come to, what a result said, else the beginning and how to go on from there."""
    check = look.guide.library.checks[name]
    given = given_in_check(look, name, check)
    following = reached(check, given)
    outdated = any(begun.card == name and begun.version != check.version for begun in look.conversation.checks)
    if part and part in (*given, following) and not outdated:
        return check_question(name, part)
    if result := check.band_named(part):
        place = f"{name}.{part}"
        return Answer([say(place, *(Added(card) for card in result.next))], [Went(place)])
    if given and following:
        onward = [Added(f"{name}.{following}", "continue"), Added(f"{name}.{BEGIN}", "restart")]
    else:
        onward = [Added(f"{name}.{BEGIN}", "start")]
    return Answer([say(name, *onward)], [*([CheckEnded(name)] if outdated else []), Went(name)])


def check_question(name: str, question: str) -> Answer:
    """One question of a check. Not to know and not to say are always answers."""
    place = f"{name}.{question}"
    leave_open = (Added(f"{name}.{part_of(question, answer)}", answer) for answer in (UNKNOWN, SKIP))
    return Answer([say(place, *leave_open)], [Went(place)])


def check_result(name: str, check: Check, given: dict[str, str], explained: list[str]) -> Answer:
    """What the answers add up to: the band's words, the weightiest signs, and the next steps under the last of them."""
    result = band(check, given)
    seen = [f"{name}.{part}" for part in signs(check, given)]
    place = f"{name}.{result.name}"
    told = [place, *([f"{name}.{SKIPPED}"] if many_open(check, given) else []), *seen]
    *before, last = [*(part for part in explained if part not in seen), *told]
    onward = (Added(card) for card in result.next)
    return Answer([*(say(part) for part in before), say(last, *onward)], [CheckEnded(name), Went(place)])


def given_in_check(look: Look, name: str, check: Check) -> dict[str, str]:
    """The answers given so far, of those that still count."""
    return still_given(check, look.conversation.given(name, check.version))


def handle(look: Look, card: str, *, unclear: bool = False) -> Answer:
    """What this card's handler answers."""
    library = look.guide.library
    there = partial(show, look)
    turn = Turn(look.conversation, look.message, card, library.languages, there, library.directory, unclear=unclear)
    return look.guide.handlers[card](replace(turn, places=look.places, need=look.need) if card in FINDERS else turn)


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
