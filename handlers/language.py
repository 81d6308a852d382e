"""Change the language of the conversation, without leaving the place."""

from bot.dialogue import Turn
from bot.model import Answer, LanguageChosen, ask, say


def handle(turn: Turn) -> Answer:
    match turn.message.tap:
        case language if language in turn.languages:
            there = turn.show(turn.conversation.place or "menu/main")
            return Answer([say(f"{turn.card}.chosen"), *there.replies], [LanguageChosen(language), *there.events])
        case _:
            return ask(turn.card)
