"""Taking a session back: the calls by which the owner removes an installed one or kills one not used yet.

Removing the validation alone leaves the modules' state behind, and the next session on the same entity id inherits
it; the hooks' data clears it. Source: ModularAccountView and ModuleManagerInternals of Modular Account v2.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, ENTRY_POINT
from wallet_rpc.domain.validation import Hook, HookKind, ValidationInstall, module_entity
from wallet_rpc.primitives import Address, Data


def hook_uninstall_data(install: ValidationInstall) -> tuple[Data, ...]:
    """What each hook's module is told, in the order the account asks: validation hooks newest first, then execution
    hooks newest first. A wrong order makes the account skip the rest without an error.

    Allowlist: its installation data again; every other module: abi(uint32 hook entity id).
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
    """`uninstallValidation(bytes24 moduleEntity, bytes uninstallData, bytes[] hookUninstallData)`.

    A direct call of the account to itself (or an item of executeBatch), never through execute. The account looks at
    the entity id only. Without hook data the hooks go but their modules keep the session's limits; without signer data
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
    """The owner's call that removes an installed session with all its limits."""
    return Call(to=account, data=uninstall_call_data(install))


def burn_nonce_call(nonce: int) -> Call:
    """The owner's call that kills a signed session not used yet: `incrementNonce(nonce >> 64)` on the entry point.

    An uninstallation does not: an unused deferred action lives until its nonce is used or its deadline is past.
    """
    return Call(to=ENTRY_POINT, data=Data(abi.INCREMENT_NONCE + abi.uint(nonce >> 64, 192)))
