"""`umbrella unanswered`: what to write next. Counts alone: which words many people used, and which cards came nearest."""

from bot.config import Config
from bot.store import Store
from bot.store.counts import PEOPLE
from bot.store.sealing import make_keys, read_or_make_secret


async def print_unanswered(config: Config) -> int:
    """Print the counts kept of questions that were not understood, the latest week first."""
    store = Store(config.database_url, make_keys(read_or_make_secret(config.secret, config.home)))
    await store.open()
    try:
        terms, counted = await store.unanswered(), await store.counted()
    finally:
        await store.close()
    print(f"Words of questions that were not understood, folded, that at least {PEOPLE} people used in a week:")
    for week, term, people in terms:
        print(f"  {week}  {term}  {people} people")
    print("Cards that such questions came nearest to (- : none):")
    for week, what, number in sorted(counted, reverse=True):
        if what.startswith("unanswered."):
            print(f"  {week}  {what.removeprefix('unanswered.') or '-'}  {number}")
    return 0
