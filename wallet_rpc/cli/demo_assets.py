"""Assets that the demo's session transfers: test tokens where the chain has them, else the native currency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from wallet_rpc.cli.demo_client import has_code, read_balance
from wallet_rpc.cli.demo_funds import MINT, Payer
from wallet_rpc.client import AsyncWalletClient
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address, Data

LIMIT = 100
"""Number of units that the session may transfer in total."""
_BALANCE_OF = abi.selector_of("balanceOf(address)")
_STRANGER = Address(bytes.fromhex("000000000000000000000000000000000000beef"))
_UNIT_WEI = 10**12
"""Native currency of one unit, in wei."""
_MINTED = 1000


class Asset(Protocol):
    """An asset, counted in units."""

    noun: str
    """Name of several units."""
    needed_wei: int
    """Native currency that the account needs for its transfers, in wei."""

    async def fund(self, payer: Payer, account: Address) -> str:
        """Give the account what it transfers besides native currency; return the text for it.

        Raises: DemoFailed; ClientError.
        """

    async def balance(self, holder: Address) -> int:
        """Return a balance in units."""

    def permissions(self) -> list[dict[str, Any]]:
        """Return the permissions of a session that may transfer `LIMIT` units in total."""

    def transfer(self, to: Address, units: int) -> dict[str, str]:
        """Return the call that transfers units."""

    def denied_calls(self, to: Address) -> Mapping[str, dict[str, str]]:
        """Return calls that the session may not make, by their descriptions, after `LIMIT` units were transferred."""


class Tokens:
    """Test tokens of the embedded chain."""

    noun = "tokens"
    needed_wei = 0

    def __init__(self, client: AsyncWalletClient) -> None:
        self._client = client

    async def fund(self, payer: Payer, account: Address) -> str:
        """Mint the tokens."""
        await payer.mint(account, _MINTED)
        return f" and {_MINTED} test tokens"

    async def balance(self, holder: Address) -> int:
        """Return a balance in the token's smallest unit."""
        call = {"to": TEST_TOKEN.hex0x(), "data": _encode(_BALANCE_OF, abi.address(holder))}
        return int(await self._client.request("eth_call", call, "latest"), 16)

    def permissions(self) -> list[dict[str, Any]]:
        """Allow transfers of the token, and a little native currency."""
        return [
            {"type": "erc20-token-transfer", "data": {"address": TEST_TOKEN.hex0x(), "allowance": hex(LIMIT)}},
            {"type": "native-token-transfer", "data": {"allowance": hex(10**16)}},
        ]

    def transfer(self, to: Address, units: int) -> dict[str, str]:
        """Return a call of the token."""
        return {"to": TEST_TOKEN.hex0x(), "data": _encode(abi.ERC20_TRANSFER, abi.address(to), abi.uint(units))}

    def denied_calls(self, to: Address) -> Mapping[str, dict[str, str]]:
        """Exceed the limit, and call another function and another contract."""
        return {
            "one token more than the limit": self.transfer(to, 1),
            "another function of the token": {
                "to": TEST_TOKEN.hex0x(),
                "data": _encode(MINT, abi.address(to), abi.uint(1)),
            },
            "another contract": {"to": _STRANGER.hex0x(), "data": "0x12345678"},
        }


class NativeCurrency:
    """The chain's native currency, in units of 10^12 wei."""

    noun = "units of 0.000001 ETH"
    needed_wei = (LIMIT + 1) * _UNIT_WEI

    def __init__(self, client: AsyncWalletClient) -> None:
        self._client = client

    async def fund(self, payer: Payer, account: Address) -> str:
        """Add nothing: the native currency is paid before."""
        return ""

    async def balance(self, holder: Address) -> int:
        """Return a balance in whole units."""
        return await read_balance(self._client, holder) // _UNIT_WEI

    def permissions(self) -> list[dict[str, Any]]:
        """Allow plain transfers, which are calls without a function."""
        return [
            {"type": "native-token-transfer", "data": {"allowance": hex(LIMIT * _UNIT_WEI)}},
            {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
        ]

    def transfer(self, to: Address, units: int) -> dict[str, str]:
        """Return a plain transfer."""
        return {"to": to.hex0x(), "value": hex(units * _UNIT_WEI)}

    def denied_calls(self, to: Address) -> Mapping[str, dict[str, str]]:
        """Exceed the limit, and call a function."""
        return {
            "one unit more than the limit": self.transfer(to, 1),
            "a function of another contract": {"to": _STRANGER.hex0x(), "data": "0x12345678"},
        }


async def choose_asset(client: AsyncWalletClient) -> Asset:
    """Return test tokens if the chain has them, else the native currency."""
    return Tokens(client) if await has_code(client, TEST_TOKEN) else NativeCurrency(client)


def _encode(selector: bytes, *words: bytes) -> str:
    return Data(selector + b"".join(words)).hex0x()
