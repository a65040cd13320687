"""`wallet_sendPreparedCalls`: submit signed calls to the bundler once; an authorization alone goes to the relayer.

Three forms:
- a user operation;
- an array of a user operation and the authorization that it needs, in any order;
- the removal of a delegation, an authorization of the zero address.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, assert_never, cast

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.capabilities import PermissionsCapability, SendCapabilities
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.prepared import (
    DelegationDetails,
    OperationData,
    OperationDetails,
    authorization_hash,
    format_call_id,
)
from wallet_rpc.domain.sponsorship import read_sponsorship_end
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
    RuleDenied,
    SessionEnded,
    SessionNotInstalled,
    SessionPaused,
    SignatureInvalid,
    StaleNonce,
    UnreadableAnswer,
    UnsupportedCapability,
    UnsupportedChain,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32
from wallet_rpc.services.account_facts import chain_of, record_delegated_account
from wallet_rpc.services.audit_log import log_call_sent
from wallet_rpc.services.authority import Authority, resolve_authority
from wallet_rpc.services.delegation import attach_signature
from wallet_rpc.services.delegation_removal import send_removal
from wallet_rpc.services.delivery import encode_operation
from wallet_rpc.services.denial_reasons import explain_denial
from wallet_rpc.services.operation_signature import build_signed_operation
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
from wallet_rpc.services.submission import build_call, find_call, recover_call, submit
from wallet_rpc.services.submission_tickets import TicketSubject, session_id_of, verify_ticket
from wallet_rpc.wire import shape

TRUST_SECONDS = 90 * 86_400
"""Time in seconds for which a caller who presented the owner's signature may use the reserved entity ids."""


@shape
class SentCalls:
    """The call id for `wallet_getCallsStatus`; `preparedCallIds` repeats it for older clients."""

    id: Data
    """Call id: chain id (32 bytes) | user operation hash or hash of the authorization (32 bytes)."""
    prepared_call_ids: tuple[Data, ...]
    """The same call id in an array, for older clients."""
    details: Annotated[OperationDetails | DelegationDetails, Field(discriminator="type")]
    """Hash and calls of the user operation, or the kind `delegation`."""


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
    sent = await find_call(ports, chain, operation_hash)
    if sent is None or not (sent.is_retained or sent.state.is_final):
        sent = await _verify_and_send(ports, subject, operation, request.signature.raw, delegation)
    await log_call_sent(ports, sent)
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
    """Check the authority and the signature of an operation, submit it, and return its record.

    A copy of the request, also one that began earlier, may submit the operation at the same time and thereby use its
    nonce or deploy its account: then the record decides, and not what the chain says of the nonce.
    """
    chain, account = subject.chain, operation.sender
    try:
        authority, first_block = await asyncio.gather(
            resolve_authority(ports, chain, account, subject.permissions, at="params.data.sender"),
            chain.node.block_number(),
        )
        signed = await build_signed_operation(ports, chain, authority, operation, signature, delegation)
    except WalletError as error:
        sent = await find_call(ports, chain, subject.hash)
        if sent is None and isinstance(error, StaleNonce | AccountDeployed):
            sent = await recover_call(ports, chain, operation, subject.hash)
        if sent is None:
            raise
        return sent
    await _trust(ports, chain, authority)
    call = replace(
        build_call(ports, chain, signed, first_block=first_block),
        session_id=session_id_of(subject.permissions),
        valid_until=_find_deadline(chain, authority, operation),
    )
    try:
        sent = await submit(ports, chain, call, encode_operation(signed))
    except (ValidationReverted, ExecutionReverted) as denial:
        raise explain_denial(denial, authority, operation) from denial
    if authority.account.is_external and authority.nonce_key.entity_id == OWNER_ENTITY:
        await record_delegated_account(ports, operation.sender)
    return sent


def _find_deadline(chain: ChainPorts, authority: Authority, operation: UserOperation) -> int:
    """Return the last second in which the operation can be included, as far as this server knows it; 0 without one."""
    ends = [
        0 if authority.session is None else authority.session.deadline,
        0 if authority.grant is None else authority.grant.action.deadline,
        0 if chain.verifying_paymaster is None else read_sponsorship_end(operation, chain.verifying_paymaster),
    ]
    return min((end for end in ends if end), default=0)


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
        RuleDenied,
        SessionPaused,
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
        UnreadableAnswer,
        UnsupportedChain,
    ),
    need=RequiredAccess(scopes=(Scope.TRANSACTIONS_SUBMIT,)),
    wallets=senders,
    reasons=reasons.SEND_CALLS,
    description=(
        "Verify the signature and store the call, then deliver it to the bundlers until its state is final. The id "
        "is returned once the call is stored. A request with `context` and without `type` has the form of ERC-7836."
    ),
)
