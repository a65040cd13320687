"""Options of `wallet-rpc org`, `key` and `audit`; a separate small module, since every command imports it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from pydantic_core import PydanticCustomError

from wallet_rpc.cli.option_types import parse_address
from wallet_rpc.config.settings import variable
from wallet_rpc.domain.access import KeyScope
from wallet_rpc.domain.event import LOGGED_TYPES, SUBJECTS
from wallet_rpc.domain.grant_warnings import WarningCode
from wallet_rpc.domain.times import read_time
from wallet_rpc.primitives import UnixSeconds

REQUESTS_PER_MINUTE = 3_000
"""The default rate limit of an API key."""
_LONGEST_NAME = 100
_MAX_REQUESTS = 10**12


def add_access_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands and their options."""
    org = _add_command(commands, "org", "manage organisations, whose data is isolated from each other")
    create = org("create", "create an organisation and print its id")
    create.add_argument("name", type=_name, metavar="NAME", help="display name")
    org("list", "list all organisations")
    policy = org("policy", "show or change the warnings about new sessions that are errors")
    _add_organization_option(policy)
    codes = ", ".join(WarningCode)
    for name, meaning in (
        ("--refuse", f"create no session with this warning: {codes}"),
        ("--allow", "only warn of it"),
    ):
        policy.add_argument(
            name, action="append", default=[], choices=[*map(str, WarningCode)], metavar="CODE", help=meaning
        )

    key = _add_command(commands, "key", "manage the API keys of an organisation")
    create = key("create", "create a key and print it, only this once")
    _add_organization_option(create)
    create.add_argument(
        "--scope", choices=[*map(str, KeyScope)], default=str(KeyScope.READ_WRITE), help="scope of the key"
    )
    create.add_argument(
        "--rpm",
        type=_count,
        default=REQUESTS_PER_MINUTE,
        metavar="N",
        help="requests per minute (default: %(default)s)",
    )
    create.add_argument(
        "--monthly", type=_count, metavar="N", help="requests per calendar month, UTC (default: no limit)"
    )
    create.add_argument("--name", type=_name, metavar="TEXT", help="display name")
    expiry = create.add_mutually_exclusive_group()
    expiry.add_argument(
        "--expires", type=_time, metavar="TIME", help="expiry, such as 2027-01-31T12:00:00Z (default: never)"
    )
    expiry.add_argument("--days", type=_days, metavar="N", help="days until expiry")
    _add_organization_option(key("list", "list the keys of an organisation by id, without their secrets"))
    revoke = key("revoke", "revoke a key and all session tokens that it created")
    revoke.add_argument("key", metavar="KEY_ID", help="id of the key")

    _add_audit_command(commands)


def _add_audit_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    audit = _add_command(commands, "audit", "verify, anchor or print the tamper-evident audit log of an organisation")
    verify = audit("verify", "check that no log was cut or altered; exit status 1 if one was")
    _add_organization_option(verify, is_required=False)
    verify.add_argument(
        "--anchor", type=Path, action="append", metavar="FILE", help="anchors that the logs must match; may be repeated"
    )
    verify.add_argument(
        "--signer",
        type=parse_address,
        metavar="ADDRESS",
        help=f"signer of the anchors (default: the address of {variable('audit_key')})",
    )
    anchor = audit("anchor", f"print the heads of intact logs, signed with {variable('audit_key')}, to store elsewhere")
    _add_organization_option(anchor, is_required=False)
    show = audit("show", "print the entries, one per line")
    _add_organization_option(show)
    show.add_argument("--last", type=_count, metavar="N", help="print only the last N")


def add_webhook_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command that manages webhooks."""
    webhook = _add_command(commands, "webhook", "manage the URLs to which an organisation's events are posted")
    add = webhook("add", "register a URL, and print the secret of its signatures, only this once")
    _add_organization_option(add)
    add.add_argument("url", metavar="URL", help="URL to post events to")
    add.add_argument(
        "--type", action="append", type=_event_name, metavar="TYPE", help="type or subject of events; may be repeated"
    )
    _add_organization_option(webhook("list", "list the webhooks with their progress, without their secrets"))
    for action, meaning in (("remove", "delete a webhook"), ("test", "post a test event; exit status 1 if it fails")):
        parser = webhook(action, meaning)
        _add_organization_option(parser)
        parser.add_argument("webhook", metavar="WEBHOOK_ID", help="id of the webhook")
    _add_organization_option(webhook("dead", "list the events that webhooks did not take"))


def add_incidents_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command that lists incidents, with its action `show`."""
    incidents = commands.add_parser("incidents", help="list the last bugs by the numbers that their callers got")
    incidents.add_argument("--json", action="store_true", help="print the result as one JSON object")
    incidents.add_argument("--last", type=_count, metavar="N", help="list only the last N")
    show = incidents.add_subparsers(dest="action", metavar="ACTION").add_parser("show", help="print one of them")
    incidents.set_defaults(action="list")  # without an action
    show.add_argument("incident", metavar="ID", help="number of the incident: 16 hex digits")
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print it as one JSON object")


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, meaning: str
) -> Callable[[str, str], argparse.ArgumentParser]:
    """Add a command, and return the function that adds an action to it by name and meaning."""
    actions = commands.add_parser(name, help=meaning).add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(action: str, meaning: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(action, help=meaning)
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
        return parser

    return add


def _add_organization_option(action: argparse.ArgumentParser, *, is_required: bool = True) -> None:
    default = "" if is_required else " (default: all)"
    action.add_argument("--org", required=is_required, metavar="ID", help=f"id of the organisation{default}")


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(f"expected a name of 1 to {_LONGEST_NAME} printable characters")
    return name


def _event_name(text: str) -> str:
    names = sorted({*SUBJECTS, *LOGGED_TYPES})
    if text not in names:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(names)}, got {text!r}")
    return text


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
