"""Options of `wallet-rpc session` and `stop`; a separate small module, since every command imports it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from wallet_rpc.cli.option_types import parse_address
from wallet_rpc.cli.paymaster_options import parse_chain_id
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.nonce import MAX_ENTITY_ID
from wallet_rpc.primitives import SessionId

_Actions = Callable[[str, str], argparse.ArgumentParser]


def add_session_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands on single sessions and on kill switches, with their options."""
    session = _add_command(commands, "session", "list, show, stop or rekey sessions of an organisation")
    _add_reading_options(session)
    _add_explaining_options(session)
    for name, meaning in (
        ("pause", "refuse the session at once, until it is resumed"),
        ("resume", "accept a paused session again"),
        ("revoke", "refuse the session for ever, and prepare the owner's operation that removes it on chain"),
        ("rotate", "prepare the owner's operation with which another key takes over the session"),
    ):
        action = session(name, meaning)
        action.add_argument("session", type=_session_id, metavar="SESSION_ID", help="id of the session")
        _add_organization_option(action)
        if name == "rotate":
            action.add_argument(
                "--new-key", type=parse_address, required=True, metavar="ADDRESS", help="key that takes over"
            )

    stop = _add_command(commands, "stop", "kill switches: stop all sessions of an organisation, account, key or tag")
    add = stop("add", "set a kill switch, which holds at once")
    add.add_argument("--revoke", action="store_true", help="for ever, instead of until it is removed")
    remove = stop("remove", "remove a kill switch that pauses")
    listing = stop(
        "list", "list the kill switches of an organisation, and the stops that owners of its accounts signed"
    )
    _add_organization_option(listing)
    listing.add_argument("--account", type=parse_address, metavar="ADDRESS", help="only stops of an account")
    listing.add_argument("--chain", type=parse_chain_id, metavar="ID", help="only owners' stops on this chain")
    for action in (add, remove):
        _add_organization_option(action)
        scope = action.add_mutually_exclusive_group(required=True)
        scope.add_argument("--all", action="store_true", help="all sessions of the organisation")
        scope.add_argument("--account", type=parse_address, metavar="ADDRESS", help="sessions of an account")
        scope.add_argument("--session-key", type=parse_address, metavar="ADDRESS", help="sessions of a key")
        scope.add_argument("--tag", metavar="TEXT", help="sessions with a tag")


def _add_reading_options(session: _Actions) -> None:
    """Add the actions that list and show sessions."""
    listing = session("list", "list sessions with their state and the rest of their limits, newest first")
    showing = session("show", "show one session, with its allowlist and its calls")
    showing.add_argument("session", type=_session_id, nargs="?", metavar="SESSION_ID", help="id of the session")
    showing.add_argument("--entity", type=_entity, metavar="N", help="entity id, with --account and --chain")
    for action in (listing, showing):
        _add_organization_option(action)
        action.add_argument("--account", type=parse_address, metavar="ADDRESS", help="account of the session")
        action.add_argument("--chain", type=parse_chain_id, metavar="ID", help="chain of the session")
    listing.add_argument("--session-key", type=parse_address, metavar="ADDRESS", help="only sessions of a key")
    listing.add_argument("--state", metavar="STATE", help="only sessions in this state, such as installed or pending")
    listing.add_argument("--tag", metavar="TEXT", help="only sessions with a tag")
    listing.add_argument("--limit", type=_limit, default=50, metavar="N", help="number of sessions (default: 50)")
    listing.add_argument("--cursor", type=_cursor, metavar="TEXT", help="cursor of the previous list")


def _add_explaining_options(session: _Actions) -> None:
    explaining = session("explain", "say if calls of a session are allowed, why not, and what would remain")
    explaining.add_argument("session", type=_session_id, metavar="SESSION_ID", help="id of the session")
    _add_organization_option(explaining)
    explaining.add_argument(
        "--call",
        nargs="+",
        action="append",
        default=[],
        metavar="VALUE",
        help="a call, repeatable: ADDRESS [WEI [DATA]], DATA as 0x and hex digits",
    )
    explaining.add_argument("--gas-cost", type=_wei, metavar="WEI", help="the most that the gas may cost the account")
    explaining.add_argument("--sponsored", action="store_true", help="a paymaster pays for the gas")


def _add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, meaning: str) -> _Actions:
    """Add a command, and return the function that adds an action to it by name and meaning."""
    actions = commands.add_parser(name, help=meaning).add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(action: str, meaning: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(action, help=meaning)
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
        return parser

    return add


def _add_organization_option(action: argparse.ArgumentParser) -> None:
    action.add_argument("--org", required=True, metavar="ID", help="id of the organisation")


def _entity(text: str) -> int:
    return _whole(text, MAX_ENTITY_ID)


def _limit(text: str) -> int:
    return _whole(text, 10_000)


def _wei(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 77:
        raise argparse.ArgumentTypeError(f"expected an amount of wei, got {text!r}")
    return int(text)


def _whole(text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {most}, got {text!r}")
    return int(text)


def _cursor(text: str) -> bytes:
    try:
        return PlaceCursor(24).decode(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected the cursor that a list printed") from None


def _session_id(text: str) -> SessionId:
    try:
        return SessionId.parse(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected 0x and 32 hex digits, got {text!r}") from None
