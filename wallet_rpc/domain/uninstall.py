"""Calls of the owner that revoke a session: uninstall an installed one, or invalidate one not used yet.

Uninstalling a validation without hook data leaves the modules' state, which the next session on the same entity id
inherits. The hook data clears that state.
Source: ModularAccountView and ModuleManagerInternals of Modular Account v2.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, ENTRY_POINT
from wallet_rpc.domain.validation import Hook, HookKind, ValidationInstall, module_entity
from wallet_rpc.primitives import Address, Data


def hook_uninstall_data(install: ValidationInstall) -> tuple[Data, ...]:
    """Build the uninstall data of each hook, in the account's order.

    The order is validation hooks newest first, then execution hooks newest first. In a wrong order, the account skips
    the rest without an error. Allowlist receives its installation data again, any other module abi(uint32 entity id).
    """
    newest_first = install.hooks[::-1]
    validation = [hook for hook in newest_first if hook.kind is HookKind.VALIDATION]
    execution = [hook for hook in newest_first if hook.kind is HookKind.EXECUTION]
    return tuple(_uninstall_data(hook) for hook in (*validation, *execution))


def _uninstall_data(hook: Hook) -> Data:
    return hook.init_data if hook.module == ALLOWLIST_MODULE else Data(abi.uint(hook.entity_id))


def uninstall_call_data(
    install: ValidationInstall, *, with_hook_data: bool = True, with_signer_data: bool = True
) -> Data:
    """Encode `uninstallValidation(bytes24 moduleEntity, bytes uninstallData, bytes[] hookUninstallData)`.

    The account must call itself directly (or in an item of executeBatch), never through execute. It looks at the entity
    id only. Without hook data, the hooks are removed but their modules keep the session's limits. Without signer data,
    SingleSigner keeps the key.
    """
    hooks = hook_uninstall_data(install) if with_hook_data else ()
    return Data(
        abi.UNINSTALL_VALIDATION
        + abi.sequence(
            abi.fixed_bytes(module_entity(install.module, install.entity_id)),
            abi.blob(abi.uint(install.entity_id) if with_signer_data else b""),
            abi.array(map(abi.blob, hooks)),
        )
    )


def uninstall_call(install: ValidationInstall, account: Address) -> Call:
    """Build the owner's call that removes an installed session with all its limits."""
    return Call(to=account, data=uninstall_call_data(install))


def burn_nonce_call(nonce: int) -> Call:
    """Build the owner's call that invalidates a signed but unused session: `incrementNonce(nonce >> 64)`.

    The call goes to the entry point. An uninstallation is not enough: an unused deferred action stays valid until its
    nonce is used or its deadline has passed.
    """
    return Call(to=ENTRY_POINT, data=Data(abi.INCREMENT_NONCE + abi.uint(nonce >> 64, 192)))
