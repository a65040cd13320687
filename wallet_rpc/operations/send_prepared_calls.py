"""`wallet_sendPreparedCalls`: submit signed calls to the bundler once; an authorization alone goes to the relayer.

Three forms:
- a user operation;
- an array of a user operation and the authorization that it needs, in any order;
- the removal of a delegation, an authorization of the zero address.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, assert_never, cast

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.capabilities import PermissionsCapability, SendCapabilities
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import OWNER_ENTITY, NonceKey, split_nonce
from wallet_rpc.domain.prepared import (
    DelegationDetails,
    OperationData,
    OperationDetails,
    authorization_hash,
    format_call_id,
)
from wallet_rpc.domain.records import CallRecord
from wallet_rpc.domain.signature import personal_sign_digest, user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import (
    AccountDeployed,
    ExecutionReverted,
    InstallPending,
    InvalidParams,
    LimitExceeded,
    OutcomeUnknown,
    OutOfTimeRange,
    PaymasterRejected,
    Rejected,
    SessionEnded,
    SessionNotInstalled,
    SignatureInvalid,
    StaleNonce,
    UnsupportedCapability,
    UnsupportedChain,
    ValidationReverted,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32
from wallet_rpc.services.account_facts import chain_of, record_delegated_account
from wallet_rpc.services.audit_log import log_call_sent
from wallet_rpc.services.authority import PERMISSIONS, Authority, resolve_authority
from wallet_rpc.services.authorizations import find_carried_authorization, send_with_authorization
from wallet_rpc.services.delegation import attach_signature, send_removal
from wallet_rpc.services.denial_reasons import explain_denial
from wallet_rpc.services.signatures import VerifiedSignature, verify_signature
from wallet_rpc.services.signed_calls import (
    SendArray,
    SendDelegation,
    SendOperation,
    SendPreparedCalls,
    SignedDelegation,
    SignedOperation,
    sender_of,
    senders,
    split_array,
)
from wallet_rpc.services.submission import (
    build_nonce_used_error,
    find_sent,
    recover_sent,
    refuse_while_installing,
)
from wallet_rpc.services.submission_tickets import TicketSubject, session_id_of, verify_ticket
from wallet_rpc.wire import shape

NONCE_FIELD = "params.data.nonce"
"""The path of the user operation's nonce in a request."""
TRUST_SECONDS = 90 * 86_400
"""Time in seconds for which a caller who presented the owner's signature may use the reserved entity ids."""


@shape
class SentCalls:
    """The call id for `wallet_getCallsStatus`; `preparedCallIds` repeats it for older clients."""

    id: Data
    prepared_call_ids: tuple[Data, ...]
    details: Annotated[OperationDetails | DelegationDetails, Field(discriminator="type")]


async def run(ports: Ports, request: SendPreparedCalls) -> SentCalls:
    """Check authority and signature, then submit; idempotent: the same signed payload is sent once."""
    capabilities = request.capabilities or SendCapabilities()
    ticket = capabilities.submission_ticket if request.submission_ticket is None else request.submission_ticket
    match request:
        case SendDelegation():
            return await _send_removal(ports, request, ticket)
        case SendOperation():
            return await _send_operation(ports, request, None, capabilities.permissions, ticket)
        case SendArray():
            operation, delegation = split_array(request)
            return await _send_operation(ports, operation, delegation, capabilities.permissions, ticket)
        case _:
            assert_never(request)


async def _send_removal(ports: Ports, request: SignedDelegation, ticket: str | None) -> SentCalls:
    """Send the removal of a delegation through the relayer.

    Raises: InvalidParams (delegation_alone) for any other delegation, which has to accompany a user operation.
    """
    chain = chain_of(ports, request.chain_id)
    if request.data.address != ZERO_ADDRESS:
        raise InvalidParams(
            f"expected {ZERO_ADDRESS}, the removal of a delegation, got {request.data.address}; send a delegation in "
            "an array with a user operation",
            field="params.data.address",
            reason="delegation_alone",
        )
    authorization = attach_signature(request.data.to_authorization(chain.chain_id), request.signature.raw)
    account = sender_of(request)
    name = authorization_hash(account, authorization)
    await verify_ticket(ports, TicketSubject(account=account, chain=chain, hash=name), ticket)
    await log_call_sent(ports, await send_removal(ports, chain, authorization))
    identifier = format_call_id(chain.chain_id, name)
    return SentCalls(id=identifier, prepared_call_ids=(identifier,), details=DelegationDetails())


async def _send_operation(
    ports: Ports,
    request: SignedOperation,
    delegation: SignedDelegation | None,
    permissions: PermissionsCapability | None,
    ticket: str | None,
) -> SentCalls:
    chain = chain_of(ports, request.chain_id)
    operation = request.data.to_domain("params.data.")
    operation_hash = user_operation_hash(operation, chain.chain_id, ENTRY_POINT)
    subject = TicketSubject(
        account=operation.sender,
        chain=chain,
        hash=operation_hash,
        authorization=_hash_delegation(chain, operation.sender, delegation),
        permissions=permissions,
    )
    await verify_ticket(ports, subject, ticket)
    sent = await find_sent(ports, chain, operation_hash)
    if sent is None:  # a repeated send succeeds even if its session has ended since
        sent = await _verify_and_send(ports, subject, operation, request.signature.raw, delegation)
    await log_call_sent(ports, sent, session_id_of(permissions))
    identifier = format_call_id(chain.chain_id, operation_hash)
    calls = decode_calls(operation.sender, operation.call_data)
    details = OperationDetails(data=OperationData(hash=operation_hash, calls=calls))
    return SentCalls(id=identifier, prepared_call_ids=(identifier,), details=details)


def _hash_delegation(chain: ChainPorts, account: Address, delegation: SignedDelegation | None) -> Hash32 | None:
    return None if delegation is None else authorization_hash(account, delegation.data.to_authorization(chain.chain_id))


async def _verify_and_send(
    ports: Ports,
    subject: TicketSubject,
    operation: UserOperation,
    signature: bytes,
    delegation: SignedDelegation | None,
) -> CallRecord:
    """Check the authority and the signature of an operation, submit it, and return its record."""
    chain = subject.chain
    authority = await resolve_authority(ports, chain, operation.sender, subject.permissions, at="params.data.sender")
    key = _check_nonce_key(authority, operation)
    verified = await _verify_call_signature(chain, authority, subject.hash, signature)
    authorization = await find_carried_authorization(chain, authority.account, delegation)
    try:
        deferred = await _read_signature_prefix(ports, chain, authority, key, operation)
        signed = replace(
            operation,
            signature=user_operation_signature(verified.value, kind=verified.kind, deferred=deferred),
            authorization=authorization,
        )
        await _trust(ports, chain, authority)
        sent = await send_with_authorization(ports, chain, signed, subject.hash)
    except (StaleNonce, AccountDeployed):
        recovered = await recover_sent(ports, chain, operation, subject.hash)
        if recovered is None:
            raise
        return recovered
    except (ValidationReverted, ExecutionReverted) as denial:
        raise explain_denial(denial, authority, operation) from denial
    if authority.account.is_external and authority.nonce_key.entity_id == OWNER_ENTITY:
        await record_delegated_account(ports, operation.sender)
    return sent


def _check_nonce_key(authority: Authority, operation: UserOperation) -> NonceKey:
    """Return the nonce key, which must name the validation of the authority. Raises: InvalidParams (nonce_mismatch)."""
    try:
        key, _ = split_nonce(operation.nonce)
    except ValueError as error:
        raise InvalidParams(str(error), field=NONCE_FIELD, reason="nonce_mismatch") from None
    expected = authority.nonce_key
    if (key.entity_id, key.is_global) != (expected.entity_id, expected.is_global):
        hint = "; send capabilities.permissions as for wallet_prepareCalls" if expected.entity_id == 0 else ""
        raise InvalidParams(
            f"expected a nonce of the validation with entity id {expected.entity_id}, under which the call is sent, "
            f"got one of entity id {key.entity_id}{hint}",
            field=NONCE_FIELD,
            reason="nonce_mismatch",
        )
    return key


async def _verify_call_signature(
    chain: ChainPorts, authority: Authority, operation_hash: Hash32, signature: bytes
) -> VerifiedSignature:
    """Verify that the authority's signer signed exactly this operation. Raises: SignatureInvalid otherwise."""
    verified = await verify_signature(chain, authority.signer, personal_sign_digest(operation_hash), signature)
    if verified is None:
        signer = "the session key" if authority.nonce_key.entity_id else "the owner"
        raise SignatureInvalid(
            f"invalid account signature: params.signature is not by {signer} {authority.signer} over the user "
            f"operation {operation_hash}; send the signed operation exactly as it was prepared",
            field="params.signature",
            verbatim=True,
        )
    return verified


async def _read_signature_prefix(
    ports: Ports, chain: ChainPorts, authority: Authority, key: NonceKey, operation: UserOperation
) -> bytes:
    """Return the encoded grant that precedes the signature, or empty bytes for an operation that installs no session.

    Raises: StaleNonce when the session was installed since the operation was prepared; SessionNotInstalled when the
    operation needs a session that is not installed; InstallPending while another operation is installing the session,
    unless this operation outbids that one.
    """
    if not key.is_deferred:
        if authority.grant is not None:
            raise SessionNotInstalled(
                "the session is not installed, but the calls were prepared as if it were; prepare the calls again",
                field=PERMISSIONS,
            )
        return b""
    if authority.grant is None:
        raise build_nonce_used_error(operation)
    if operation.nonce != authority.grant.action.nonce:
        raise InvalidParams(
            f"expected {authority.grant.action.nonce:#x}, the nonce of the session's grant, got {operation.nonce:#x}; "
            "prepare the calls again",
            field=NONCE_FIELD,
            reason="nonce_mismatch",
        )
    await refuse_while_installing(ports, chain, account=operation.sender, nonce=operation.nonce, by=operation)
    return authority.signature_prefix


async def _trust(ports: Ports, chain: ChainPorts, authority: Authority) -> None:
    """Record a caller who presented the owner's signature as trusted with the reserved entity ids."""
    if authority.has_owner_signature:
        account = authority.account.address
        until = ports.clock.now() + TRUST_SECONDS
        await ports.store.sessions.trust(account, chain.chain_id, ports.caller.holder, forget_at=until)


OPERATION: Operation[Ports, Any, SentCalls] = Operation(
    "wallet_sendPreparedCalls",
    cast("Any", SendPreparedCalls),
    SentCalls,
    run,
    "Send signed calls; sending the same calls again returns the same id and has no further effect.",
    (
        SessionEnded,
        StaleNonce,
        AccountDeployed,
        SessionNotInstalled,
        InstallPending,
        Rejected,
        SignatureInvalid,
        ValidationReverted,
        PaymasterRejected,
        OutOfTimeRange,
        ExecutionReverted,
        LimitExceeded,
        OutcomeUnknown,
        UnsupportedCapability,
        UnsupportedChain,
    ),
    need=RequiredAccess(scopes=(Scope.TRANSACTIONS_SUBMIT,)),
    wallets=senders,
)
