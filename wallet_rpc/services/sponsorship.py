"""Gas limits and sponsorship of a drafted user operation."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc import wire
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.gas import apply_gas_estimate, apply_gas_overrides, max_cost
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
    """An operation with its paymaster, if any, and gas limits; the calls that it makes; and the fee with its payer."""

    operation: UserOperation
    calls: tuple[Call, ...]
    fee: FeePayment


def is_estimate_only(capabilities: Capabilities) -> bool:
    """Return True when the caller requests an estimate, without a signature request or sponsorship."""
    service = capabilities.paymaster_service
    return service is not None and service.only_estimation is True


async def resolve_native_payment(preparation: Preparation, draft: UserOperation) -> SponsoredOperation:
    """Complete an operation whose gas is paid in the native currency by the account, or is sponsored by a policy."""
    operation = await _sponsor_and_estimate(preparation, draft)
    sponsored = operation.paymaster is not None and not is_estimate_only(preparation.capabilities)
    return SponsoredOperation(
        operation=operation,
        calls=preparation.calls,
        fee=FeePayment(sponsored=sponsored, max_amount=max_cost(operation)),
    )


async def _sponsor_and_estimate(preparation: Preparation, draft: UserOperation) -> UserOperation:
    """Estimate gas limits and get the sponsorship of the first policy that grants it."""
    service = preparation.capabilities.paymaster_service
    if service is None or not service.policies:
        return await estimate_gas_limits(preparation, draft)
    if preparation.chain.paymaster is None:
        if service.optional:
            return await estimate_gas_limits(preparation, draft)
        raise build_no_paymaster_error(preparation.chain)
    errors: list[SponsorshipFailed] = []
    for policy in service.policies:
        try:
            return await _sponsor(
                preparation, draft, preparation.chain.paymaster, build_policy_context(service, policy)
            )
        except SponsorshipFailed as error:
            errors.append(error)
    raise errors[-1]


def build_no_paymaster_error(chain: ChainPorts) -> UnsupportedCapability:
    """Build the error of a request with a policy on a chain without a paymaster."""
    return UnsupportedCapability(
        f"params.capabilities.paymasterService: expected none, because no paymaster is configured for chain "
        f"{chain.chain_id:#x}",
        capability="paymasterService",
    )


def build_policy_context(service: PaymasterService, policy: str) -> dict[str, Any]:
    """Build the context that the paymaster receives with the operation."""
    context: dict[str, Any] = {"policyId": policy}
    if service.webhook_data is not None:
        context["webhookData"] = service.webhook_data
    return context


async def _sponsor(
    preparation: Preparation, draft: UserOperation, paymaster: Paymaster, context: dict[str, Any]
) -> UserOperation:
    policy = context["policyId"]
    stub = await await_sponsorship(paymaster.stub(draft, context), policy)
    estimated = await estimate_gas_limits(preparation, with_paymaster(draft, stub))
    if stub.is_final or is_estimate_only(preparation.capabilities):
        return estimated
    return with_paymaster(estimated, await await_sponsorship(paymaster.sponsor(estimated, context), policy))


async def await_sponsorship(response: Awaitable[Sponsorship], policy: str) -> Sponsorship:
    """Await the paymaster's response. Raises: SponsorshipFailed when the paymaster rejects the operation."""
    try:
        return await response
    except (PaymasterRejected, InvalidParams) as error:
        text = f"Sponsorship failed: {error.message}"
        raise SponsorshipFailed(text, policyId=policy, why=error.reason) from error


def with_paymaster(operation: UserOperation, sponsorship: Sponsorship) -> UserOperation:
    """Return the operation with the paymaster's data and limits; a limit that the paymaster omits stays unchanged."""
    part = operation.paymaster
    return replace(
        operation,
        paymaster=PaymasterPart(
            address=sponsorship.paymaster,
            verification_gas_limit=_first(
                sponsorship.verification_gas_limit, None if part is None else part.verification_gas_limit
            ),
            post_op_gas_limit=_first(sponsorship.post_op_gas_limit, None if part is None else part.post_op_gas_limit),
            data=Data(sponsorship.data),
        ),
    )


def _first(*amounts: int | None) -> int:
    return next((amount for amount in amounts if amount is not None), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraGas:
    """Gas to add to estimated limits for costs that the estimate does not include."""

    pre_verification: int = 0
    call: int = 0
    paymaster_verification: int = 0


async def estimate_gas_limits(
    preparation: Preparation, operation: UserOperation, extra: ExtraGas | None = None
) -> UserOperation:
    """Return the operation with the bundler's gas limits plus `extra`, then the caller's overrides applied."""
    extra = ExtraGas() if extra is None else extra
    try:
        estimate = await preparation.chain.bundler.estimate(
            operation, _overrides(preparation.capabilities.state_override)
        )
    except (ValidationReverted, ExecutionReverted) as error:
        raise explain_denial(error, preparation.authority, operation) from error
    estimated = _add_gas(apply_gas_estimate(operation, estimate), extra)
    return apply_gas_overrides(estimated, preparation.capabilities.gas_params_override)


def _add_gas(operation: UserOperation, extra: ExtraGas) -> UserOperation:
    part = operation.paymaster
    if part is not None:
        part = replace(part, verification_gas_limit=part.verification_gas_limit + extra.paymaster_verification)
    return replace(
        operation,
        paymaster=part,
        pre_verification_gas=operation.pre_verification_gas + extra.pre_verification,
        call_gas_limit=operation.call_gas_limit + extra.call,
    )


def _overrides(overrides: dict[Address, StateOverride] | None) -> Mapping[Address, Mapping[str, Any]] | None:
    if overrides is None:
        return None
    for address, override in overrides.items():
        if override.state is not None and override.state_diff is not None:
            at = f"params.capabilities.stateOverride.{address}"
            raise InvalidParams("expected either state or stateDiff, got both", field=at)
    return {address: wire.encode(StateOverride, override) for address, override in overrides.items()}
