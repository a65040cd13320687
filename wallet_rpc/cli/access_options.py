"""The options of `wallet-rpc org`, `key` and `audit`; apart from what they do, since every command reads them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from pydantic_core import PydanticCustomError

from wallet_rpc.cli.option_types import parse_address
from wallet_rpc.config.settings import variable
from wallet_rpc.domain.access import KeyScope
from wallet_rpc.domain.times import read_time
from wallet_rpc.primitives import UnixSeconds

REQUESTS_PER_MINUTE = 3_000
"""Of a key for which nothing else is said."""
_LONGEST_NAME = 100
_MAX_REQUESTS = 10**12


def add_access_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands and their options."""
    org = _add_command(commands, "org", "organisations: none sees what another keeps")
    create = org("create", "make one, and print its id")
    create.add_argument("name", type=_name, metavar="NAME", help="what people call it")
    org("list", "all of them")

    key = _add_command(commands, "key", "API keys of an organisation")
    create = key("create", "make one, and print it this once")
    _add_organization_option(create)
    create.add_argument(
        "--scope", choices=[*map(str, KeyScope)], default=str(KeyScope.READ_WRITE), help="what it may do"
    )
    create.add_argument(
        "--rpm", type=_count, default=REQUESTS_PER_MINUTE, metavar="N", help="requests a minute (%(default)s)"
    )
    create.add_argument("--monthly", type=_count, metavar="N", help="requests a calendar month, UTC (no limit)")
    create.add_argument("--name", type=_name, metavar="TEXT", help="what people call it")
    end = create.add_mutually_exclusive_group()
    end.add_argument("--expires", type=_time, metavar="TIME", help="when it ends, such as 2027-01-31T12:00:00Z (never)")
    end.add_argument("--days", type=_days, metavar="N", help="days until it ends")
    _add_organization_option(key("list", "those of an organisation, without the keys themselves"))
    key("revoke", "end one, and all session tokens made with it").add_argument("key", metavar="KEY_ID", help="its id")

    audit = _add_command(commands, "audit", "what happened in an organisation: a log that shows when it was changed")
    verify = audit("verify", "prove that nothing was cut or altered; status 1 if something was")
    _add_organization_option(verify, of_all=True)
    verify.add_argument(
        "--anchor", type=Path, action="append", metavar="FILE", help="anchors that the logs must hold; may be repeated"
    )
    verify.add_argument(
        "--signer", type=parse_address, metavar="ADDRESS", help=f"who signed them, if not {variable('audit_key')}"
    )
    anchor = audit("anchor", f"print the heads of whole logs, signed by {variable('audit_key')}, to keep elsewhere")
    _add_organization_option(anchor, of_all=True)
    show = audit("show", "print the entries, one a line")
    _add_organization_option(show)
    show.add_argument("--last", type=_count, metavar="N", help="only the last N")


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, meaning: str
) -> Callable[[str, str], argparse.ArgumentParser]:
    """A command; what adds an action to it, by name and meaning."""
    actions = commands.add_parser(name, help=meaning).add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(action: str, meaning: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(action, help=meaning)
        parser.add_argument("--json", action="store_true", help="print one JSON object, and nothing else")
        return parser

    return add


def _add_organization_option(action: argparse.ArgumentParser, *, of_all: bool = False) -> None:
    more = " (all of them)" if of_all else ""
    action.add_argument("--org", required=not of_all, metavar="ID", help=f"the organisation's id{more}")


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(f"expected a name of 1 to {_LONGEST_NAME} printable letters")
    return name


def _count(text: str) -> int:
    return _whole(text, _MAX_REQUESTS, "a whole number from 1")


def _days(text: str) -> int:
    return _whole(text, 36_500, "days from 1 to 36500")


def _whole(text: str, most: int, expected: str) -> int:
    plain = text.replace("_", "")
    if not plain.isascii() or not plain.isdigit() or len(plain) > 20 or not 1 <= int(plain) <= most:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return int(plain)


def _time(text: str) -> UnixSeconds:
    try:
        return read_time(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
