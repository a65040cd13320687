"""Who pays for a drafted user operation, and within which gas limits."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc import wire
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.gas import max_cost, with_overrides
from wallet_rpc.domain.paymaster_service import PaymasterService
from wallet_rpc.domain.prepared import FeePayment
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    PaymasterRefused,
    SponsorshipFailed,
    UnsupportedCapability,
    ValidationReverted,
)
from wallet_rpc.ports import ChainPorts, Paymaster, Sponsorship
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.denial_reasons import explained
from wallet_rpc.services.user_operation_builder import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """An operation with its payer and limits, the calls it makes, and what it may cost whom."""

    operation: UserOperation
    calls: tuple[Call, ...]
    fee: FeePayment


def only_estimates(capabilities: Capabilities) -> bool:
    """Whether nothing is to be signed or sponsored."""
    service = capabilities.paymaster_service
    return service is not None and service.only_estimation is True


async def paid_in_coin(task: Task, draft: UserOperation) -> Paid:
    """Payer and gas limits where the account pays in the chain's coin, or a policy does."""
    operation = await _paid_and_limited(task, draft)
    sponsored = operation.paymaster is not None and not only_estimates(task.capabilities)
    return Paid(
        operation=operation,
        calls=task.calls,
        fee=FeePayment(sponsored=sponsored, max_amount=max_cost(operation)),
    )


async def _paid_and_limited(task: Task, draft: UserOperation) -> UserOperation:
    """With several policies, of the first that sponsors."""
    service = task.capabilities.paymaster_service
    if service is None or not service.policies:
        return await limited(task, draft)
    if task.chain.paymaster is None:
        if service.optional:
            return await limited(task, draft)
        raise no_paymaster(task.chain)
    refused: list[SponsorshipFailed] = []
    for policy in service.policies:
        try:
            return await _sponsored(task, draft, task.chain.paymaster, context_of(service, policy))
        except SponsorshipFailed as refusal:
            refused.append(refusal)
    raise refused[-1]


def no_paymaster(chain: ChainPorts) -> UnsupportedCapability:
    """The error of a policy where nobody sponsors."""
    return UnsupportedCapability(
        f"params.capabilities.paymasterService: chain {chain.chain_id:#x} has no paymaster here",
        capability="paymasterService",
    )


def context_of(service: PaymasterService, policy: str) -> dict[str, Any]:
    """What the paymaster is told beside the operation."""
    context: dict[str, Any] = {"policyId": policy}
    if service.webhook_data is not None:
        context["webhookData"] = service.webhook_data
    return context


async def _sponsored(task: Task, draft: UserOperation, paymaster: Paymaster, context: dict[str, Any]) -> UserOperation:
    policy = context["policyId"]
    stub = await answer_of(paymaster.stub(draft, context), policy)
    sized = await limited(task, with_paymaster(draft, stub))
    if stub.is_final or only_estimates(task.capabilities):
        return sized
    return with_paymaster(sized, await answer_of(paymaster.sponsor(sized, context), policy))


async def answer_of(answer: Awaitable[Sponsorship], policy: str) -> Sponsorship:
    """What the paymaster answers. Raises: SponsorshipFailed when it refuses this policy."""
    try:
        return await answer
    except (PaymasterRefused, InvalidParams) as refusal:
        text = f"Sponsorship failed: {refusal.message}"
        raise SponsorshipFailed(text, policyId=policy, why=refusal.reason) from refusal


def with_paymaster(operation: UserOperation, given: Sponsorship) -> UserOperation:
    """The operation with the paymaster's part; limits that the paymaster does not give stay as they are."""
    part = operation.paymaster
    return replace(
        operation,
        paymaster=PaymasterPart(
            address=given.paymaster,
            verification_gas_limit=_first(
                given.verification_gas_limit, None if part is None else part.verification_gas_limit
            ),
            post_op_gas_limit=_first(given.post_op_gas_limit, None if part is None else part.post_op_gas_limit),
            data=Data(given.data),
        ),
    )


def _first(*amounts: int | None) -> int:
    return next((amount for amount in amounts if amount is not None), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreGas:
    """What is added to estimated limits, in gas, where the estimate cannot see it."""

    pre_verification: int = 0
    call: int = 0
    paymaster_verification: int = 0


async def limited(task: Task, operation: UserOperation, more: MoreGas | None = None) -> UserOperation:
    """The bundler's gas limits, and `more`, then the caller's overrides."""
    more = MoreGas() if more is None else more
    try:
        estimate = await task.chain.bundler.estimate(operation, _overrides(task.capabilities.state_override))
    except (ValidationReverted, ExecutionReverted) as refusal:
        raise explained(refusal, task.authority, operation) from refusal
    paymaster = operation.paymaster
    if paymaster is not None:
        paymaster = replace(
            paymaster,
            verification_gas_limit=more.paymaster_verification
            + _first(estimate.paymaster_verification_gas_limit, paymaster.verification_gas_limit),
            post_op_gas_limit=_first(estimate.paymaster_post_op_gas_limit, paymaster.post_op_gas_limit),
        )
    sized = replace(
        operation,
        paymaster=paymaster,
        pre_verification_gas=estimate.pre_verification_gas + more.pre_verification,
        verification_gas_limit=estimate.verification_gas_limit,
        call_gas_limit=estimate.call_gas_limit + more.call,
    )
    return with_overrides(sized, task.capabilities.gas_params_override)


def _overrides(given: dict[Address, StateOverride] | None) -> Mapping[Address, Mapping[str, Any]] | None:
    if given is None:
        return None
    for address, override in given.items():
        if override.state is not None and override.state_diff is not None:
            at = f"params.capabilities.stateOverride.{address}"
            raise InvalidParams(f"{at}: expected state or stateDiff, got both", field=at)
    return {address: wire.encode(StateOverride, override) for address, override in given.items()}
