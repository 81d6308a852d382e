"""Ask through which door a person comes, and show what fits: for herself, for somebody she worries about, for her work."""

from bot.dialogue import Turn
from bot.model import Answer, DoorNoticed, ask

SHOWN = {"me": "menu/help", "other": "signs/friend", "work": "signs/officials", "skip": "menu/main"}


def handle(turn: Turn) -> Answer:
    match turn.step, turn.message.tap:
        case "", ("me" | "other" | "work" | "skip") as door:
            there = turn.show(SHOWN[door])
            return Answer(there.replies, [*([] if door == "skip" else [DoorNoticed(door)]), *there.events])
        case _:
            return ask(turn.card)
