"""`wallet_prepareCalls` and `wallet_sendPreparedCalls` in the form of ERC-7836 (draft): by key, digest and context.

They run the same code as the hosted form. The key signs `digest` directly, without a further hash or prefix; `context`
holds the unsigned send request. The context is neither secret nor trusted. Its content is decoded and checked like a
hosted request, and the acting key must have signed exactly that operation.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field, model_validator

from wallet_rpc.domain.capabilities import SUPPORTED_CAPABILITIES, Capabilities, RequestedCapabilities, SendCapabilities
from wallet_rpc.domain.prepared import (
    AuthorizationData,
    PreparedArray,
    PreparedAuthorization,
    PreparedCalls,
    PreparedPermit,
    PreparedUserOperation,
    Signature,
)
from wallet_rpc.domain.requested_call import RequestedCall
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.operations import prepare_calls, send_prepared_calls
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, Hash32, NonZeroAddress
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.authority import resolve_authority
from wallet_rpc.services.session_keys import key_address
from wallet_rpc.services.signed_calls import SendDelegation, SendOperation
from wallet_rpc.services.sponsorship import is_estimate_only
from wallet_rpc.wire import check_size, decode, encode, parse_json, shape, strict_shape
from wallet_rpc.wire.members import reject_misplaced_members

CONTEXT_VERSION = b"\1"
"""The first byte of a context of this form."""
_CONTEXT = "params.context"


@strict_shape
class CallKey:
    """The signing key, the account owner's or a session's, given by address or public key."""

    type: str
    """Kind of signer: `secp256k1` (alias `ecdsa`), `contract` for an ERC-1271 contract, or `address` for either."""
    public_key: Data
    """Address of the signer in 20 bytes; for secp256k1 also the uncompressed public key in 64 or 65 bytes."""
    prehash: bool = False
    """True if the key hashes the digest once more before signing; unsupported, since no account here undoes that."""


@shape
class KeyedCalls:
    """Calls of one account, and the key that will sign them."""

    chain_id: ChainId
    """Chain on which the calls are made."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    """Account that makes the calls."""
    calls: tuple[RequestedCall, ...] = ()
    """Calls in the order in which they run. All of them succeed, or none takes effect."""
    key: CallKey
    """Key that will sign the digest: the owner's, or that of the session in `capabilities.permissions`."""
    capabilities: RequestedCapabilities = None
    """Session, payer of the gas, fees, nonce and delegation, as in the hosted form."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_misplaced(cls, value: Any) -> Any:
        return reject_misplaced_members(cls, value, SUPPORTED_CAPABILITIES)


@shape
class KeyedPrepared:
    """The digest that the key signs directly, and the context to return with the signature."""

    chain_id: ChainId
    """Chain that the operation is valid on."""
    context: Data
    """Opaque bytes with the unsigned calls, to be returned unchanged to `wallet_sendPreparedCalls`."""
    digest: Hash32
    """Digest that the key signs without further hash or prefix."""
    key: CallKey
    """Key of the request, to be returned with the signature."""
    submission_ticket: str | None = None
    """Present for callers with a session token; the context contains it too, so returning the context is enough."""


@shape
class KeyedSendCapabilities:
    """The capabilities that a send reads in addition to its context; all others are ignored."""

    submission_ticket: str | None = None
    """Ticket that a caller with a session token needs, if the context lacks it."""


@shape
class KeyedSend:
    """A context from `wallet_prepareCalls`, with the key's signature of its digest."""

    context: Data
    """Context from the result of `wallet_prepareCalls`, unchanged."""
    key: CallKey
    """Key that the calls were prepared for."""
    signature: Data
    """Signature of the digest: 65 bytes r | s | v, or the bytes that a contract signer accepts."""
    chain_id: ChainId | None = None
    """Chain of the calls. If given, it must be the chain in the context."""
    capabilities: KeyedSendCapabilities | None = None
    """Submission ticket, for clients that repeat only capabilities. All other capabilities are ignored."""
    submission_ticket: str | None = None
    """The first ticket in this order counts: this one, the ticket in `capabilities`, the ticket in the context."""


@shape
class KeyedSent:
    """The call id, for `wallet_getCallsStatus`."""

    id: Data
    """Call id: chain id (32 bytes) | user operation hash (32 bytes)."""


@shape
class UnsignedOperation:
    """A user operation without its signature."""

    type: Literal["user-operation-v070"] = "user-operation-v070"
    data: UserOperationJson


@shape
class UnsignedDelegation:
    """The removal of a delegation (EIP-7702) without its signature."""

    type: Literal["authorization"] = "authorization"
    data: AuthorizationData


@shape
class CallsContext:
    """The content of a context: the calls, the key they were prepared for, and the permissions they are sent under."""

    calls: Annotated[UnsignedOperation | UnsignedDelegation, Field(discriminator="type")]
    chain_id: ChainId
    key: Address
    capabilities: SendCapabilities


async def prepare_keyed(ports: Ports, request: KeyedCalls) -> KeyedPrepared:
    """Prepare calls for the given key.

    Raises: InvalidParams (key_mismatch) when the calls need the signature of another key.
    """
    signer = _signer(request.key)
    capabilities = request.capabilities or Capabilities()
    if is_estimate_only(capabilities):
        at = "params.capabilities.paymasterService.onlyEstimation"
        raise InvalidParams("expected false with params.key, because an estimate has no digest to sign", field=at)
    chain = chain_of(ports, request.chain_id)
    authority = await resolve_authority(ports, chain, request.from_, capabilities.permissions, at="params.from")
    if authority.signer != signer:
        raise _build_key_error(f"expected {authority.signer}, the signer of these calls", signer)
    prepared = await prepare_calls.run(ports, to_hosted_calls(request))
    calls, digest, ticket = _extract_unsigned(prepared)
    to_send = SendCapabilities(permissions=capabilities.permissions, submission_ticket=ticket)
    context = pack_context(CallsContext(calls=calls, chain_id=chain.chain_id, key=signer, capabilities=to_send))
    return KeyedPrepared(
        chain_id=chain.chain_id, context=context, digest=digest, key=request.key, submission_ticket=ticket
    )


async def send_keyed(ports: Ports, request: KeyedSend) -> tuple[KeyedSent, ...]:
    """Send the content of the context like a request in the hosted form. Raises: InvalidParams (context_malformed)."""
    signer = _signer(request.key)
    context = unpack_context(request.context)
    if signer != context.key:
        raise _build_key_error(f"expected {context.key}, for which these calls were prepared", signer)
    if request.chain_id is not None and request.chain_id != context.chain_id:
        raise InvalidParams(
            f"expected {context.chain_id:#x}, for which these calls were prepared, got {request.chain_id:#x}",
            field="params.chainId",
        )
    sent = await send_prepared_calls.run(ports, _build_send_request(context, request))
    return (KeyedSent(id=sent.id),)


def to_hosted_calls(request: KeyedCalls) -> PrepareCalls:
    """Return the hosted form of the request, without its key."""
    return PrepareCalls(
        calls=request.calls,
        from_=request.from_,
        chain_id=request.chain_id,
        capabilities=request.capabilities,
    )


def to_hosted_send(request: KeyedSend) -> SendOperation | SendDelegation:
    """Return the hosted form of the request, built from its context. Raises: InvalidParams (context_malformed)."""
    return _build_send_request(unpack_context(request.context), request)


def _build_send_request(context: CallsContext, request: KeyedSend) -> SendOperation | SendDelegation:
    capabilities = request.capabilities or KeyedSendCapabilities()
    common: dict[str, Any] = {
        "chain_id": context.chain_id,
        "signature": Signature(data=request.signature),
        "capabilities": context.capabilities,
        "submission_ticket": (
            capabilities.submission_ticket if request.submission_ticket is None else request.submission_ticket
        ),
    }
    match context.calls:
        case UnsignedOperation(data=operation):
            return SendOperation(type="user-operation-v070", data=operation, **common)
        case UnsignedDelegation(data=delegation):
            return SendDelegation(type="authorization", data=delegation, **common)
        case _:
            assert_never(context.calls)


def pack_context(context: CallsContext) -> Data:
    """Encode a context: the byte 01 | JSON in UTF-8."""
    return Data(CONTEXT_VERSION + json.dumps(encode(CallsContext, context), separators=(",", ":")).encode())


def unpack_context(context: bytes) -> CallsContext:
    """Decode a context. Raises: InvalidParams (context_malformed) for bytes that `pack_context` does not produce."""
    try:  # parse_json limits the depth; json.loads would not, because py-evm raises Python's recursion limit
        value = parse_json(context[1:]) if context.startswith(CONTEXT_VERSION) else None
        check_size(value)
        unpacked = decode(CallsContext, value, at=_CONTEXT)
    except (ValueError, InvalidParams):
        raise InvalidParams(
            "expected the context that wallet_prepareCalls returned, unchanged",
            field=_CONTEXT,
            reason="context_malformed",
        ) from None
    return unpacked


def _signer(key: CallKey) -> Address:
    if key.prehash:
        raise UnsupportedCapability(
            "expected false, got true; no account here verifies a signature of a second hash",
            reason="prehash_not_supported",
            field="params.key.prehash",
            capability="prehash",
        )
    return key_address(key.type, key.public_key, at="params.key")


def _build_key_error(expected: str, got: Address) -> InvalidParams:
    at = "params.key.publicKey"
    return InvalidParams(f"{expected}, got {got}", field=at, reason="key_mismatch")


def _extract_unsigned(prepared: PreparedCalls) -> tuple[UnsignedOperation | UnsignedDelegation, Hash32, str | None]:
    """Return the unsigned calls, the digest to sign, and the submission ticket.

    Raises: InvalidParams (two_signatures) when the calls need more than one signature.
    """
    match prepared:
        case PreparedUserOperation(signature_request=request) if request is not None:
            return UnsignedOperation(data=prepared.data), request.raw_payload, prepared.submission_ticket
        case PreparedAuthorization(signature_request=request):
            return UnsignedDelegation(data=prepared.data), request.raw_payload, prepared.submission_ticket
        case PreparedArray() | PreparedPermit() | PreparedUserOperation():
            raise InvalidParams(
                "these calls also need the signature of an authorization (EIP-7702) or a permit (ERC-2612), but this "
                "form has only one digest; leave out params.key to get both",
                field="params.from",
                reason="two_signatures",
            )
        case _:
            assert_never(prepared)
