"""Reads of the modules' rows by raw `eth_call`, encoded and decoded without code of the server."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from tests.operations.conftest import WalletFixture
from tests.support.constants import TOKEN

SINGLE_SIGNER = "0x00000000000099DE0BF6fA90dEB851E2A2df7d83"
NATIVE_LIMIT = "0x00000000000001e541f0D090868FBe24b59Fbe06"
ALLOWLIST = "0x00000000003e826473a313e600b5b9b791f5a59a"
TIME_RANGE = "0x00000000000082B8e2012be914dFA4f62A0573eA"
HALF = 0x7FFFFFFF
"""Difference between a session's second entity id and its first."""
Json = dict[str, Any]


async def view(wallet: WalletFixture, to: str, signature: str, types: list[str], *values: Any) -> tuple[Any, ...]:
    """Call a view function by raw `eth_call`, and decode its return data."""
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    data = "0x" + (keccak(text=signature)[:4] + encode(kinds, values)).hex()
    returned = await wallet.control("eth_call", {"to": to, "data": data}, "latest")
    return decode(types, bytes.fromhex(returned[2:]))


async def limits_by_hand(wallet: WalletFixture, entity: int) -> Json:
    """Read the limits of a session from the modules."""
    account = wallet.account
    (native,) = await view(wallet, NATIVE_LIMIT, "limits(uint256,address)", ["uint256"], entity, account)
    (gas,) = await view(wallet, NATIVE_LIMIT, "limits(uint256,address)", ["uint256"], entity + HALF, account)
    (token,) = await view(
        wallet,
        ALLOWLIST,
        "erc20SpendLimits(uint32,address,address)",
        ["uint256"],
        entity + HALF,
        TOKEN,
        account,
    )
    return {"native-token-transfer": native, "erc20-token-transfer": token, "gas-limit": gas}
