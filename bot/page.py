"""`umbrella messenger setup`: sets the Facebook Page up, and says what is left to do by hand. May be repeated."""

import json
import sys

from bot.config import Config
from bot.connect import messenger_client, messenger_profile
from bot.guide import open_guide
from bot.send import SendError
from bot.web.messenger import PATH

BY_HAND = """Left to do by hand, at developers.facebook.com and on the Page:
 1. Webhooks of the app: callback address {url}, the word of UMBRELLA_MESSENGER_VERIFY_TOKEN, and the fields printed above.
 2. App Review: pages_messaging (and business verification); a reviewer must get answers from the bot.
 3. App Review: Human Agent, before counsellors answer later than 24 hours after a message.
 4. The Page's settings, Conversation Routing: this app as the default app.
 5. Settings of the app: privacy policy {privacy}, data deletion callback {deletion}, "Require App Secret" on.
"""


async def set_up(config: Config, *, dry_run: bool) -> int:
    """Set the profile and subscribe the Page's events. Gives back 1 after saying what Meta refused.

    Raises ConfigError when Messenger is off.
    """
    client, profile = messenger_client(config), messenger_profile(open_guide(config))
    print(json.dumps({"messenger_profile": profile, "subscribed_fields": client.fields}, ensure_ascii=False, indent=1))
    try:
        if not dry_run:
            await client.set_up(profile)
    except SendError as problem:
        print(f"Meta refused: error {problem.kind}; bot/platforms/messenger.py lists what each means", file=sys.stderr)
        return 1
    finally:
        await client.close()
    base = config.web.public_url or "https://<this bot's address>"
    print("Nothing was set (--dry-run)." if dry_run else "Set.")
    print(BY_HAND.format(url=base + PATH, privacy=f"{base}/privacy", deletion=f"{base}{PATH}/delete"))
    return 0
