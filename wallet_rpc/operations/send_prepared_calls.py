"""`wallet_sendPreparedCalls`: signed calls go to the bundler, once."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from wallet_rpc.domain.call_data import calls_of
from wallet_rpc.domain.capabilities import SendCapabilities
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import NonceKey, split_nonce
from wallet_rpc.domain.prepared import OperationData, OperationDetails, Signature, call_id
from wallet_rpc.domain.records import SessionState
from wallet_rpc.domain.signature import SignerKind, personal_sign_digest, user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import (
    AccountDeployed,
    ExecutionReverted,
    InstallPending,
    InvalidParams,
    Rejected,
    SessionNotInstalled,
    SignatureInvalid,
    StaleNonce,
    UnsupportedChain,
    ValidationReverted,
)
from wallet_rpc.operations._accounts import chain_of
from wallet_rpc.operations._authority import PERMISSIONS, Authority, authority_of
from wallet_rpc.operations._denials import explained
from wallet_rpc.operations._sending import is_sent, refuse_while_installing, send_once, used_nonce
from wallet_rpc.operations._sessions import forget_at
from wallet_rpc.operations._signatures import signer_kind
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ChainId, Data, Hash32
from wallet_rpc.wire import shape

NONCE = "params.data.nonce"
"""Where an operation's nonce stands in a request."""
TRUST_SECONDS = 90 * 86_400
"""How long a caller who showed the owner's signature is trusted with the reserved entity ids."""


def _bare_signature(value: Any) -> Any:
    """Clients of early 2025 wrote the bytes under `signature` instead of `data`."""
    if isinstance(value, dict) and "data" not in value and "signature" in value:
        return {**value, "data": value["signature"]}
    return value


@shape
class SendPreparedCalls:
    """A prepared user operation with its signature, and the permissions it was prepared with."""

    type: Literal["user-operation-v070"]
    data: UserOperationJson
    chain_id: ChainId
    signature: Annotated[Signature, BeforeValidator(_bare_signature)]
    capabilities: SendCapabilities | None = None


@shape
class SentCalls:
    """The id to ask `wallet_getCallsStatus` about; `preparedCallIds` repeats it for older clients."""

    id: Data
    prepared_call_ids: tuple[Data, ...]
    details: OperationDetails


async def run(ports: Ports, request: SendPreparedCalls) -> SentCalls:
    """Check who may send and who signed, then hand over; the same signed payload is sent once and answered alike."""
    chain = chain_of(ports, request.chain_id)
    operation = request.data.to_domain()
    operation_hash = user_operation_hash(operation, chain.chain_id, ENTRY_POINT)
    permissions = None if request.capabilities is None else request.capabilities.permissions
    authority = await authority_of(ports, chain, operation.sender, permissions, at="params.data.sender")
    key = _matching_key(authority, operation)
    kind = await _signed(chain, authority, operation_hash, request.signature.raw)
    if not await is_sent(ports, chain, operation_hash):
        deferred = await _deferred(ports, chain, authority, key, operation)
        signed = replace(
            operation, signature=user_operation_signature(request.signature.raw, kind=kind, deferred=deferred)
        )
        await _send(ports, chain, authority, signed, operation_hash)
    identifier = call_id(chain.chain_id, operation_hash)
    calls = calls_of(operation.sender, operation.call_data)
    details = OperationDetails(data=OperationData(hash=operation_hash, calls=calls))
    return SentCalls(id=identifier, prepared_call_ids=(identifier,), details=details)


def _matching_key(authority: Authority, operation: UserOperation) -> NonceKey:
    """The nonce's key, which must name the validation of the authority. Raises: InvalidParams (nonce_mismatch)."""
    try:
        key, _ = split_nonce(operation.nonce)
    except ValueError as error:
        raise InvalidParams(f"{NONCE}: {error}", field=NONCE, reason="nonce_mismatch") from None
    expected = authority.nonce_key
    if (key.entity_id, key.is_global) != (expected.entity_id, expected.is_global):
        hint = "; send capabilities.permissions as for wallet_prepareCalls" if expected.entity_id == 0 else ""
        raise InvalidParams(
            f"{NONCE}: it names the validation with entity id {key.entity_id}, but the call is sent under that with "
            f"entity id {expected.entity_id}{hint}",
            field=NONCE,
            reason="nonce_mismatch",
        )
    return key


async def _signed(chain: ChainPorts, authority: Authority, operation_hash: Hash32, signature: bytes) -> SignerKind:
    """How the authority's signer signed exactly this operation. Raises: SignatureInvalid when it did not."""
    kind = await signer_kind(chain, authority.signer, personal_sign_digest(operation_hash), signature)
    if kind is None:
        who = "the session key" if authority.nonce_key.entity_id else "the owner"
        raise SignatureInvalid(
            f"invalid account signature: params.signature is not by {who} {authority.signer} over the user operation "
            f"{operation_hash}; the signed operation must be sent exactly as it was prepared",
            field="params.signature",
        )
    return kind


async def _deferred(
    ports: Ports, chain: ChainPorts, authority: Authority, key: NonceKey, operation: UserOperation
) -> bytes:
    """The grant that the operation carries, if it carries one.

    Raises: StaleNonce when the session was installed since the operation was prepared; SessionNotInstalled when the
    operation needs a session that is not there; InstallPending while another operation is just installing it.
    """
    if not key.is_deferred:
        if authority.grant is not None:
            raise SessionNotInstalled(
                f"{PERMISSIONS}: the session is not installed, but the call was prepared as if it were; prepare again",
                field=PERMISSIONS,
            )
        return b""
    if authority.grant is None:
        raise used_nonce(operation)
    if operation.nonce != authority.grant.action.nonce:
        raise InvalidParams(
            f"{NONCE}: it is not the nonce of this session's grant", field=NONCE, reason="nonce_mismatch"
        )
    await refuse_while_installing(ports, chain, account=operation.sender, nonce=operation.nonce)
    return authority.deferred


async def _send(
    ports: Ports, chain: ChainPorts, authority: Authority, signed: UserOperation, operation_hash: Hash32
) -> None:
    try:
        await send_once(ports, chain, signed, operation_hash)
    except (ValidationReverted, ExecutionReverted) as denial:
        raise explained(denial, authority) from denial
    await _remember(ports, chain, authority)


async def _remember(ports: Ports, chain: ChainPorts, authority: Authority) -> None:
    """The caller showed the owner's signature; and a session that is on its way is active."""
    now = ports.clock.now()
    account, session = authority.account.address, authority.session
    await ports.store.sessions.trust(account, chain.chain_id, ports.caller(), forget_at=now + TRUST_SECONDS)
    if session is not None and session.state is SessionState.PENDING:
        active = replace(session, state=SessionState.ACTIVE)
        await ports.store.sessions.put(active, forget_at=forget_at(active))


OPERATION: Operation[Ports, SendPreparedCalls, SentCalls] = Operation(
    "wallet_sendPreparedCalls",
    SendPreparedCalls,
    SentCalls,
    run,
    "Send signed calls; sending the same ones again answers the same id and changes nothing.",
    (
        StaleNonce,
        AccountDeployed,
        SessionNotInstalled,
        InstallPending,
        Rejected,
        SignatureInvalid,
        ValidationReverted,
        ExecutionReverted,
        UnsupportedChain,
    ),
)
