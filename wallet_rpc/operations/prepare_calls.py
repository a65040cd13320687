"""`wallet_prepareCalls`: build a user operation from calls, complete except for its signature.

An externally owned account that is not delegated has to sign two things: the authorization (EIP-7702) and the
operation.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, model_validator

from wallet_rpc import wire
from wallet_rpc.domain.access import RequiredAccess, Scope
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
    Signature,
    authorization_hash,
)
from wallet_rpc.domain.requested_call import RequestedCall, to_calls
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
    RuleDenied,
    SessionEnded,
    SessionPaused,
    SignatureInvalid,
    SponsorshipFailed,
    StaleNonce,
    UnreadableAnswer,
    UnsupportedCapability,
    UnsupportedChain,
    ValidationReverted,
)
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, ChainId, NonZeroAddress
from wallet_rpc.services.account_facts import chain_of, read_account_facts
from wallet_rpc.services.account_funds import (
    find_preparation_failure,
    needed_funds,
    needs_funds,
    refuse_certain_shortage,
    refuse_unfunded,
)
from wallet_rpc.services.authority import resolve_authority
from wallet_rpc.services.delegation import EIP7702_AUTH, explicit_delegation, needed_authorization
from wallet_rpc.services.delegation_removal import build_removal
from wallet_rpc.services.draft_reads import DraftReader
from wallet_rpc.services.erc20_gas import resolve_erc20_payment
from wallet_rpc.services.erc20_permit import RequiredPermit
from wallet_rpc.services.session_rules import check_rules, read_rules
from wallet_rpc.services.sponsorship import SponsoredOperation, is_estimate_only, resolve_native_payment
from wallet_rpc.services.submission_tickets import TicketSubject, issue_ticket
from wallet_rpc.services.user_operation_builder import Preparation, build_draft, build_nonce_key_error
from wallet_rpc.wire import shape
from wallet_rpc.wire.members import reject_misplaced_members

MAX_CALLS_PER_OPERATION = 1000
"""Maximum number of calls in one operation; the gas limit of a block allows far fewer."""


@shape
class PrepareCalls:
    """Calls of one account on one chain; an empty list deploys or delegates the account, or installs the session."""

    chain_id: ChainId
    """Chain on which the calls are made."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    """Account that makes the calls."""
    calls: tuple[RequestedCall, ...] = ()
    """Calls in the order in which they run. All of them succeed, or none takes effect."""
    capabilities: RequestedCapabilities = None
    """Session, payer of the gas, fees, nonce, delegation and simulation. Unknown ones are rejected unless optional."""
    paymaster_permit_signature: Signature | None = None
    """The signature of the permit in a `paymaster-permit` response, for the response's `modifiedRequest` only."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misplaced(cls, value: Any) -> Any:
        """Reject a capability outside of `capabilities`: ignoring a misplaced `paymasterService` would cost money."""
        return reject_misplaced_members(cls, value, SUPPORTED_CAPABILITIES)


async def run(ports: Ports, request: PrepareCalls) -> PreparedCalls:
    """Resolve the authority, build the call data, choose nonce and fees, sponsor, and estimate gas.

    Return the user operation and the payload to sign.
    """
    capabilities = request.capabilities or Capabilities()
    if len(request.calls) > MAX_CALLS_PER_OPERATION:
        text = f"expected at most {MAX_CALLS_PER_OPERATION}, got {len(request.calls)}"
        raise BundleTooLarge(text, field="params.calls")
    chain = chain_of(ports, request.chain_id)
    delegation = explicit_delegation(capabilities, request.from_)
    if delegation is not None and delegation.delegate == ZERO_ADDRESS:
        return await _prepare_removal(ports, chain, request, capabilities)
    try:
        return await _prepare(ports, chain, request, capabilities)
    except (StaleNonce, AccountDeployed):
        return await _prepare(ports, chain, request, capabilities)  # the chain state changed between two reads


async def _prepare_removal(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedAuthorization:
    """Prepare the removal of a delegation, an authorization by the account's own key without a user operation."""
    if request.calls or capabilities.permissions is not None:
        raise InvalidParams(
            "the removal of a delegation must come without calls and permissions",
            field=f"{EIP7702_AUTH}.delegation",
            reason="removal_is_alone",
        )
    if capabilities.nonce_override is not None:
        raise build_nonce_key_error(
            "expected none, because the removal of a delegation uses the account's next transaction nonce"
        )
    facts = await read_account_facts(ports, chain, request.from_, at="params.from")
    authorization = await build_removal(chain, facts)
    name = authorization_hash(request.from_, authorization)
    ticket = issue_ticket(ports, TicketSubject(account=request.from_, chain=chain, hash=name))
    return replace(PreparedAuthorization.from_authorization(authorization), submission_ticket=ticket)


async def _read_preparation(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> Preparation:
    """Resolve the authority, with all reads of the node for the draft, and the delegation that the account needs."""
    calls = to_calls(chain.chain_id, request.calls)
    needs_balances = needs_funds(chain, request.from_, calls, capabilities)
    reader = DraftReader(chain, request.from_, capabilities, needs_balances=needs_balances)
    authority = await resolve_authority(
        ports, chain, request.from_, capabilities.permissions, at="params.from", along=reader
    )
    delegation = explicit_delegation(capabilities, request.from_)
    authorization = await needed_authorization(chain, authority.account, delegation)
    if authorization is not None and capabilities.permissions is not None:
        raise InvalidParams(
            "a session cannot delegate the account, only the account's own key can; prepare these calls without "
            "permissions",
            field=EIP7702_AUTH,
        )
    return Preparation(
        ports=ports,
        chain=chain,
        calls=calls,
        capabilities=capabilities,
        authority=authority,
        reads=reader.reads,
        authorization=authorization,
    )


async def _prepare(
    ports: Ports, chain: ChainPorts, request: PrepareCalls, capabilities: Capabilities
) -> PreparedUserOperation | PreparedArray | PreparedPermit:
    preparation = await _read_preparation(ports, chain, request, capabilities)
    draft = await _build_within_rules(preparation)
    funds = needed_funds(preparation)
    if funds is not None:
        await refuse_certain_shortage(funds, draft)
    try:
        service = capabilities.paymaster_service
        if service is None or service.erc20 is None:
            payment: SponsoredOperation | RequiredPermit = await resolve_native_payment(preparation, draft)
        else:
            permit = request.paymaster_permit_signature
            payment = await resolve_erc20_payment(preparation, draft, service.erc20, permit)
    except (ValidationReverted, ExecutionReverted, Rejected) as denial:
        reason = await find_preparation_failure(preparation, draft, denial)
        if reason is denial:
            raise
        raise reason from denial
    if isinstance(payment, RequiredPermit):
        return payment.to_prepared_permit(preparation, _with_permit(request, payment.details))
    if payment.operation.call_data != draft.call_data:  # it now approves the token that pays for gas, which counts too
        await check_rules(ports, chain.chain_id, payment.operation)
    if funds is not None:
        await refuse_unfunded(funds, payment.operation)
    prepared = _build_response(preparation, payment)
    ticket = None
    if not is_estimate_only(capabilities):
        ticket = issue_ticket(ports, _build_ticket_subject(preparation, prepared))
    authorization = preparation.authorization
    if authorization is None:
        return replace(prepared, submission_ticket=ticket)
    return PreparedArray(
        data=(PreparedAuthorization.from_authorization(authorization), prepared), submission_ticket=ticket
    )


async def _build_within_rules(preparation: Preparation) -> UserOperation:
    """Build the draft. Raises: RuleDenied by a rule of the session."""
    ports, chain_id = preparation.ports, preparation.chain.chain_id
    draft, rules = await asyncio.gather(
        build_draft(preparation),
        read_rules(ports, preparation.account, chain_id, preparation.authority.nonce_key.entity_id),
    )
    if rules is not None:
        await check_rules(ports, chain_id, draft)
    return draft


def _with_permit(request: PrepareCalls, details: PermitDetails) -> dict[str, Any]:
    """Return the request as JSON, with the details of the permit to sign in place of `autoPermit`."""
    encoded: dict[str, Any] = wire.encode(PrepareCalls, request)
    settings = wire.encode(PreOpSettings, PreOpSettings(permit_details=details))
    service = {**encoded["capabilities"]["paymasterService"]}
    service["erc20"] = {**service["erc20"], "preOpSettings": settings}
    return {**encoded, "capabilities": {**encoded["capabilities"], "paymasterService": service}}


def _build_ticket_subject(preparation: Preparation, prepared: PreparedUserOperation) -> TicketSubject:
    authorization = preparation.authorization
    return TicketSubject(
        account=preparation.account,
        chain=preparation.chain,
        hash=prepared.details.data.hash,
        authorization=None if authorization is None else authorization_hash(preparation.account, authorization),
        permissions=preparation.capabilities.permissions,
    )


def _build_response(preparation: Preparation, sponsored_operation: SponsoredOperation) -> PreparedUserOperation:
    """Build the response: the user operation, the signature request unless it is an estimate, and the maximum fee."""
    only_estimation = is_estimate_only(preparation.capabilities)
    operation = sponsored_operation.operation
    operation_hash = user_operation_hash(operation, preparation.chain.chain_id, ENTRY_POINT)
    return PreparedUserOperation(
        data=UserOperationJson.from_domain(replace(operation, authorization=None), include_signature=False),
        chain_id=preparation.chain.chain_id,
        signature_request=None if only_estimation else PersonalSign.from_hash(operation_hash),
        fee_payment=sponsored_operation.fee,
        details=OperationDetails(data=OperationData(hash=operation_hash, calls=sponsored_operation.calls)),
    )


OPERATION: Operation[Ports, PrepareCalls, PreparedCalls] = Operation(
    "wallet_prepareCalls",
    PrepareCalls,
    PreparedCalls,
    run,
    "Build the user operation that makes the given calls, and the payload for its signer.",
    (
        SponsorshipFailed,
        SessionEnded,
        RuleDenied,
        SessionPaused,
        Rejected,
        InstallPending,
        SignatureInvalid,
        ValidationReverted,
        PaymasterRejected,
        OutOfTimeRange,
        ExecutionReverted,
        LimitExceeded,
        UnsupportedCapability,
        UnreadableAnswer,
        UnsupportedChain,
        BundleTooLarge,
    ),
    need=RequiredAccess(scopes=(Scope.TRANSACTIONS_BUILD,)),
    wallets=lambda request: (request.from_,),
    reasons=reasons.PREPARE_CALLS,
    description=(
        "Choose nonce and fees, ask the sponsor, estimate the gas in a simulation, and return the unsigned user "
        "operation. Nothing is sent. A request with `key` has the form of ERC-7836, and its result one digest and a "
        "context. An account that has to be delegated, or a token that has to be permitted, adds a payload to sign."
    ),
)
