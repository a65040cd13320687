"""Options of `wallet-rpc paymaster`; a separate small module, since every command imports it."""

from __future__ import annotations

import argparse

from wallet_rpc.cli.option_types import parse_address
from wallet_rpc.config.chains import read_chain_id
from wallet_rpc.config.settings import variable

_UNSTAKE_DELAY = 86_400
"""The minimum that bundlers require, in seconds. Source: ERC-7562, MIN_UNSTAKE_DELAY."""


def add_paymaster_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `paymaster` and its options."""
    paymaster = commands.add_parser(
        "paymaster", help="deploy, fund, inspect and drain the VerifyingPaymaster contract on your chains"
    )
    actions = paymaster.add_subparsers(dest="action", required=True, metavar="ACTION")
    deploy = actions.add_parser("deploy", help=f"deploy it; {variable('deployer_key')} pays and becomes the owner")
    deposit = actions.add_parser("deposit", help="add to the deposit that pays for sponsored operations, or stake")
    status = actions.add_parser("status", help="show deposit, stake, owner and signer")
    withdraw = actions.add_parser("withdraw", help="withdraw from the deposit; requires the owner's key")
    unlock = actions.add_parser("unlock-stake", help="start the delay after which the stake can be withdrawn")
    withdraw_stake = actions.add_parser("withdraw-stake", help="withdraw the stake after its delay")
    for action in (deploy, deposit, status, withdraw, unlock, withdraw_stake):
        action.add_argument(
            "--chain",
            type=parse_chain_id,
            action="append",
            metavar="ID",
            help="chain id (default: all); may be repeated",
        )
        action.add_argument("--node", metavar="URL", help=f"node to use instead of those of {variable('chains')}")
        action.add_argument(
            "--owner", type=parse_address, metavar="ADDRESS", help="owner (default: the deployer key's address)"
        )
        action.add_argument(
            "--signer", type=parse_address, metavar="ADDRESS", help="signer (default: the paymaster key's address)"
        )
    for action in (deposit, status, withdraw, unlock, withdraw_stake):
        action.add_argument(
            "--at", type=parse_address, metavar="ADDRESS", help="address of the contract (default: as deployed)"
        )
    for action in (withdraw, withdraw_stake):
        action.add_argument(
            "--to", type=parse_address, metavar="ADDRESS", help="recipient (default: the deployer key's address)"
        )
    withdraw.add_argument("--wei", type=_wei, required=True, metavar="N", help="amount to withdraw")
    deposit.add_argument("--wei", type=_wei, default=0, metavar="N", help="amount to deposit")
    deposit.add_argument(
        "--stake", type=_wei, default=0, metavar="N", help="amount to stake, in wei; requires the owner's key"
    )
    deposit.add_argument(
        "--unstake-delay", type=_wei, default=_UNSTAKE_DELAY, metavar="SECONDS", help="delay of the stake (%(default)s)"
    )


def parse_chain_id(text: str) -> int:
    """Parse a chain id, decimal or hex. Raises: ArgumentTypeError."""
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
