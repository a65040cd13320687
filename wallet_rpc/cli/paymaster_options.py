"""The options of `wallet-rpc paymaster`; apart from what they do, since every command reads them."""

from __future__ import annotations

import argparse

from wallet_rpc.cli.option_types import parse_address
from wallet_rpc.config.chains import read_chain_id
from wallet_rpc.config.settings import variable

_UNSTAKE_DELAY = 86_400
"""Seconds; what bundlers ask at least. Source: ERC-7562, MIN_UNSTAKE_DELAY."""


def add_paymaster_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command `paymaster` and its options."""
    paymaster = commands.add_parser(
        "paymaster", help="our paymaster contract on your chains: deploy, pay in, look, take out"
    )
    actions = paymaster.add_subparsers(dest="action", required=True, metavar="ACTION")
    deploy = actions.add_parser("deploy", help=f"deploy it; {variable('deployer_key')} pays and is its owner")
    deposit = actions.add_parser("deposit", help="pay in what sponsored operations cost, and a stake")
    status = actions.add_parser("status", help="show deposit, stake, owner and signer")
    withdraw = actions.add_parser("withdraw", help="take out of the deposit; as its owner")
    unlock = actions.add_parser("unlock-stake", help="begin the stake's delay, after which it can be withdrawn")
    withdraw_stake = actions.add_parser("withdraw-stake", help="take out the stake, when its delay is over")
    for action in (deploy, deposit, status, withdraw, unlock, withdraw_stake):
        action.add_argument(
            "--chain", type=parse_chain_id, action="append", metavar="ID", help="this chain; may be repeated"
        )
        action.add_argument("--node", metavar="URL", help=f"this node, instead of those of {variable('chains')}")
        action.add_argument(
            "--owner", type=parse_address, metavar="ADDRESS", help="its owner, if not the deployer key's"
        )
        action.add_argument(
            "--signer", type=parse_address, metavar="ADDRESS", help="its signer, if not the paymaster key's"
        )
    for action in (deposit, status, withdraw, unlock, withdraw_stake):
        action.add_argument("--at", type=parse_address, metavar="ADDRESS", help="where it is, if it is another one")
    for action in (withdraw, withdraw_stake):
        action.add_argument("--to", type=parse_address, metavar="ADDRESS", help="to whom, if not the deployer key's")
    withdraw.add_argument("--wei", type=_wei, required=True, metavar="N", help="how much to take out")
    deposit.add_argument("--wei", type=_wei, default=0, metavar="N", help="how much to pay in")
    deposit.add_argument("--stake", type=_wei, default=0, metavar="N", help="how much to stake, in wei; as its owner")
    deposit.add_argument("--unstake-delay", type=_wei, default=_UNSTAKE_DELAY, metavar="SECONDS", help="of the stake")


def parse_chain_id(text: str) -> int:
    """A chain's id as an option gives it."""
    try:
        return read_chain_id(text)
    except ValueError as error:
        expected = f"expected a chain id such as 31337 or 0x7a69, {error}"
        raise argparse.ArgumentTypeError(f"{expected}, got {text!r}") from None


def _wei(text: str) -> int:
    plain = text.replace("_", "")
    if not plain.isascii() or not plain.isdigit() or int(plain) >= 1 << 112:
        raise argparse.ArgumentTypeError(f"expected a whole number below 2^112, got {text!r}")
    return int(plain)
