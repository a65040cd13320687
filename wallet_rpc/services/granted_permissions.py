"""Permissions in the form of ERC-7715's newer drafts: the kinds that can be granted, and those that were."""

from __future__ import annotations

from typing import Any

from wallet_rpc.domain.erc7715_permission import Erc7715Permission
from wallet_rpc.domain.permission import Permission
from wallet_rpc.wire import encode

EXPIRY = "expiry"
"""The only kind of rule on a grant."""
PERMISSION_TYPES = (
    "native-token-transfer",
    "native-token-allowance",
    "erc20-token-transfer",
    "erc20-token-allowance",
    "gas-limit",
    "contract-access",
    "contract-call",
    "functions-on-contract",
)
"""The kinds of permission that `translate_permissions` accepts."""


def to_draft_permission(permission: Permission) -> Erc7715Permission:
    """Convert a permission of a session: tokens in the draft's names, all other kinds with their own data."""
    encoded: dict[str, Any] = encode(Permission, permission)
    kind, data = encoded["type"], encoded.get("data", {})
    match kind:
        case "native-token-transfer":
            kind, data = "native-token-allowance", {"allowanceAmount": data["allowance"]}
        case "erc20-token-transfer":
            kind = "erc20-token-allowance"
            data = {"tokenAddress": data["address"], "allowanceAmount": data["allowance"]}
    return Erc7715Permission(type=kind, data=data, is_adjustment_allowed=False)
