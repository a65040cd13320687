"""Removal of a session from the chain: the owner's calls that uninstall it or burn its grant, and the proof afterwards.

An uninstallation is complete only if it carries the data of every hook, in the account's order. Otherwise the limits
stay in the modules, and the next session with the entity id inherits them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    NATIVE_TOKEN_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.domain.module_rows import read_allowlist
from wallet_rpc.domain.module_views import (
    encode_address_allowlist,
    encode_erc20_spend_limits,
    encode_limits,
    encode_selector_allowlist,
    encode_time_ranges,
)
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.uninstall import burn_nonce_call, uninstall_call
from wallet_rpc.domain.validation import Hook, ValidationInstall
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    ValidationData,
    decode_address,
    decode_validation_data,
    encode_get_validation_data,
    encode_signers,
)
from wallet_rpc.errors import ExecutionReverted, UnreadableAnswer
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import ZERO_ADDRESS, Address, BlockNumber, Data
from wallet_rpc.wire import shape

MAX_BURNED = 16
"""Maximum number of nonces that one operation burns, for a grant whose nonce is not the next one."""


@shape
class RemovalProof:
    """The state of a session on chain, read back from the account and the modules."""

    block: BlockNumber
    """Latest block when the reads began."""
    is_removed: bool
    """True if all that follows is proven: the session cannot act, and the next one on its id inherits nothing."""
    validation_removed: bool
    """True if the account has no validation with the entity id."""
    hooks_removed: bool
    """True if the account has no hook of the validation."""
    signer_removed: bool
    """True if the signer module has no key for the entity id."""
    limits_removed: bool | None = None
    """True if every limit that the grant set is zero in its module; absent if the grant is not known."""
    grant_used: bool | None = None
    """True if the nonce of the grant is used, so that it cannot install again; absent if the grant is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainValidation:
    """The validation of a session and its leftovers, as the chain has them."""

    validation: ValidationData
    signer: Address
    next_nonce: int | None
    """The next nonce under the key of the grant's; None without a known grant."""
    proof: RemovalProof


def grant_nonce(named: NamedSession) -> int | None:
    """Return the nonce with which a session's grant installs it; None if the grant is not known."""
    if named.session is not None:
        return named.session.nonce
    return None if named.grant is None else named.grant.action.nonce


async def read_back(chain: ChainPorts, named: NamedSession) -> ChainValidation:
    """Read validation, signer, grant's nonce and limits of a session. Raises: Unavailable."""
    reference, nonce = named.reference, grant_nonce(named)
    block = await chain.node.block_number()
    validation, signer, next_nonce, leftovers = await asyncio.gather(
        _read_validation(chain, reference),
        _read_signer(chain, reference),
        _read_nonce(chain, reference.account, nonce),
        _has_leftovers(chain, reference.account, named.install),
    )
    hooks = (*validation.validation_hooks, *validation.execution_hooks)
    grant_used = None if nonce is None or next_nonce is None else next_nonce > nonce
    is_gone = not validation.is_installed, not hooks, signer == ZERO_ADDRESS
    limits_removed = None if leftovers is None else not leftovers
    proof = RemovalProof(
        block=block,
        is_removed=all(is_gone) and limits_removed is True and grant_used is True,
        validation_removed=is_gone[0],
        hooks_removed=is_gone[1],
        signer_removed=is_gone[2],
        limits_removed=limits_removed,
        grant_used=grant_used,
    )
    return ChainValidation(validation=validation, signer=signer, next_nonce=next_nonce, proof=proof)


async def _read_validation(chain: ChainPorts, reference: SessionReference) -> ValidationData:
    """Read the validation; an address without code, or of another kind of contract, has none."""
    code, data = await asyncio.gather(
        chain.node.code(reference.account),
        _catch(chain.node.call(reference.account, encode_get_validation_data(reference.entity_id))),
    )
    try:
        return decode_validation_data(data) if code else NOT_INSTALLED
    except UnreadableAnswer:
        return NOT_INSTALLED


async def _read_signer(chain: ChainPorts, reference: SessionReference) -> Address:
    data = await _catch(chain.node.call(SINGLE_SIGNER_MODULE, encode_signers(reference.entity_id, reference.account)))
    return decode_address(data) if data else ZERO_ADDRESS


async def _read_nonce(chain: ChainPorts, account: Address, nonce: int | None) -> int | None:
    return None if nonce is None else await chain.node.user_operation_nonce(account, nonce >> 64)


async def _has_leftovers(chain: ChainPorts, account: Address, install: ValidationInstall | None) -> bool | None:
    """Return True if a module has any row that the grant wrote; None if the grant is not known or not readable."""
    if install is None:
        return None
    try:
        reads = [read for hook in install.hooks for read in _list_rows(hook, account)]
    except ValueError:
        return None
    found = await asyncio.gather(*(_catch(chain.node.call(module, data)) for module, data in reads))
    return any(any(row) for row in found)


def _list_rows(hook: Hook, account: Address) -> Iterator[tuple[Address, Data]]:
    """Iterate over the calls that read what a hook's installation wrote. Raises: ValueError for malformed data."""
    module, entity_id = hook.module, hook.entity_id
    if module == TIME_RANGE_MODULE:
        yield module, encode_time_ranges(entity_id, account)
    elif module == NATIVE_TOKEN_LIMIT_MODULE:
        yield module, encode_limits(entity_id, account)
    elif module == ALLOWLIST_MODULE:
        for row in read_allowlist(hook):
            yield module, encode_address_allowlist(entity_id, row.target, account)
            yield module, encode_erc20_spend_limits(entity_id, row.target, account)
            for function in row.functions:
                yield module, encode_selector_allowlist(entity_id, function, row.target, account)


async def _catch(read: Coroutine[Any, Any, bytes]) -> bytes:
    """Return the result of a read; nothing when the contract is not what was expected."""
    try:
        return await read
    except (ExecutionReverted, UnreadableAnswer):
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalCalls:
    """The owner's calls that remove a session, and False if a limit would stay because its grant is not known."""

    calls: tuple[Call, ...] = ()
    is_complete: bool = True


def plan_removal(named: NamedSession, found: ChainValidation) -> RemovalCalls:
    """Build the owner's calls: uninstall an installed session, or burn the nonce of a pending grant."""
    nonce = grant_nonce(named)
    if found.validation.is_installed:
        install, is_complete = _match_chain(named, found.validation)
        return RemovalCalls(calls=(uninstall_call(install, named.reference.account),), is_complete=is_complete)
    if nonce is None or found.next_nonce is None or found.next_nonce > nonce:
        return RemovalCalls()
    count = nonce - found.next_nonce + 1
    return RemovalCalls(calls=(burn_nonce_call(nonce),) * min(count, MAX_BURNED), is_complete=count <= MAX_BURNED)


def _match_chain(named: NamedSession, validation: ValidationData) -> tuple[ValidationInstall, bool]:
    """Return the installation with the hooks that the account has now, in its order, with the data of the grant's.

    False: an Allowlist's entries are not known, since its grant is not, so they stay.
    """
    granted = {} if named.install is None else {bytes(hook.config): hook for hook in named.install.hooks}
    configs = (*validation.validation_hooks, *validation.execution_hooks)
    hooks = tuple(granted.get(config) or _parse_config(config) for config in configs)
    is_complete = all(bytes(hook.config) in granted or hook.module != ALLOWLIST_MODULE for hook in hooks)
    if named.install is not None:
        return replace(named.install, hooks=hooks), is_complete
    install = ValidationInstall(
        module=SINGLE_SIGNER_MODULE,
        entity_id=named.reference.entity_id,
        flags=validation.flags,
        selectors=(),
        install_data=Data(),
        hooks=hooks,
    )
    return install, is_complete


def _parse_config(config: bytes) -> Hook:
    """Return a hook that the grant does not have; an Allowlist gets the data of one without entries."""
    module, entity_id = Address(config[:20]), int.from_bytes(config[20:24], "big")
    no_entries = Data(abi.sequence(abi.uint(entity_id), abi.array(())))
    return Hook(module, entity_id, config[24], no_entries if module == ALLOWLIST_MODULE else Data())
