"""Reads of the decimals of tokens, for amounts that people read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from wallet_rpc.domain import abi
from wallet_rpc.errors import WalletError
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address

MAX_TOKENS = 50
"""The maximum number of tokens whose decimals one request reads."""
_DECIMALS = abi.selector_of("decimals()")
_MOST_DECIMALS = 77
"""The largest number of decimals that an amount of 256 bits can have."""


async def read_decimals(chain: ChainPorts, tokens: Iterable[Address]) -> dict[Address, int]:
    """Return the decimals of the first tokens, without those of contracts that are no tokens."""
    chosen = list(dict.fromkeys(tokens))[:MAX_TOKENS]
    found = await asyncio.gather(*(_read(chain, token) for token in chosen))
    return {token: decimals for token, decimals in zip(chosen, found, strict=True) if decimals is not None}


async def _read(chain: ChainPorts, token: Address) -> int | None:
    try:
        answer = await chain.node.call(token, _DECIMALS)
    except WalletError:
        return None
    decimals = int.from_bytes(answer[:32])
    return decimals if len(answer) >= 32 and decimals <= _MOST_DECIMALS else None


def format_units(amount: int, decimals: int) -> str:
    """Format an amount of a token's smallest unit as decimal digits of whole tokens: 1500000 of 6 is `1.5`."""
    if decimals == 0:
        return str(amount)
    whole, rest = divmod(amount, 10**decimals)
    fraction = f"{rest:0{decimals}}".rstrip("0")
    return f"{whole}.{fraction}" if fraction else str(whole)
