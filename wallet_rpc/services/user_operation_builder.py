"""From calls to a draft of a user operation: call data, nonce, fees; gas limits and payer are still open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.authorization import Authorization, dummy_signed
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
class Task:
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


async def drafted(task: Task) -> UserOperation:
    """The operation with its nonce and fees; a dummy stands for each signature that is not there yet."""
    _refuse_self_call_without_function(task)
    account = task.authority.account
    nonce, fees, asks_contract = await asyncio.gather(
        _nonce(task), task.chain.chain.fees(), is_contract(task.chain, task.authority.signer)
    )
    kind = SignerKind.CONTRACT if asks_contract else SignerKind.KEY
    operation = UserOperation(
        sender=account.address,
        nonce=nonce,
        factory=account.factory,
        call_data=_call_data(task),
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=max_fee(fees.base_fee_per_gas, fees.max_priority_fee_per_gas),
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        signature=dummy_user_operation_signature(kind=kind, deferred=task.authority.deferred),
        authorization=None if task.authorization is None else dummy_signed(task.authorization),
    )
    return await _replacing(task, operation)


def nonce_key_not_applicable(why: str) -> InvalidParams:
    """The error of a parallel key that the nonce of this call cannot have."""
    return InvalidParams(f"{NONCE_KEY}: {why}", field=NONCE_KEY, reason="nonce_key_not_applicable")


def with_calls_of(task: Task, operation: UserOperation) -> UserOperation:
    """The operation with other calls, those of `task`."""
    return replace(operation, call_data=_call_data(task))


def _refuse_self_call_without_function(task: Task) -> None:
    """A single call to the account itself is run as its bare data, and without a function there is nothing to run."""
    if len(task.calls) != 1:
        return
    (call,) = task.calls
    if call.to == task.account and len(call.data) < Selector.size:
        at = "params.calls[0].data"
        text = f"{at}: expected a function of the account, which calls itself, got {call.data.hex0x()}"
        raise InvalidParams(
            f"{text}; to do nothing, leave calls empty or call another address",
            field=at,
            reason="self_call_without_function",
        )


def _call_data(task: Task) -> Data:
    """The account's call data; a suffix stands behind everything, where no decoder looks (ERC-8021)."""
    call_data = execute_call_data(task.account, task.calls)
    if task.authority.wraps:
        call_data = wrap_execute_user_op(call_data)
    suffix = task.capabilities.data_suffix
    return call_data if suffix is None else Data(call_data + suffix.value)


async def _nonce(task: Task) -> int:
    """The grant's own nonce while it installs the session; else the next one of the requested parallel key.

    Raises: InvalidParams (nonce_key_not_applicable) for another key than that of the grant's nonce.
    """
    override = task.capabilities.nonce_override
    parallel_key = 0 if override is None else override.nonce_key
    if parallel_key > MAX_PARALLEL_KEY:
        raise InvalidParams(f"{NONCE_KEY}: expected below 2^152, got {parallel_key:#x}", field=NONCE_KEY)
    if task.authority.grant is not None:
        nonce = task.authority.grant.action.nonce
        signed, _ = split_nonce(nonce)
        if override is not None and signed.parallel_key != parallel_key:
            raise nonce_key_not_applicable(
                f"expected {signed.parallel_key:#x}, the key of the nonce that the owner signed for the call which "
                f"installs the session, got {parallel_key:#x}; use other keys once the session is installed"
            )
        return nonce
    key = replace(task.authority.nonce_key, parallel_key=parallel_key)
    return await task.chain.chain.user_operation_nonce(task.account, key.key)


async def _replacing(task: Task, operation: UserOperation) -> UserOperation:
    """When an operation of this nonce is under way, the new one must outbid it; an installation is not replaced.

    An explicit maxFeePerGas says that the caller means to replace an installation all the same.
    """
    under_way = await task.ports.store.calls.of_nonce(task.chain.chain_id, task.account, operation.nonce)
    if under_way is None:
        return operation
    overrides = task.capabilities.gas_params_override
    if task.authority.grant is not None and (overrides is None or overrides.max_fee_per_gas is None):
        await refuse_while_installing(task.ports, task.chain, account=task.account, nonce=operation.nonce)
    return replace(
        operation,
        max_fee_per_gas=max(operation.max_fee_per_gas, replacement_fee(under_way.max_fee_per_gas)),
        max_priority_fee_per_gas=max(
            operation.max_priority_fee_per_gas, replacement_fee(under_way.max_priority_fee_per_gas)
        ),
    )
