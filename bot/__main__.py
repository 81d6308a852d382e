"""The command line: `umbrella serve`, `chat`, `ask`, `check`, `train`, `evaluate` and others. Also `python -m bot`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.config import Config, ConfigError, load_config
from bot.content import ContentError
from bot.files import CONTENT
from bot.load import NotTrained


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Gives back 0, or 1 after saying on standard error what is wrong and what to do."""
    parser = argparse.ArgumentParser(prog="umbrella", description="Dream Umbrella bot: reviewed answers, by chat.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="serve the web chat, and Telegram when UMBRELLA_TELEGRAM_TOKEN is set")
    chat = commands.add_parser("chat", help="talk to the bot here; from a pipe, one message a line")
    chat.add_argument("--json", action="store_true", help="print one JSON object a turn")
    chat.add_argument("--language", default="", help="the language to begin with: mn or en")
    commands.add_parser("check", help="name every fault in the content files")
    train = commands.add_parser("train", help="train what hears danger and tells cards apart, unless that has been done")
    train.add_argument("--content", type=Path, default=CONTENT, help="the content to learn from")
    train.add_argument("--models", type=Path, help="the folder to keep it in (default: where serve looks)")
    asking = commands.add_parser("ask", help="what is understood of each line of standard input, as JSON")
    asking.add_argument("--json", action="store_true", required=True, help='lines of {"text": …, "language": optional}')
    evaluation = commands.add_parser("evaluate", help="how well questions and danger are understood, on wordings kept back")
    evaluation.add_argument("--json", action="store_true", help="print the table as JSON")
    measure = commands.add_parser("benchmark", help="how well any labelled phrases are learnt, such as public sets")
    measure.add_argument("what", choices=["understanding"])
    measure.add_argument("--train", type=Path, required=True, help='lines of {"text": …, "label": … or null}')
    measure.add_argument("--test", type=Path, required=True, help="the same, to be asked")
    commands.add_parser("unanswered", help="what questions that were not understood had in common: words that many people used")
    messenger = commands.add_parser("messenger", help="set up the Facebook Page: buttons, greeting, menu, events")
    messenger.add_argument("what", choices=["setup"])
    messenger.add_argument("--dry-run", action="store_true", help="print what would be set, and set nothing")
    transcript = commands.add_parser("transcript", help="print a conversation of tests/conversations with its words")
    transcript.add_argument("name", help="the file's name, or file/title; without a title, all of its conversations")
    transcript.add_argument("spoken", metavar="language", help="mn or en")
    options = parser.parse_args(arguments)
    try:
        return run(options, load_config())
    except NotTrained as problem:
        print(problem, file=sys.stderr)
        return 1
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
        case "ask":
            from bot.ask import ask
            from bot.guide import open_guide

            return ask(open_guide(config))
        case "evaluate":
            from bot.evaluate import as_json, as_table, evaluate
            from bot.guide import open_guide

            rows = evaluate(open_guide(config))
            print(as_json(rows) if options.json else as_table(rows))
            return 0
        case "unanswered":
            from bot.unanswered import print_unanswered

            return asyncio.run(print_unanswered(config))
        case "messenger":
            from bot.page import set_up

            return asyncio.run(set_up(config, dry_run=options.dry_run))
        case "benchmark":
            from bot.benchmark import run as benchmark

            return benchmark(options.train, options.test)
        case "train":
            from bot.train import train

            models = options.models or config.models
            print("trained:" if train(models, options.content) else "had been trained already:", models)
            return 0
        case _:
            from bot.load import load_library

            library = load_library(CONTENT)
            print(f"{len(library.cards['mn'])} cards in {len(library.languages)} languages: no fault found.")
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
