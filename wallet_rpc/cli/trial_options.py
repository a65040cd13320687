"""Options of `wallet-rpc demo` and `doctor`."""

from __future__ import annotations

import argparse

from wallet_rpc.cli.option_types import parse_private_key


def add_trial_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands `demo` and `doctor` and their options."""
    _add_demo_command(commands)
    _add_doctor_command(commands)


def _add_demo_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `demo` and its options."""
    demo = commands.add_parser("demo", help="show account creation, a grant, an allowed call and a denied call")
    demo.add_argument("--url", help="URL of the server (default: a running one, else a new ephemeral one)")
    demo.add_argument("--key", help="API key, if the server requires one")
    demo.add_argument(
        "--funder",
        type=parse_private_key,
        metavar="KEY",
        help="private key of a funded account, which pays for the demo where the chain is not an embedded one",
    )
    demo.add_argument("--policy", metavar="ID", help="sponsorship policy that pays for gas (default: the account pays)")


def _add_doctor_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `doctor` and its option."""
    doctor = commands.add_parser("doctor", help="check all that serve needs; the exit status is 1 after a failure")
    doctor.add_argument("--json", action="store_true", help="print one line of JSON")
