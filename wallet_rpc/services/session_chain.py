"""Reads of a session as the chain has it: its validation, signer, modules' rows and the nonce of its grant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, SINGLE_SIGNER_MODULE
from wallet_rpc.domain.module_rows import ModuleRows, rows_of_grant
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_state import hook_of
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
from wallet_rpc.primitives import ZERO_ADDRESS, Address, UnixSeconds
from wallet_rpc.services.session_rows import RowNames, names_of, read_rows

_T = TypeVar("_T")
NameSearch = Callable[[], Awaitable[RowNames]]
"""A search for the names of a session's rows in the Allowlist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGrant:
    """A grant whose content is known."""

    install: ValidationInstall
    rows: ModuleRows
    nonce: int
    deadline: UnixSeconds
    """The last second in which the grant can be installed; 0: no end."""

    @classmethod
    def from_install(cls, install: ValidationInstall, nonce: int, *, deadline: UnixSeconds) -> KnownGrant:
        """Build the grant of an installation. Raises: ValueError for malformed data of a hook."""
        return cls(install=install, rows=rows_of_grant(install), nonce=nonce, deadline=deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSession:
    """A session as the chain has it, by reads of one POST as far as possible."""

    block: int
    """The number of the latest block at the time of the reads."""
    validation: ValidationData
    signer: Address
    rows: ModuleRows = field(default_factory=ModuleRows)
    next_nonce: int | None = None
    """The next nonce under the grant's key; None without a known grant."""

    @property
    def is_installed(self) -> bool:
        """True if the account has the validation."""
        return self.validation.is_installed

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """The installed hooks, without installation data."""
        return tuple(map(hook_of, (*self.validation.validation_hooks, *self.validation.execution_hooks)))


async def read_granted_session(chain: ChainPorts, reference: SessionReference, grant: KnownGrant) -> ChainSession:
    """Read a session whose grant is known.

    The reads may span the block that installs the session, or uninstalls it. A session that seems to be gone is
    therefore read again. Raises: Unavailable.
    """
    found = await _read_granted(chain, reference, grant)
    is_used = found.next_nonce is not None and found.next_nonce > grant.nonce
    return await _read_granted(chain, reference, grant) if is_used and not found.is_installed else found


async def _read_granted(chain: ChainPorts, reference: SessionReference, grant: KnownGrant) -> ChainSession:
    account, names = reference.account, names_of(grant.rows)
    (block, validation, signer), next_nonce, rows = await asyncio.gather(
        _read_validation(chain, reference),
        chain.node.user_operation_nonce(account, grant.nonce >> 64),
        _catch(read_rows(chain, account, grant.install.hooks, names)),
    )
    found = ChainSession(block=block, validation=validation, signer=signer, next_nonce=next_nonce)
    if not found.is_installed:
        return found
    expected = {bytes(hook.config) for hook in grant.install.hooks}
    if isinstance(rows, ModuleRows) and {bytes(hook.config) for hook in found.hooks} == expected:
        return replace(found, rows=rows)
    return replace(found, rows=await read_rows(chain, account, found.hooks, names))


async def read_installed_session(
    chain: ChainPorts, reference: SessionReference, find_names: NameSearch | None
) -> ChainSession:
    """Read a session whose grant is unknown; an Allowlist only with a search for the names of its rows.

    Raises: Unavailable.
    """
    block, validation, signer = await _read_validation(chain, reference)
    found = ChainSession(block=block, validation=validation, signer=signer)
    if not found.is_installed:
        return found
    names: RowNames = frozenset(), {}
    if find_names is not None and any(hook.module == ALLOWLIST_MODULE for hook in found.hooks):
        names = await find_names()
    return replace(found, rows=await read_rows(chain, reference.account, found.hooks, names))


async def _read_validation(chain: ChainPorts, reference: SessionReference) -> tuple[int, ValidationData, Address]:
    """Read the block number, the validation and its signer; an address that is no account has no validation."""
    account, entity_id = reference.account, reference.entity_id
    block, code, data, signer = await asyncio.gather(
        chain.node.block_number(),
        chain.node.code(account),
        _catch(chain.node.call(account, encode_get_validation_data(entity_id))),
        _catch(chain.node.call(SINGLE_SIGNER_MODULE, encode_signers(entity_id, account))),
    )
    if not code or not isinstance(data, bytes):
        return block, NOT_INSTALLED, ZERO_ADDRESS
    try:
        validation = decode_validation_data(data)
    except UnreadableAnswer:
        return block, NOT_INSTALLED, ZERO_ADDRESS
    return block, validation, decode_address(signer) if isinstance(signer, bytes) and signer else ZERO_ADDRESS


async def _catch(read: Coroutine[Any, Any, _T]) -> _T | None:
    """Return the result of a read; None when the contract is another one."""
    try:
        return await read
    except (ExecutionReverted, UnreadableAnswer):
        return None
