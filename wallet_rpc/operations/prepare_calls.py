"""`wallet_prepareCalls`: calls become a user operation, complete but for its signature.

An externally owned account that is not delegated gets two things to sign: the authorization and the operation.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, model_validator

from wallet_rpc import wire
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.capabilities import KNOWN, Capabilities, RequestedCapabilities
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.prepared import (
    OperationData,
    OperationDetails,
    PersonalSign,
    PreparedArray,
    PreparedAuthorization,
    PreparedCalls,
    PreparedPermit,
    PreparedUserOperation,
    RawMessage,
    Signature,
    authorization_hash,
)
from wallet_rpc.domain.requested_call import RequestedCall, calls_on
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.token_gas import PermitDetails, PreOpSettings
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import (
    AccountDeployed,
    BundleTooLarge,
    ExecutionReverted,
    InstallPending,
    InvalidParams,
    LimitExceeded,
    OutOfTimeRange,
    PaymasterRefused,
    Rejected,
    SessionEnded,
    SignatureInvalid,
    SponsorshipFailed,
    StaleNonce,
    UnsupportedCapability,
    UnsupportedChain,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, ChainId, HeldAddress
from wallet_rpc.services.account_funds import purse_of, refuse_certain_shortage, refuse_unfunded, shortage_behind
from wallet_rpc.services.accounts import account_facts, chain_of
from wallet_rpc.services.authority import authority_of
from wallet_rpc.services.delegation import CAPABILITY, explicit_delegation, needed_authorization, removal
from wallet_rpc.services.erc20_gas import paid_in_token
from wallet_rpc.services.erc20_permit import PermitNeeded
from wallet_rpc.services.sponsorship import Paid, only_estimates, paid_in_coin
from wallet_rpc.services.submission import true_reason
from wallet_rpc.services.submission_tickets import Built, issued
from wallet_rpc.services.user_operation_builder import Task, drafted, nonce_key_not_applicable
from wallet_rpc.wire import shape
from wallet_rpc.wire.members import well_placed

MOST_CALLS = 1000
"""How many calls one operation may carry here; a block's gas ends far below."""


@shape
class PrepareCalls:
    """Calls of one account on one chain; no calls at all deploys or delegates the account, or installs the session."""

    chain_id: ChainId
    from_: Annotated[HeldAddress, Field(alias="from")]
    calls: tuple[RequestedCall, ...] = ()
    capabilities: RequestedCapabilities = None
    paymaster_permit_signature: Signature | None = None
    """Of the permit that an answer `paymaster-permit` asked for; the rest is that answer's modifiedRequest."""

    @model_validator(mode="before")
    @classmethod
    def _check_places(cls, value: Any) -> Any:
        """Refuse a capability next to `capabilities`: an ignored `paymasterService` would cost the account money."""
        return well_placed(cls, value, KNOWN)


async def run(ports: Ports, request: PrepareCalls) -> PreparedCalls:
    """Who may, what to call, at which nonce and price, paid by whom, within which limits; then what to sign."""
    capabilities = request.capabilities or Capabilities()
    if len(request.calls) > MOST_CALLS:
        raise BundleTooLarge(f"params.calls: expected at most {MOST_CALLS}, got {len(request.calls)}")
    chain = chain_of(ports, request.chain_id)
    asked = explicit_delegation(capabilities, request.from_)
    if asked is not None and asked.delegate == ZERO_ADDRESS:
        return await _undelegating(ports, chain, request, capabilities)
    try:
        return await _prepared(ports, chain, request, capabilities)
    except (StaleNonce, AccountDeployed):
        return await _prepared(ports, chain, request, capabilities)  # the chain moved while it was read


async def _undelegating(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedAuthorization:
    """The removal of a delegation; the account's own key signs it, and no user operation goes with it."""
    if request.calls or capabilities.permissions is not None:
        raise InvalidParams(
            f"{CAPABILITY}.delegation: the removal of a delegation takes no calls and no permissions beside it",
            field=f"{CAPABILITY}.delegation",
            reason="removal_is_alone",
        )
    if capabilities.nonce_override is not None:
        raise nonce_key_not_applicable(
            "expected none: the removal of a delegation has the next nonce of the account's transactions"
        )
    facts = await account_facts(ports, chain, request.from_, at="params.from")
    authorization = await removal(chain, facts)
    name = authorization_hash(request.from_, authorization)
    ticket = issued(ports, Built(account=request.from_, chain=chain, hash=name))
    return replace(PreparedAuthorization.of(authorization), submission_ticket=ticket)


async def _prepared(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedUserOperation | PreparedArray | PreparedPermit:
    authority = await authority_of(ports, chain, request.from_, capabilities.permissions, at="params.from")
    asked = explicit_delegation(capabilities, request.from_)
    authorization = await needed_authorization(chain, authority.account, asked)
    if authorization is not None and capabilities.permissions is not None:
        raise InvalidParams(f"{CAPABILITY}: only the account's own key delegates it, not a session", field=CAPABILITY)
    task = Task(
        ports=ports,
        chain=chain,
        calls=calls_on(chain.chain_id, request.calls),
        capabilities=capabilities,
        authority=authority,
        authorization=authorization,
    )
    draft, purse = await asyncio.gather(drafted(task), purse_of(task))
    if purse is not None:
        await refuse_certain_shortage(purse, draft)
    try:
        service = capabilities.paymaster_service
        if service is None or service.erc20 is None:
            paid: Paid | PermitNeeded = await paid_in_coin(task, draft)
        else:
            paid = await paid_in_token(task, draft, service.erc20, request.paymaster_permit_signature)
    except (ValidationReverted, ExecutionReverted, Rejected) as denial:
        reason = await _reason(task, draft, denial)
        if reason is denial:
            raise
        raise reason from denial
    if isinstance(paid, PermitNeeded):
        return paid.prepared(task, _with_permit(request, paid.details))
    if purse is not None:
        await refuse_unfunded(purse, paid.operation)
    answer = _answer(task, paid)
    ticket = None if only_estimates(capabilities) else issued(ports, _built(task, answer, authorization))
    if authorization is None:
        return replace(answer, submission_ticket=ticket)
    return PreparedArray(data=(PreparedAuthorization.of(authorization), answer), submission_ticket=ticket)


async def _reason(
    task: Task, draft: UserOperation, denial: ValidationReverted | ExecutionReverted | Rejected
) -> WalletError:
    """The reason why the calls cannot be prepared: another operation, missing money, or the refusal itself."""
    if not isinstance(denial, Rejected):
        reason = await true_reason(task.chain, draft, denial)
        if reason is not denial:
            return reason
    short = await shortage_behind(task, draft, denial)
    return denial if short is None else short


def _with_permit(request: PrepareCalls, details: PermitDetails) -> dict[str, Any]:
    """The same request, on the wire, with the permit to be signed in place of the wish for one."""
    written: dict[str, Any] = wire.encode(PrepareCalls, request)
    settings = wire.encode(PreOpSettings, PreOpSettings(permit_details=details))
    service = {**written["capabilities"]["paymasterService"]}
    service["erc20"] = {**service["erc20"], "preOpSettings": settings}
    return {**written, "capabilities": {**written["capabilities"], "paymasterService": service}}


def _built(task: Task, answer: PreparedUserOperation, authorization: Authorization | None) -> Built:
    return Built(
        account=task.account,
        chain=task.chain,
        hash=answer.details.data.hash,
        authorization=None if authorization is None else authorization_hash(task.account, authorization),
        permissions=task.capabilities.permissions,
    )


def _answer(task: Task, paid: Paid) -> PreparedUserOperation:
    """What to sign, and what it may cost."""
    only_estimation, operation = only_estimates(task.capabilities), paid.operation
    operation_hash = user_operation_hash(operation, task.chain.chain_id, ENTRY_POINT)
    request = PersonalSign(data=RawMessage(raw=operation_hash), raw_payload=personal_sign_digest(operation_hash))
    return PreparedUserOperation(
        data=UserOperationJson.from_domain(replace(operation, authorization=None), signed=False),
        chain_id=task.chain.chain_id,
        signature_request=None if only_estimation else request,
        fee_payment=paid.fee,
        details=OperationDetails(data=OperationData(hash=operation_hash, calls=paid.calls)),
    )


OPERATION: Operation[Ports, PrepareCalls, PreparedCalls] = Operation(
    "wallet_prepareCalls",
    PrepareCalls,
    PreparedCalls,
    run,
    "Build the user operation that makes the given calls, and what its signer must sign.",
    (
        SponsorshipFailed,
        SessionEnded,
        Rejected,
        InstallPending,
        SignatureInvalid,
        ValidationReverted,
        PaymasterRefused,
        OutOfTimeRange,
        ExecutionReverted,
        LimitExceeded,
        UnsupportedCapability,
        UnsupportedChain,
        BundleTooLarge,
    ),
)
