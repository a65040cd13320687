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
from wallet_rpc.domain.capabilities import SUPPORTED_CAPABILITIES, Capabilities, RequestedCapabilities
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
from wallet_rpc.domain.requested_call import RequestedCall, to_calls
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
    PaymasterRejected,
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
from wallet_rpc.primitives import ZERO_ADDRESS, ChainId, NonZeroAddress
from wallet_rpc.services.account_funds import (
    find_shortage,
    read_transfer_funds,
    refuse_certain_shortage,
    refuse_unfunded,
)
from wallet_rpc.services.accounts import chain_of, read_account_facts
from wallet_rpc.services.authority import resolve_authority
from wallet_rpc.services.delegation import EIP7702_AUTH, build_removal, explicit_delegation, needed_authorization
from wallet_rpc.services.erc20_gas import resolve_erc20_payment
from wallet_rpc.services.erc20_permit import RequiredPermit
from wallet_rpc.services.sponsorship import SponsoredOperation, is_estimate_only, resolve_native_payment
from wallet_rpc.services.submission import find_root_cause
from wallet_rpc.services.submission_tickets import TicketSubject, issue_ticket
from wallet_rpc.services.user_operation_builder import Preparation, build_draft, build_nonce_key_error
from wallet_rpc.wire import shape
from wallet_rpc.wire.members import reject_misplaced_members

MAX_CALLS_PER_OPERATION = 1000
"""How many calls one operation may carry here; a block's gas ends far below."""


@shape
class PrepareCalls:
    """Calls of one account on one chain; no calls at all deploys or delegates the account, or installs the session."""

    chain_id: ChainId
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    calls: tuple[RequestedCall, ...] = ()
    capabilities: RequestedCapabilities = None
    paymaster_permit_signature: Signature | None = None
    """Of the permit that an answer `paymaster-permit` asked for; the rest is that answer's modifiedRequest."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misplaced(cls, value: Any) -> Any:
        """Refuse a capability next to `capabilities`: an ignored `paymasterService` would cost the account money."""
        return reject_misplaced_members(cls, value, SUPPORTED_CAPABILITIES)


async def run(ports: Ports, request: PrepareCalls) -> PreparedCalls:
    """Who may, what to call, at which nonce and price, paid by whom, within which limits; then what to sign."""
    capabilities = request.capabilities or Capabilities()
    if len(request.calls) > MAX_CALLS_PER_OPERATION:
        raise BundleTooLarge(f"params.calls: expected at most {MAX_CALLS_PER_OPERATION}, got {len(request.calls)}")
    chain = chain_of(ports, request.chain_id)
    asked = explicit_delegation(capabilities, request.from_)
    if asked is not None and asked.delegate == ZERO_ADDRESS:
        return await _prepare_removal(ports, chain, request, capabilities)
    try:
        return await _prepare(ports, chain, request, capabilities)
    except (StaleNonce, AccountDeployed):
        return await _prepare(ports, chain, request, capabilities)  # the chain moved while it was read


async def _prepare_removal(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedAuthorization:
    """The removal of a delegation; the account's own key signs it, and no user operation goes with it."""
    if request.calls or capabilities.permissions is not None:
        raise InvalidParams(
            f"{EIP7702_AUTH}.delegation: the removal of a delegation takes no calls and no permissions beside it",
            field=f"{EIP7702_AUTH}.delegation",
            reason="removal_is_alone",
        )
    if capabilities.nonce_override is not None:
        raise build_nonce_key_error(
            "expected none: the removal of a delegation has the next nonce of the account's transactions"
        )
    facts = await read_account_facts(ports, chain, request.from_, at="params.from")
    authorization = await build_removal(chain, facts)
    name = authorization_hash(request.from_, authorization)
    ticket = issue_ticket(ports, TicketSubject(account=request.from_, chain=chain, hash=name))
    return replace(PreparedAuthorization.from_authorization(authorization), submission_ticket=ticket)


async def _prepare(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedUserOperation | PreparedArray | PreparedPermit:
    authority = await resolve_authority(ports, chain, request.from_, capabilities.permissions, at="params.from")
    asked = explicit_delegation(capabilities, request.from_)
    authorization = await needed_authorization(chain, authority.account, asked)
    if authorization is not None and capabilities.permissions is not None:
        raise InvalidParams(
            f"{EIP7702_AUTH}: only the account's own key delegates it, not a session", field=EIP7702_AUTH
        )
    task = Preparation(
        ports=ports,
        chain=chain,
        calls=to_calls(chain.chain_id, request.calls),
        capabilities=capabilities,
        authority=authority,
        authorization=authorization,
    )
    draft, purse = await asyncio.gather(build_draft(task), read_transfer_funds(task))
    if purse is not None:
        await refuse_certain_shortage(purse, draft)
    try:
        service = capabilities.paymaster_service
        if service is None or service.erc20 is None:
            paid: SponsoredOperation | RequiredPermit = await resolve_native_payment(task, draft)
        else:
            paid = await resolve_erc20_payment(task, draft, service.erc20, request.paymaster_permit_signature)
    except (ValidationReverted, ExecutionReverted, Rejected) as denial:
        reason = await _reason(task, draft, denial)
        if reason is denial:
            raise
        raise reason from denial
    if isinstance(paid, RequiredPermit):
        return paid.to_prepared_permit(task, _with_permit(request, paid.details))
    if purse is not None:
        await refuse_unfunded(purse, paid.operation)
    answer = _build_response(task, paid)
    ticket = (
        None
        if is_estimate_only(capabilities)
        else issue_ticket(ports, _build_ticket_subject(task, answer, authorization))
    )
    if authorization is None:
        return replace(answer, submission_ticket=ticket)
    return PreparedArray(
        data=(PreparedAuthorization.from_authorization(authorization), answer), submission_ticket=ticket
    )


async def _reason(
    preparation: Preparation, draft: UserOperation, denial: ValidationReverted | ExecutionReverted | Rejected
) -> WalletError:
    """The reason why the calls cannot be prepared: another operation, missing money, or the refusal itself."""
    if not isinstance(denial, Rejected):
        reason = await find_root_cause(preparation.chain, draft, denial)
        if reason is not denial:
            return reason
    short = await find_shortage(preparation, draft, denial)
    return denial if short is None else short


def _with_permit(request: PrepareCalls, details: PermitDetails) -> dict[str, Any]:
    """The same request, on the wire, with the permit to be signed in place of the wish for one."""
    written: dict[str, Any] = wire.encode(PrepareCalls, request)
    settings = wire.encode(PreOpSettings, PreOpSettings(permit_details=details))
    service = {**written["capabilities"]["paymasterService"]}
    service["erc20"] = {**service["erc20"], "preOpSettings": settings}
    return {**written, "capabilities": {**written["capabilities"], "paymasterService": service}}


def _build_ticket_subject(
    preparation: Preparation, answer: PreparedUserOperation, authorization: Authorization | None
) -> TicketSubject:
    return TicketSubject(
        account=preparation.account,
        chain=preparation.chain,
        hash=answer.details.data.hash,
        authorization=None if authorization is None else authorization_hash(preparation.account, authorization),
        permissions=preparation.capabilities.permissions,
    )


def _build_response(preparation: Preparation, sponsored_operation: SponsoredOperation) -> PreparedUserOperation:
    """What to sign, and what it may cost."""
    only_estimation, operation = is_estimate_only(preparation.capabilities), sponsored_operation.operation
    operation_hash = user_operation_hash(operation, preparation.chain.chain_id, ENTRY_POINT)
    request = PersonalSign(data=RawMessage(raw=operation_hash), raw_payload=personal_sign_digest(operation_hash))
    return PreparedUserOperation(
        data=UserOperationJson.from_domain(replace(operation, authorization=None), include_signature=False),
        chain_id=preparation.chain.chain_id,
        signature_request=None if only_estimation else request,
        fee_payment=sponsored_operation.fee,
        details=OperationDetails(data=OperationData(hash=operation_hash, calls=sponsored_operation.calls)),
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
        PaymasterRejected,
        OutOfTimeRange,
        ExecutionReverted,
        LimitExceeded,
        UnsupportedCapability,
        UnsupportedChain,
        BundleTooLarge,
    ),
)
