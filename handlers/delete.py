"""Delete everything that is kept of a person, when she has said yes to just that."""

from bot.dialogue import Turn
from bot.model import Answer, Forgotten, ask, say


def handle(turn: Turn) -> Answer:
    match turn.step, turn.message.tap:
        case "", "yes":
            return Answer([say(f"{turn.card}.done")], [Forgotten()])
        case "", "no":
            return Answer([say(f"{turn.card}.kept")], [])
        case _:
            return ask(turn.card)
