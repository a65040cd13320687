"""Who pays for a drafted user operation, and within which gas limits."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc import wire
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.gas import apply_gas_overrides, max_cost
from wallet_rpc.domain.paymaster_service import PaymasterService
from wallet_rpc.domain.prepared import FeePayment
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    PaymasterRejected,
    SponsorshipFailed,
    UnsupportedCapability,
    ValidationReverted,
)
from wallet_rpc.ports import ChainPorts, Paymaster, Sponsorship
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.denial_reasons import explain_denial
from wallet_rpc.services.user_operation_builder import Preparation


@dataclass(frozen=True, slots=True, kw_only=True)
class SponsoredOperation:
    """An operation with its payer and limits, the calls it makes, and what it may cost whom."""

    operation: UserOperation
    calls: tuple[Call, ...]
    fee: FeePayment


def is_estimate_only(capabilities: Capabilities) -> bool:
    """Whether nothing is to be signed or sponsored."""
    service = capabilities.paymaster_service
    return service is not None and service.only_estimation is True


async def resolve_native_payment(preparation: Preparation, draft: UserOperation) -> SponsoredOperation:
    """Payer and gas limits where the account pays in the chain's coin, or a policy does."""
    operation = await _sponsor_and_estimate(preparation, draft)
    sponsored = operation.paymaster is not None and not is_estimate_only(preparation.capabilities)
    return SponsoredOperation(
        operation=operation,
        calls=preparation.calls,
        fee=FeePayment(sponsored=sponsored, max_amount=max_cost(operation)),
    )


async def _sponsor_and_estimate(preparation: Preparation, draft: UserOperation) -> UserOperation:
    """With several policies, of the first that sponsors."""
    service = preparation.capabilities.paymaster_service
    if service is None or not service.policies:
        return await estimate_gas_limits(preparation, draft)
    if preparation.chain.paymaster is None:
        if service.optional:
            return await estimate_gas_limits(preparation, draft)
        raise build_no_paymaster_error(preparation.chain)
    refused: list[SponsorshipFailed] = []
    for policy in service.policies:
        try:
            return await _sponsor(
                preparation, draft, preparation.chain.paymaster, build_policy_context(service, policy)
            )
        except SponsorshipFailed as refusal:
            refused.append(refusal)
    raise refused[-1]


def build_no_paymaster_error(chain: ChainPorts) -> UnsupportedCapability:
    """The error of a policy where nobody sponsors."""
    return UnsupportedCapability(
        f"params.capabilities.paymasterService: chain {chain.chain_id:#x} has no paymaster here",
        capability="paymasterService",
    )


def build_policy_context(service: PaymasterService, policy: str) -> dict[str, Any]:
    """What the paymaster is told beside the operation."""
    context: dict[str, Any] = {"policyId": policy}
    if service.webhook_data is not None:
        context["webhookData"] = service.webhook_data
    return context


async def _sponsor(
    preparation: Preparation, draft: UserOperation, paymaster: Paymaster, context: dict[str, Any]
) -> UserOperation:
    policy = context["policyId"]
    stub = await await_sponsorship(paymaster.stub(draft, context), policy)
    sized = await estimate_gas_limits(preparation, with_paymaster(draft, stub))
    if stub.is_final or is_estimate_only(preparation.capabilities):
        return sized
    return with_paymaster(sized, await await_sponsorship(paymaster.sponsor(sized, context), policy))


async def await_sponsorship(answer: Awaitable[Sponsorship], policy: str) -> Sponsorship:
    """What the paymaster answers. Raises: SponsorshipFailed when it refuses this policy."""
    try:
        return await answer
    except (PaymasterRejected, InvalidParams) as refusal:
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
class ExtraGas:
    """What is added to estimated limits, in gas, where the estimate cannot see it."""

    pre_verification: int = 0
    call: int = 0
    paymaster_verification: int = 0


async def estimate_gas_limits(
    preparation: Preparation, operation: UserOperation, extra: ExtraGas | None = None
) -> UserOperation:
    """The bundler's gas limits, and `more`, then the caller's overrides."""
    extra = ExtraGas() if extra is None else extra
    try:
        estimate = await preparation.chain.bundler.estimate(
            operation, _overrides(preparation.capabilities.state_override)
        )
    except (ValidationReverted, ExecutionReverted) as refusal:
        raise explain_denial(refusal, preparation.authority, operation) from refusal
    paymaster = operation.paymaster
    if paymaster is not None:
        paymaster = replace(
            paymaster,
            verification_gas_limit=extra.paymaster_verification
            + _first(estimate.paymaster_verification_gas_limit, paymaster.verification_gas_limit),
            post_op_gas_limit=_first(estimate.paymaster_post_op_gas_limit, paymaster.post_op_gas_limit),
        )
    sized = replace(
        operation,
        paymaster=paymaster,
        pre_verification_gas=estimate.pre_verification_gas + extra.pre_verification,
        verification_gas_limit=estimate.verification_gas_limit,
        call_gas_limit=estimate.call_gas_limit + extra.call,
    )
    return apply_gas_overrides(sized, preparation.capabilities.gas_params_override)


def _overrides(given: dict[Address, StateOverride] | None) -> Mapping[Address, Mapping[str, Any]] | None:
    if given is None:
        return None
    for address, override in given.items():
        if override.state is not None and override.state_diff is not None:
            at = f"params.capabilities.stateOverride.{address}"
            raise InvalidParams(f"{at}: expected state or stateDiff, got both", field=at)
    return {address: wire.encode(StateOverride, override) for address, override in given.items()}
