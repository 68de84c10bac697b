"""The command `unified-ws`: watch, record, replay and fake a venue, check its file and itself.

This module reads the command line and turns errors into one sentence and an exit status; what
the commands do is in the `cli_*` modules, imported when they are asked for.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from typing import NoReturn

OK, FAILED, USAGE = 0, 1, 2
_STATUSES = """exit status:
  0  fine: it ended by itself, after --seconds, or by Ctrl-C or SIGTERM, or its reader closed the
     pipe; every connection was closed
  1  the venue or the network failed; one sentence on stderr (check: the file does not conform,
     doctor: something that is promised was not seen; the report says what)
  2  it was asked for something that is not there: an unknown venue, symbol, option or value"""
_MATTER = ("unified-ws", "ccxt", "aiohttp", "msgspec", "pydantic")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    try:
        options = _parser().parse_args(argv)
    except SystemExit as end:  # argparse has said what there is to say
        return int(end.code or 0)
    try:
        status: int = options.run(options)
    except BrokenPipeError:
        return _reader_gone()
    except BaseException as error:
        failed = _judged(error)
        if failed is None:
            raise
        status, sentence = failed
        sys.stderr.write(f"unified-ws: {sentence}\n")
    return status


def versions() -> str:
    """Return the versions that a report about this library should name."""
    lines = []
    for name in _MATTER:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} (not installed)")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return "\n".join([*lines, python, platform.platform()])


class _Versions(argparse.Action):
    """Prints the versions line by line, where argparse's own action would join them."""

    def __call__(self, *_args: object, **_kwargs: object) -> NoReturn:
        sys.stdout.write(versions() + "\n")
        sys.exit(OK)


# --- the command line ----------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="unified-ws",
        description="Market data streams of crypto venues, supervised.",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action=_Versions, nargs=0, help="print the versions that matter and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_watch(commands)
    _add_venues(commands)
    _add_record(commands)
    _add_replay(commands)
    _add_fake(commands)
    _add_check(commands)
    _add_doctor(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "watch", "show live data: a table on a terminal, lines in a pipe")
    _add_source(parser)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--trades", action="store_true", help="every trade (the default)")
    what.add_argument("--book", type=_positive_int, metavar="N", help="order books, N rows a side")
    what.add_argument("--ticker", action="store_true", help="statistics of 24 hours")
    what.add_argument("--ohlcv", metavar="1m", help="candles of a timeframe")
    parser.add_argument(
        "--json", action="store_true", help="one ccxt dict a line, and nothing else on stdout"
    )
    parser.set_defaults(run=_watch)


def _add_venues(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "venues", "list the venues, or the declared facts of one")
    parser.add_argument("venue", nargs="?", metavar="ID", help="id, alias or path of a venue file")
    parser.add_argument("--json", action="store_true", help="the same as data")
    parser.set_defaults(run=_venues)


def _add_record(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "record", "write a session down, in the form that `replay` plays")
    _add_source(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="where to; must not exist yet")
    parser.add_argument("--trades", action="store_true", help="the default, if nothing is chosen")
    parser.add_argument("--book", action="store_true")
    parser.add_argument("--ticker", action="store_true")
    parser.add_argument(
        "--ohlcv", action="append", default=[], metavar="1m", help="may be repeated"
    )
    parser.set_defaults(run=_record)


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "replay", "play a recording behind a gateway, until SIGTERM")
    parser.add_argument("folder", metavar="DIR", help="the recording")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, help="1 as recorded, 0 as fast as clients read"
    )
    parser.add_argument(
        "--start", choices=("first", "all"), default="first",
        help="play when the first recorded topic is subscribed, or when all are",
    )  # fmt: skip
    _add_port(parser)
    parser.set_defaults(run=_replay)


def _add_fake(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "fake", "serve a fake venue behind a gateway, until SIGTERM")
    parser.add_argument("venue", metavar="VENUE", help="whose protocol is spoken")
    parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="the markets it lists")
    parser.add_argument("--speed", type=_speed, default=1.0, help="1 real time, 0 unlimited")
    parser.add_argument("--seed", type=int, default=0, help="of the market")
    _add_port(parser)
    parser.set_defaults(run=_fake)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "check", "check that a venue's file conforms to the border")
    parser.add_argument("path", metavar="path/to/venue.py", help="or an id")
    parser.add_argument(
        "--frames", metavar="DIR", help="a recording, or a folder that holds a frames.jsonl"
    )
    parser.set_defaults(run=_check)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "doctor", "see whether a venue does what is promised of it")
    _add_venue(parser)
    parser.add_argument(
        "symbols", nargs="*", metavar="SYMBOL", help="unified; without any, well-known ones"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=60.0, metavar="N", help="watch so long (60)"
    )
    parser.add_argument(
        "--against", default="", metavar="MODULE",
        help="compare with another client on the same markets, such as ccxt.pro",
    )  # fmt: skip
    parser.add_argument(
        "--save", metavar="DIR", help="write the session down, as `record` does; must not exist yet"
    )
    parser.add_argument("--json", action="store_true", help="one report for programs")
    parser.set_defaults(run=_doctor)


def _add_source(parser: argparse.ArgumentParser) -> None:
    _add_venue(parser)
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="unified: BTC/USDT")
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end after N seconds")


def _add_venue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("venue", metavar="VENUE", help="id, alias or path of a venue file")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--fake", action="store_true", help="on an embedded fake of the venue")
    where.add_argument("--gateway", metavar="URL", help="through this relay")
    environment = parser.add_mutually_exclusive_group()
    environment.add_argument("--testnet", "--sandbox", action="store_true")
    environment.add_argument("--demo", action="store_true")


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=0, help="0 takes a free one (the default)")


def _positive_int(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _speed(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


# --- the commands, imported when asked for ---------------------------------------------------


def _watch(options: argparse.Namespace) -> int:
    from unified_ws.cli_watch import watch

    return watch(options)


def _venues(options: argparse.Namespace) -> int:
    from unified_ws.cli_venues import venues

    return venues(options)


def _record(options: argparse.Namespace) -> int:
    from unified_ws.cli_serve import record

    return record(options)


def _replay(options: argparse.Namespace) -> int:
    from unified_ws.cli_serve import replay

    return replay(options)


def _fake(options: argparse.Namespace) -> int:
    from unified_ws.cli_serve import fake

    return fake(options)


def _check(options: argparse.Namespace) -> int:
    from unified_ws.testing.conformance import check

    report = check(options.path, options.frames)
    text = str(report)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:  # a terminal without these marks
        text = text.replace("✓", "ok").replace("✗", "fault:").encode("ascii", "replace").decode()
    sys.stdout.write(f"{text}\n")
    return OK if report.ok else FAILED


def _doctor(options: argparse.Namespace) -> int:
    from unified_ws.cli_doctor import doctor

    return doctor(options)


# --- how it ends -----------------------------------------------------------------------------


def _judged(error: BaseException) -> tuple[int, str] | None:
    """Return the exit status and the sentence of a failure; None for one that is a bug of ours."""
    from unified_ws import errors
    from unified_ws.cli_source import Usage
    from unified_ws.registry import BadVenue, UnknownVenue

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    ccxt = errors.CCXT_ERRORS
    asked_wrongly = (
        Usage, UnknownVenue, BadVenue, ccxt["BadRequest"], ccxt["NotSupported"],
        ccxt["ArgumentsRequired"],
    )  # fmt: skip
    sentence = str(error).partition("\n")[0] or type(error).__name__
    if isinstance(error, asked_wrongly) and not isinstance(error, errors.VenueError):
        return USAGE, sentence
    if isinstance(error, (ccxt["BaseError"], OSError)):
        return FAILED, sentence
    return None


def _reader_gone() -> int:
    """End quietly when whoever read our output has enough, as `head` does."""
    import os

    # What is still buffered must not complain at the end of the process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


__all__ = ["main", "versions"]
