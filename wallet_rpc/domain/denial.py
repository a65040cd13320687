"""Which permission of a session a revert is about.

Every hook of a session is one permission's, told by its module and entity id (`validation_install`); the account names
both in the error it wraps around a hook's.
"""

from __future__ import annotations

from collections.abc import Sequence

from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import Explanation
from wallet_rpc.domain.validation_install import HALF_ENTITY

EXPIRY = "expiry"
"""Stands for the session's end, which is no permission but bounds them all."""
_OF_HOOK = {
    (TIME_RANGE_MODULE, 0): (EXPIRY,),
    (NATIVE_TOKEN_LIMIT_MODULE, 0): ("native-token-transfer",),
    (NATIVE_TOKEN_LIMIT_MODULE, HALF_ENTITY): ("gas-limit",),
    (ALLOWLIST_MODULE, HALF_ENTITY): ("erc20-token-transfer",),
}
"""The permission behind a hook, by its module and by how far its entity id is from the session's."""
_OF_TARGETS = ("contract-access", "functions-on-contract", "functions-on-all-contracts", "erc20-token-transfer")


def denying_permissions(
    explanation: Explanation, *, entity_id: int, permissions: Sequence[Permission]
) -> tuple[str, ...]:
    """The types of the permissions that did not cover the operation; empty when the revert is no denial of the session.

    Several when the account's error does not tell them apart: they share one list of targets.
    """
    denial = explanation.denial
    if denial is None:
        return _of_account(explanation, permissions)
    hook = (denial.module, denial.entity_id - entity_id)
    if hook == (ALLOWLIST_MODULE, 0):
        granted = {permission.type for permission in permissions}
        return tuple(kind for kind in _OF_TARGETS if kind in granted)
    return _OF_HOOK.get(hook, ())


def _of_account(explanation: Explanation, permissions: Sequence[Permission]) -> tuple[str, ...]:
    """The account itself refuses a function that the session does not list; about a permission only if there is one."""
    is_missing = "ValidationFunctionMissing" in explanation.names
    is_listed = any(permission.type == "account-functions" for permission in permissions)
    return ("account-functions",) if is_missing and is_listed else ()
