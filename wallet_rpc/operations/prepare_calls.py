"""`wallet_prepareCalls`: calls become a user operation, complete but for its signature."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from wallet_rpc import wire
from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.gas import max_cost, max_fee, replacement_fee, with_overrides
from wallet_rpc.domain.nonce import MAX_PARALLEL_KEY
from wallet_rpc.domain.prepared import (
    FeePayment,
    OperationData,
    OperationDetails,
    PersonalSign,
    PreparedUserOperation,
    RawMessage,
)
from wallet_rpc.domain.signature import dummy_user_operation_signature, personal_sign_digest
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import (
    AccountDeployed,
    BundleTooLarge,
    ExecutionReverted,
    InstallPending,
    InvalidParams,
    PaymasterRefused,
    SponsorshipFailed,
    StaleNonce,
    UnsupportedCapability,
    UnsupportedChain,
    ValidationReverted,
)
from wallet_rpc.operations._accounts import chain_of
from wallet_rpc.operations._authority import Authority, authority_of
from wallet_rpc.operations._denials import explained
from wallet_rpc.operations._sending import refuse_while_installing, true_reason
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Paymaster, Ports, Sponsorship
from wallet_rpc.primitives import Address, ChainId, Data
from wallet_rpc.wire import shape

MOST_CALLS = 1000
"""How many calls one operation may carry here; a block's gas ends far below."""


@shape
class PrepareCalls:
    """Calls of one account on one chain; no calls at all deploys the account or installs the session."""

    calls: tuple[Call, ...] = ()
    from_: Annotated[Address, Field(alias="from")]
    chain_id: ChainId
    capabilities: Capabilities | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One preparation: who asks what of which chain."""

    ports: Ports
    chain: ChainPorts
    request: PrepareCalls
    capabilities: Capabilities
    authority: Authority

    @property
    def account(self) -> Address:
        return self.request.from_


async def run(ports: Ports, request: PrepareCalls) -> PreparedUserOperation:
    """Who may, what to call, at which nonce and price, paid by whom, within which limits; then what to sign."""
    capabilities = request.capabilities or Capabilities()
    _refuse_unsupported(request, capabilities)
    chain = chain_of(ports, request.chain_id)
    try:
        return await _prepared(ports, chain, request, capabilities)
    except (StaleNonce, AccountDeployed):
        return await _prepared(ports, chain, request, capabilities)  # the chain moved while it was read


async def _prepared(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedUserOperation:
    authority = await authority_of(ports, chain, request.from_, capabilities.permissions, at="params.from")
    task = _Task(ports=ports, chain=chain, request=request, capabilities=capabilities, authority=authority)
    draft = await _draft(task)
    try:
        operation = await _paid_and_limited(task, draft)
    except (ValidationReverted, ExecutionReverted) as denial:
        reason = await true_reason(chain, draft, denial)
        raise (explained(denial, authority) if reason is denial else reason) from denial
    return _answer(task, operation)


def _refuse_unsupported(request: PrepareCalls, capabilities: Capabilities) -> None:
    """Raises: UnsupportedCapability for what would silently change the meaning if it were ignored."""
    if capabilities.eip7702_auth is not None and capabilities.eip7702_auth is not False:
        raise UnsupportedCapability("params.capabilities.eip7702Auth: not supported here", capability="eip7702Auth")
    service = capabilities.paymaster_service
    if service is not None and service.erc20 is not None:
        raise UnsupportedCapability(
            "params.capabilities.paymasterService.erc20: paying gas in a token is not supported here",
            capability="paymasterService.erc20",
        )
    if len(request.calls) > MOST_CALLS:
        raise BundleTooLarge(f"params.calls: expected at most {MOST_CALLS}, got {len(request.calls)}")


async def _draft(task: _Task) -> UserOperation:
    """The operation with its nonce and fees; limits and payer still open."""
    authority, account = task.authority, task.authority.account
    call_data = execute_call_data(account.address, task.request.calls)
    if authority.wraps:
        call_data = wrap_execute_user_op(call_data)
    nonce = await _nonce(task)
    fees = await task.chain.chain.fees()
    operation = UserOperation(
        sender=account.address,
        nonce=nonce,
        factory=account.factory,
        call_data=call_data,
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=max_fee(fees.base_fee_per_gas, fees.max_priority_fee_per_gas),
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        signature=dummy_user_operation_signature(deferred=authority.deferred),
    )
    return await _replacing(task, operation)


async def _nonce(task: _Task) -> int:
    """The grant's own nonce while it installs the session; else the next one of the asked parallel key.

    A `nonceOverride` cannot change the nonce of an installing operation: the owner signed it.
    """
    override = task.capabilities.nonce_override
    parallel_key = 0 if override is None else override.nonce_key
    if parallel_key > MAX_PARALLEL_KEY:
        at = "params.capabilities.nonceOverride.nonceKey"
        raise InvalidParams(f"{at}: expected below 2^152, got {parallel_key:#x}", field=at)
    if task.authority.grant is not None:
        return task.authority.grant.action.nonce
    key = replace(task.authority.nonce_key, parallel_key=parallel_key)
    return await task.chain.chain.user_operation_nonce(task.account, key.key)


async def _replacing(task: _Task, operation: UserOperation) -> UserOperation:
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


async def _paid_and_limited(task: _Task, draft: UserOperation) -> UserOperation:
    """Payer and gas limits; with several policies, of the first that sponsors."""
    service = task.capabilities.paymaster_service
    if service is None or not service.policies:
        return await _limited(task, draft)
    if task.chain.paymaster is None:
        raise UnsupportedCapability(
            f"params.capabilities.paymasterService: chain {task.chain.chain_id:#x} has no paymaster here",
            capability="paymasterService",
        )
    refused: list[SponsorshipFailed] = []
    for policy in service.policies:
        try:
            return await _sponsored(task, draft, task.chain.paymaster, policy)
        except SponsorshipFailed as refusal:
            refused.append(refusal)
    raise refused[-1]


async def _sponsored(task: _Task, draft: UserOperation, paymaster: Paymaster, policy: str) -> UserOperation:
    service = task.capabilities.paymaster_service
    context: dict[str, Any] = {"policyId": policy}
    if service is not None and service.webhook_data is not None:
        context["webhookData"] = service.webhook_data
    stub = await _asked(paymaster.stub(draft, context), policy)
    limited = await _limited(task, _with_paymaster(draft, stub))
    if stub.is_final or (service is not None and service.only_estimation):
        return limited
    return _with_paymaster(limited, await _asked(paymaster.sponsor(limited, context), policy))


async def _asked(answer: Awaitable[Sponsorship], policy: str) -> Sponsorship:
    """What the paymaster answers. Raises: SponsorshipFailed when it refuses this policy."""
    try:
        return await answer
    except (PaymasterRefused, InvalidParams) as refusal:
        raise SponsorshipFailed(f"Sponsorship failed: {refusal.message}", policyId=policy) from refusal


def _with_paymaster(operation: UserOperation, given: Sponsorship) -> UserOperation:
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


async def _limited(task: _Task, operation: UserOperation) -> UserOperation:
    """The bundler's gas limits, then the caller's overrides."""
    estimate = await task.chain.bundler.estimate(operation, _overrides(task.capabilities.state_override))
    paymaster = operation.paymaster
    if paymaster is not None:
        paymaster = replace(
            paymaster,
            verification_gas_limit=_first(estimate.paymaster_verification_gas_limit, paymaster.verification_gas_limit),
            post_op_gas_limit=_first(estimate.paymaster_post_op_gas_limit, paymaster.post_op_gas_limit),
        )
    limited = replace(
        operation,
        paymaster=paymaster,
        pre_verification_gas=estimate.pre_verification_gas,
        verification_gas_limit=estimate.verification_gas_limit,
        call_gas_limit=estimate.call_gas_limit,
    )
    return with_overrides(limited, task.capabilities.gas_params_override)


def _overrides(given: dict[Address, StateOverride] | None) -> Mapping[Address, Mapping[str, Any]] | None:
    if given is None:
        return None
    return {address: wire.encode(StateOverride, override) for address, override in given.items()}


def _answer(task: _Task, operation: UserOperation) -> PreparedUserOperation:
    """What to sign, and what it may cost."""
    service = task.capabilities.paymaster_service
    only_estimation = service is not None and service.only_estimation
    operation_hash = user_operation_hash(operation, task.chain.chain_id, ENTRY_POINT)
    request = PersonalSign(data=RawMessage(raw=operation_hash), raw_payload=personal_sign_digest(operation_hash))
    return PreparedUserOperation(
        data=UserOperationJson.from_domain(operation, signed=False),
        chain_id=task.chain.chain_id,
        signature_request=None if only_estimation else request,
        fee_payment=FeePayment(
            sponsored=operation.paymaster is not None and not only_estimation, max_amount=max_cost(operation)
        ),
        details=OperationDetails(data=OperationData(hash=operation_hash, calls=task.request.calls)),
    )


OPERATION: Operation[Ports, PrepareCalls, PreparedUserOperation] = Operation(
    "wallet_prepareCalls",
    PrepareCalls,
    PreparedUserOperation,
    run,
    "Build the user operation that makes the given calls, and what its signer must sign.",
    (
        SponsorshipFailed,
        InstallPending,
        ValidationReverted,
        ExecutionReverted,
        UnsupportedCapability,
        UnsupportedChain,
        BundleTooLarge,
    ),
)
