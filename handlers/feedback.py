"""Ask whether the bot helped: two questions, each may be skipped. Only the answers are counted, never who gave them."""

from bot.dialogue import Turn
from bot.model import Answer, Asked, Event, FeedbackGiven, ask, say


def handle(turn: Turn) -> Answer:
    match turn.step, turn.message.tap:
        case "", ("yes" | "partly" | "no" | "skip") as helped:
            second = f"{turn.card}.clear"
            return Answer([say(second)], [*given("helped", helped), Asked(second)])
        case "clear", ("easy" | "hard" | "skip") as clear:
            return Answer([say(f"{turn.card}.thanks")], given("clear", clear))
        case _:
            return ask(turn.card)


def given(question: str, answer: str) -> list[Event]:
    return [] if answer == "skip" else [FeedbackGiven(question, answer)]
