"""The command line: `umbrella serve`, `chat`, `check`, `train`, `transcript`. Also `python -m bot`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from bot.config import Config, ConfigError, load_config
from bot.content import ContentError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Gives back 0, or 1 after saying on standard error what is wrong and what to do."""
    parser = argparse.ArgumentParser(prog="umbrella", description="Dream Umbrella bot: reviewed answers, by chat.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve the web chat, and Telegram when UMBRELLA_TELEGRAM_TOKEN is set")
    chat = commands.add_parser("chat", help="talk to the bot here; from a pipe, one message a line")
    chat.add_argument("--json", action="store_true", help="print one JSON object a turn")
    chat.add_argument("--language", default="", help="the language to begin with: mn or en")
    commands.add_parser("check", help="name every fault in the content files")
    commands.add_parser("train", help="train what hears danger and tells cards apart, unless that has been done")
    transcript = commands.add_parser("transcript", help="print a conversation of tests/conversations with its words")
    transcript.add_argument("name", help="the file's name, or file/title; without a title, all of its conversations")
    transcript.add_argument("spoken", metavar="language", help="mn or en")
    options = parser.parse_args(arguments)
    try:
        return run(options, load_config())
    except (ConfigError, ContentError) as problem:
        print(problem, file=sys.stderr)
        print(f"\n{len(str(problem).splitlines())} to mend; then start again.", file=sys.stderr)
        return 1


def run(options: argparse.Namespace, config: Config) -> int:
    match options.command:
        case "serve":
            return serve(config)
        case "chat":
            from bot.terminal import chat

            return asyncio.run(chat(config, as_json=options.json, language=options.language))
        case "transcript":
            from bot.transcript import print_transcript

            return print_transcript(config, options.name, options.spoken)
        case "train":
            from bot.train import train

            print("trained:", *train(config.home))
            return 0
        case _:
            from bot.load import load_guide

            guide = load_guide()
            print(f"{len(guide.library.cards['mn'])} cards in {len(guide.library.languages)} languages: no fault found.")
            return 0


def serve(config: Config) -> int:
    import uvloop

    from bot.log import set_up_log
    from bot.serve import serve
    from bot.store import StoreUnavailable
    from bot.store.sealing import BadKey

    set_up_log(config.log)
    try:
        uvloop.run(serve(config))
    except (StoreUnavailable, BadKey) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
