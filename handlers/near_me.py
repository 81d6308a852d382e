"""Find help near a person: where she is, what she needs, then a few services and why just these.

The place that she told stands in what was said last, and is forgotten with it. No more than an aimag or a district is asked for.
"""

from bot.dialogue import FINDER, Turn
from bot.directory import ABROAD, services_for, which_of
from bot.model import Added, Answer, Asked, NotUnderstood, ask, say

NEED = "need"  # the part that asks what she needs


def handle(turn: Turn) -> Answer:
    directory = turn.directory
    match turn.step, turn.message.tap:
        case str(), group if group in directory.groups:
            return ask(f"{turn.card}.{group}")
        case str(), place if place in directory.places:
            return ask_need(turn, place)
        case str(), "all":  # she would rather not say where
            return ask_need(turn)
        case "need", need if need in directory.needs:
            return found(turn, place_told(turn), need)
        case "need", "" if turn.need and not turn.places:
            return found(turn, place_told(turn), turn.need)
        case "need", "" if turn.unclear:
            return ask_need(turn, place_told(turn))
        case str(), "" if turn.unclear:
            there = ask(f"{turn.card}.unknown")
            return Answer(there.replies, [NotUnderstood(), *there.events])
        case _:
            return by_words(turn)


def by_words(turn: Turn) -> Answer:
    """What follows from the places and the need that she has named."""
    match turn.places:
        case (place,) if turn.directory.places[place].kind == ABROAD:
            return turn.show("help/abroad")
        case (place,) if turn.need:
            return found(turn, place, turn.need)
        case (place,):
            return ask_need(turn, place)
        case _:
            which = which_of(turn.directory, turn.places)
            return ask(f"{turn.card}.{which}" if which else turn.card)


def place_told(turn: Turn) -> str:
    """The place that stands above the question just answered, or ""."""
    named = (reply.name.removeprefix(f"{FINDER}.") for reply in turn.conversation.said)
    return next((place for place in named if place in turn.directory.places), "")


def ask_need(turn: Turn, place: str = "") -> Answer:
    """What she needs, under the name of the place, so that she sees how it was understood."""
    question = f"{turn.card}.{NEED}"
    return Answer([*([say(f"{FINDER}.{place}")] if place else []), say(question)], [Asked(question)])


def found(turn: Turn, place: str, need: str) -> Answer:
    """Why just these, then each service, with the ways onward under the last."""
    answer = services_for(turn.directory, place, need)
    told = [answer.reason, *([answer.neighbour] if answer.neighbour else []), *(f"svc-{name}" for name in answer.services)]
    *before, last = (f"{FINDER}.{part}" for part in told)
    onward = dict.fromkeys((turn.card, *turn.directory.needs[need].cards[:1], "help/counsellor"))
    return Answer([*(say(name) for name in before), say(last, *(Added(card) for card in onward))], [])
