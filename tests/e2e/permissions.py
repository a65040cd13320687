"""Each of the eight permissions as a client grants it, with a call that it allows and a call that it denies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, TOKEN

Call = dict[str, Any]
STRANGER = "0x000000000000000000000000000000000000bEEF"
MINT = call_data("mint(address,uint256)", FRIEND, 1)
PLAIN = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}
"""Plain transfers to any address; another permission limits the amount."""


@dataclass(frozen=True)
class Case:
    """Grant with an allowed call, a denied call, the permission that denies it (if one covers it) and the error."""

    permissions: tuple[dict[str, Any], ...]
    allowed: Callable[[str], Call]
    denied: Callable[[str], Call]
    by: str | None
    error: str


def always(call: Call) -> Callable[[str], Call]:
    return lambda _account: call


CASES = {
    "native-token-transfer": Case(
        permissions=({"type": "native-token-transfer", "data": {"allowance": "0x64"}}, PLAIN),
        allowed=always({"to": FRIEND, "value": "0x64"}),
        denied=always({"to": FRIEND, "value": "0x1"}),
        by="native-token-transfer",
        error="ExceededNativeTokenLimit",
    ),
    "erc20-token-transfer": Case(
        permissions=({"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},),
        allowed=always(transfer(100)),
        denied=always(transfer(1)),
        by="erc20-token-transfer",
        error="ExceededTokenLimit",
    ),
    "gas-limit": Case(
        permissions=({"type": "gas-limit", "data": {"limit": hex(3 * 10**15)}}, PLAIN),
        allowed=always({"to": FRIEND}),
        denied=always({"to": FRIEND}),
        by="gas-limit",
        error="ExceededNativeTokenLimit",
    ),
    "contract-access": Case(
        permissions=({"type": "contract-access", "data": {"address": TOKEN}},),
        allowed=always({"to": TOKEN, "data": MINT}),
        denied=always({"to": STRANGER, "data": MINT}),
        by=None,
        error="AddressNotAllowed",
    ),
    "account-functions": Case(
        permissions=({"type": "account-functions", "data": {"functions": ["0x9cfd7cff"]}},),
        allowed=lambda account: {"to": account, "data": "0x9cfd7cff"},
        denied=lambda account: {"to": account, "data": "0xb0d691fe"},
        by="account-functions",
        error="ValidationFunctionMissing",
    ),
    "functions-on-all-contracts": Case(
        permissions=({"type": "functions-on-all-contracts", "data": {"functions": ["0xa9059cbb"]}},),
        allowed=always(transfer(5)),
        denied=always({"to": TOKEN, "data": MINT}),
        by="functions-on-all-contracts",
        error="AddressNotAllowed",
    ),
    "functions-on-contract": Case(
        permissions=({"type": "functions-on-contract", "data": {"address": TOKEN, "functions": ["0xa9059cbb"]}},),
        allowed=always(transfer(5)),
        denied=always({"to": TOKEN, "data": MINT}),
        by="functions-on-contract",
        error="SelectorNotAllowed",
    ),
    "root": Case(
        permissions=({"type": "root"},),
        allowed=always({"to": FRIEND, "value": "0x1"}),
        denied=lambda account: {"to": account, "data": "0xb0d691fe"},
        by="root",
        error="ValidationFunctionMissing",
    ),
}
