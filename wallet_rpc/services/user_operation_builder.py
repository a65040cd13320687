"""From calls to a draft of a user operation: call data, nonce, fees; gas limits and payer are still open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature
from wallet_rpc.domain.capabilities import Capabilities
from wallet_rpc.domain.gas import max_fee, replacement_fee
from wallet_rpc.domain.nonce import MAX_PARALLEL_KEY, split_nonce
from wallet_rpc.domain.signature import SignerKind, dummy_user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, Selector
from wallet_rpc.services.authority import Authority
from wallet_rpc.services.signatures import is_contract
from wallet_rpc.services.submission import refuse_while_installing

NONCE_KEY = "params.capabilities.nonceOverride.nonceKey"
"""The field with the nonce key of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """One preparation: who asks for which calls on which chain."""

    ports: Ports
    chain: ChainPorts
    calls: tuple[Call, ...]
    capabilities: Capabilities
    authority: Authority
    authorization: Authorization | None = None
    """The delegation that the operation brings with it, where the account still needs one."""

    @property
    def account(self) -> Address:
        """Who calls."""
        return self.authority.account.address


async def build_draft(preparation: Preparation) -> UserOperation:
    """The operation with its nonce and fees; a dummy stands for each signature that is not there yet."""
    _refuse_self_call_without_function(preparation)
    account = preparation.authority.account
    nonce, fees, asks_contract = await asyncio.gather(
        _nonce(preparation), preparation.chain.node.fees(), is_contract(preparation.chain, preparation.authority.signer)
    )
    kind = SignerKind.CONTRACT if asks_contract else SignerKind.KEY
    operation = UserOperation(
        sender=account.address,
        nonce=nonce,
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


def build_nonce_key_error(why: str) -> InvalidParams:
    """The error of a parallel key that the nonce of this call cannot have."""
    return InvalidParams(f"{NONCE_KEY}: {why}", field=NONCE_KEY, reason="nonce_key_not_applicable")


def with_calls_of(preparation: Preparation, operation: UserOperation) -> UserOperation:
    """The operation with other calls, those of `task`."""
    return replace(operation, call_data=_call_data(preparation))


def _refuse_self_call_without_function(preparation: Preparation) -> None:
    """A single call to the account itself is run as its bare data, and without a function there is nothing to run."""
    if len(preparation.calls) != 1:
        return
    (call,) = preparation.calls
    if call.to == preparation.account and len(call.data) < Selector.size:
        at = "params.calls[0].data"
        text = f"{at}: expected a function of the account, which calls itself, got {call.data.hex0x()}"
        raise InvalidParams(
            f"{text}; to do nothing, leave calls empty or call another address",
            field=at,
            reason="self_call_without_function",
        )


def _call_data(preparation: Preparation) -> Data:
    """The account's call data; a suffix stands behind everything, where no decoder looks (ERC-8021)."""
    call_data = execute_call_data(preparation.account, preparation.calls)
    if preparation.authority.has_execution_hooks:
        call_data = wrap_execute_user_op(call_data)
    suffix = preparation.capabilities.data_suffix
    return call_data if suffix is None else Data(call_data + suffix.value)


async def _nonce(preparation: Preparation) -> int:
    """The grant's own nonce while it installs the session; else the next one of the requested parallel key.

    Raises: InvalidParams (nonce_key_not_applicable) for another key than that of the grant's nonce.
    """
    override = preparation.capabilities.nonce_override
    parallel_key = 0 if override is None else override.nonce_key
    if parallel_key > MAX_PARALLEL_KEY:
        raise InvalidParams(f"{NONCE_KEY}: expected below 2^152, got {parallel_key:#x}", field=NONCE_KEY)
    if preparation.authority.grant is not None:
        nonce = preparation.authority.grant.action.nonce
        signed, _ = split_nonce(nonce)
        if override is not None and signed.parallel_key != parallel_key:
            raise build_nonce_key_error(
                f"expected {signed.parallel_key:#x}, the key of the nonce that the owner signed for the call which "
                f"installs the session, got {parallel_key:#x}; use other keys once the session is installed"
            )
        return nonce
    key = replace(preparation.authority.nonce_key, parallel_key=parallel_key)
    return await preparation.chain.node.user_operation_nonce(preparation.account, key.key)


async def _outbid_pending(preparation: Preparation, operation: UserOperation) -> UserOperation:
    """When an operation of this nonce is under way, the new one must outbid it; an installation is not replaced.

    An explicit maxFeePerGas says that the caller means to replace an installation all the same.
    """
    under_way = await preparation.ports.store.calls.find_by_nonce(
        preparation.chain.chain_id, preparation.account, operation.nonce
    )
    if under_way is None:
        return operation
    overrides = preparation.capabilities.gas_params_override
    if preparation.authority.grant is not None and (overrides is None or overrides.max_fee_per_gas is None):
        await refuse_while_installing(
            preparation.ports, preparation.chain, account=preparation.account, nonce=operation.nonce
        )
    return replace(
        operation,
        max_fee_per_gas=max(operation.max_fee_per_gas, replacement_fee(under_way.max_fee_per_gas)),
        max_priority_fee_per_gas=max(
            operation.max_priority_fee_per_gas, replacement_fee(under_way.max_priority_fee_per_gas)
        ),
    )
