"""Reads of the demo from the chain, its failure, and its output."""

from __future__ import annotations

import sys

from wallet_rpc.client import Address, AsyncWalletClient


class DemoFailed(Exception):
    """The demo cannot go on."""


async def read_balance(client: AsyncWalletClient, address: Address) -> int:
    """Return a native balance in wei. Raises: ClientError."""
    return int(await client.request("eth_getBalance", address.hex0x(), "latest"), 16)


async def has_code(client: AsyncWalletClient, address: Address) -> bool:
    """Return True when there is a contract at the address. Raises: ClientError."""
    return len(await client.request("eth_getCode", address.hex0x(), "latest")) > 2


def say(text: str = "") -> None:
    """Print one line without buffering."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
