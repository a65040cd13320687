"""Builder of draft user operations from calls: call data, nonce and fees, without gas limits and paymaster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.capabilities import Capabilities
from wallet_rpc.domain.gas import max_fee, replacement_fee
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.signature import SignerKind, dummy_user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, Selector
from wallet_rpc.services.authority import Authority
from wallet_rpc.services.draft_reads import NONCE_KEY, DraftReads, read_parallel_key
from wallet_rpc.services.signatures import is_contract
from wallet_rpc.services.submission import refuse_while_installing


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """One preparation: an account's calls on one chain, their capabilities and authority, and the request's ports."""

    ports: Ports
    chain: ChainPorts
    calls: tuple[Call, ...]
    capabilities: Capabilities
    authority: Authority
    reads: DraftReads
    authorization: Authorization | None = None
    """The authorization to send with the operation, if the account needs a delegation."""

    @property
    def account(self) -> Address:
        """The calling account."""
        return self.authority.account.address


async def build_draft(preparation: Preparation) -> UserOperation:
    """Build the operation with nonce and fees; missing signatures are dummies."""
    _refuse_self_call_without_function(preparation)
    account, fees = preparation.authority.account, preparation.reads.fees
    kind = SignerKind.CONTRACT if await _is_contract_signer(preparation) else SignerKind.KEY
    operation = UserOperation(
        sender=account.address,
        nonce=_choose_nonce(preparation),
        factory=account.factory,
        call_data=_call_data(preparation),
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=max_fee(fees.base_fee_per_gas, fees.max_priority_fee_per_gas),
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        signature=dummy_user_operation_signature(kind=kind, deferred=preparation.authority.signature_prefix),
        authorization=None if preparation.authorization is None else add_dummy_signature(preparation.authorization),
    )
    return await _outbid_pending(preparation, operation)


def build_nonce_key_error(text: str) -> InvalidParams:
    """Build the error of a parallel nonce key that does not apply to this call."""
    return InvalidParams(text, field=NONCE_KEY, reason="nonce_key_not_applicable")


def with_calls_of(preparation: Preparation, operation: UserOperation) -> UserOperation:
    """Return the operation with its call data replaced by the calls of `preparation`."""
    return replace(operation, call_data=_call_data(preparation))


def _refuse_self_call_without_function(preparation: Preparation) -> None:
    """Raise InvalidParams for a single call to the account itself without a function selector.

    Such a call becomes the account's own call data, so without a selector there is no function to run.
    """
    if len(preparation.calls) != 1:
        return
    (call,) = preparation.calls
    if call.to == preparation.account and len(call.data) < Selector.size:
        at = "params.calls[0].data"
        raise InvalidParams(
            f"expected a function call, because the account calls itself, got {call.data.hex0x()}; for no effect, "
            "leave calls empty or call another address",
            field=at,
            reason="self_call_without_function",
        )


def _call_data(preparation: Preparation) -> Data:
    """Encode the account's call data; a data suffix follows at the end, where decoders ignore it (ERC-8021)."""
    call_data = execute_call_data(preparation.account, preparation.calls)
    if preparation.authority.has_execution_hooks:
        call_data = wrap_execute_user_op(call_data)
    suffix = preparation.capabilities.data_suffix
    return call_data if suffix is None else Data(call_data + suffix.value)


async def _is_contract_signer(preparation: Preparation) -> bool:
    """Return True when the signer is a contract; the node is asked unless it was about this signer."""
    reads, signer = preparation.reads, preparation.authority.signer
    return reads.is_contract_signer if reads.signer == signer else await is_contract(preparation.chain, signer)


def _choose_nonce(preparation: Preparation) -> int:
    """Return the grant's nonce if the operation installs the session; else the next nonce of the parallel key.

    Raises: InvalidParams (nonce_key_not_applicable) for a parallel key that differs from the grant's.
    """
    if preparation.authority.grant is None:
        return preparation.reads.next_nonce
    nonce = preparation.authority.grant.action.nonce
    signed, _ = split_nonce(nonce)
    parallel_key = read_parallel_key(preparation.capabilities)
    if preparation.capabilities.nonce_override is not None and signed.parallel_key != parallel_key:
        raise build_nonce_key_error(
            f"expected {signed.parallel_key:#x}, the key of the nonce that the owner signed for the installation "
            f"of the session, got {parallel_key:#x}; use other keys once the session is installed"
        )
    return nonce


async def _outbid_pending(preparation: Preparation, operation: UserOperation) -> UserOperation:
    """Raise the fees to outbid a pending operation with the same nonce.

    A pending installation of a session is not replaced unless the caller sets maxFeePerGas explicitly.
    Raises: InstallPending.
    """
    records = await preparation.ports.store.calls.list_by_nonce(
        preparation.chain.chain_id, preparation.account, operation.nonce
    )
    pending = next((one for one in records if not one.state.is_not_sent), None)
    is_explicit = _sets_max_fee(preparation.capabilities)
    if pending is not None:
        if preparation.authority.grant is not None and not is_explicit:
            await refuse_while_installing(
                preparation.ports, preparation.chain, account=preparation.account, nonce=operation.nonce
            )
        operation = replace(
            operation,
            max_fee_per_gas=max(operation.max_fee_per_gas, replacement_fee(pending.max_fee_per_gas)),
            max_priority_fee_per_gas=max(
                operation.max_priority_fee_per_gas, replacement_fee(pending.max_priority_fee_per_gas)
            ),
        )
    return operation if is_explicit else _differ_from_refused(operation, records)


def _sets_max_fee(capabilities: Capabilities) -> bool:
    overrides = capabilities.gas_params_override
    return overrides is not None and overrides.max_fee_per_gas is not None


def _differ_from_refused(operation: UserOperation, records: Sequence[CallRecord]) -> UserOperation:
    """Return the operation with another maximum fee than calls that were refused, by single wei.

    A refused call is never sent again; an equal operation would have its hash.
    """
    refused = {one.max_fee_per_gas for one in records if one.state.is_not_sent}
    fee = next(fee for fee in count(operation.max_fee_per_gas) if fee not in refused)
    return replace(operation, max_fee_per_gas=fee)
