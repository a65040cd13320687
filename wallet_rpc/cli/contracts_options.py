"""Options of `wallet-rpc contracts`; a separate small module, since every command imports it."""

from __future__ import annotations

import argparse
from pathlib import Path

from wallet_rpc.config.settings import variable


def add_contracts_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `contracts` and its options."""
    contracts = commands.add_parser("contracts", help="put EntryPoint, factory, accounts and modules on a devnet")
    actions = contracts.add_subparsers(dest="action", required=True, metavar="ACTION")
    deploy = actions.add_parser("deploy", help="install the contracts that the chain lacks, and show all in a table")
    target = deploy.add_mutually_exclusive_group(required=True)
    target.add_argument("--rpc-url", metavar="URL", help="node of the devnet, such as anvil or Hardhat")
    target.add_argument(
        "--print-genesis-alloc",
        action="store_true",
        help="print the contracts as the alloc of a geth genesis file, and change nothing",
    )
    deploy.add_argument(
        "--deployments",
        type=Path,
        metavar="FILE",
        help="deployment records with published creation code; wallet-rpc's own contracts fill the gaps. "
        f"A node that cannot set code gets them by transactions of {variable('deployer_key')}",
    )
    deploy.add_argument("--replace", action="store_true", help="overwrite other code at the contracts' addresses")
