"""`wallet_prepareCalls` and `wallet_sendPreparedCalls` as ERC-7836 (draft) writes them: by key, digest and context.

The same operations as the hosted form's, in other clothes: `digest` is what the key signs as it stands, `context` is
the unsigned request to send. The context is not secret and not believed: whatever stands in it is decoded and checked
as a hosted request is, and the signature must be the acting key's over exactly that operation.
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
from wallet_rpc.services.accounts import chain_of
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
    """Who will sign: the account's owner or a session's key, by its address or its public key."""

    type: str
    public_key: Data
    prehash: bool = False
    """The key hashes what it is given once more before it signs; no account of ours undoes that."""


@shape
class KeyedCalls:
    """Calls of one account, and the key that will sign them."""

    chain_id: ChainId
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    calls: tuple[RequestedCall, ...] = ()
    key: CallKey
    capabilities: RequestedCapabilities = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_misplaced(cls, value: Any) -> Any:
        return reject_misplaced_members(cls, value, SUPPORTED_CAPABILITIES)


@shape
class KeyedPrepared:
    """What the key signs (`digest`, as it stands), and what comes back with the signature."""

    chain_id: ChainId
    context: Data
    digest: Hash32
    key: CallKey
    submission_ticket: str | None = None
    """For the holder of a session token; the context holds it too, so that sending that back is enough."""


@shape
class KeyedSendCapabilities:
    """The capabilities that a send needs beside its context; all others are ignored."""

    submission_ticket: str | None = None


@shape
class KeyedSend:
    """A context of `wallet_prepareCalls`, with the key's signature of its digest."""

    context: Data
    key: CallKey
    signature: Data
    chain_id: ChainId | None = None
    capabilities: KeyedSendCapabilities | None = None
    submission_ticket: str | None = None
    """Wins over that of the capabilities, as that does over the context's."""


@shape
class KeyedSent:
    """The id to ask `wallet_getCallsStatus` about."""

    id: Data


@shape
class UnsignedOperation:
    """A user operation that lacks its signature."""

    type: Literal["user-operation-v070"] = "user-operation-v070"
    data: UserOperationJson


@shape
class UnsignedDelegation:
    """The removal of a delegation that lacks its signature."""

    type: Literal["authorization"] = "authorization"
    data: AuthorizationData


@shape
class CallsContext:
    """What a context holds: the calls, the key they were prepared for, and the authority they are sent under."""

    calls: Annotated[UnsignedOperation | UnsignedDelegation, Field(discriminator="type")]
    chain_id: ChainId
    key: Address
    capabilities: SendCapabilities


async def prepare_keyed(ports: Ports, request: KeyedCalls) -> KeyedPrepared:
    """Raises: InvalidParams (key_mismatch) when another key than the given one would have to sign."""
    signer = _signer(request.key)
    capabilities = request.capabilities or Capabilities()
    if is_estimate_only(capabilities):
        at = "params.capabilities.paymasterService.onlyEstimation"
        raise InvalidParams(f"{at}: an estimate has no digest to sign", field=at)
    chain = chain_of(ports, request.chain_id)
    authority = await resolve_authority(ports, chain, request.from_, capabilities.permissions, at="params.from")
    if authority.signer != signer:
        raise _other_key(f"expected {authority.signer}, which these calls need", signer)
    prepared = await prepare_calls.run(
        ports,
        PrepareCalls(
            calls=request.calls,
            from_=request.from_,
            chain_id=request.chain_id,
            capabilities=capabilities,
        ),
    )
    calls, digest, ticket = _extract_unsigned(prepared)
    repeated = SendCapabilities(permissions=capabilities.permissions, submission_ticket=ticket)
    context = pack_context(CallsContext(calls=calls, chain_id=chain.chain_id, key=signer, capabilities=repeated))
    return KeyedPrepared(
        chain_id=chain.chain_id, context=context, digest=digest, key=request.key, submission_ticket=ticket
    )


async def send_keyed(ports: Ports, request: KeyedSend) -> tuple[KeyedSent, ...]:
    """Sends what the context holds as if it had come in the hosted form. Raises: InvalidParams (context_malformed)."""
    signer, carried = _signer(request.key), unpack_context(request.context)
    if signer != carried.key:
        raise _other_key(f"expected {carried.key}, for which these calls were prepared", signer)
    if request.chain_id not in {None, carried.chain_id}:
        raise InvalidParams(
            f"params.chainId: expected {carried.chain_id:#x}, for which these calls were prepared",
            field="params.chainId",
        )
    sent = await send_prepared_calls.run(ports, _build_send_request(carried, request))
    return (KeyedSent(id=sent.id),)


def read_hosted_request(request: KeyedSend) -> SendOperation | SendDelegation:
    """The request in the hosted form, as its context has it. Raises: InvalidParams (context_malformed)."""
    return _build_send_request(unpack_context(request.context), request)


def _build_send_request(context: CallsContext, request: KeyedSend) -> SendOperation | SendDelegation:
    beside = request.capabilities or KeyedSendCapabilities()
    common: dict[str, Any] = {
        "chain_id": context.chain_id,
        "signature": Signature(data=request.signature),
        "capabilities": context.capabilities,
        "submission_ticket": (
            beside.submission_ticket if request.submission_ticket is None else request.submission_ticket
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
    """A context: 01 | JSON."""
    return Data(CONTEXT_VERSION + json.dumps(encode(CallsContext, context), separators=(",", ":")).encode())


def unpack_context(context: bytes) -> CallsContext:
    """Raises: InvalidParams (context_malformed) for what `packed` does not make."""
    try:  # the standard library's parser has no bound on depth here: py-evm raises Python's own out of reach
        value = parse_json(context[1:]) if context.startswith(CONTEXT_VERSION) else None
        check_size(value)
        carried = decode(CallsContext, value, at=_CONTEXT)
    except (ValueError, InvalidParams):
        raise InvalidParams(
            f"{_CONTEXT}: expected the context of an answer of wallet_prepareCalls, unchanged",
            field=_CONTEXT,
            reason="context_malformed",
        ) from None
    return carried


def _signer(key: CallKey) -> Address:
    if key.prehash:
        raise UnsupportedCapability(
            "params.key.prehash: no account here undoes a second hash; expected false",
            reason="prehash_not_supported",
            field="params.key.prehash",
            capability="prehash",
        )
    return key_address(key.type, key.public_key, at="params.key")


def _other_key(expected: str, got: Address) -> InvalidParams:
    at = "params.key.publicKey"
    return InvalidParams(f"{at}: {expected}, got {got}", field=at, reason="key_mismatch")


def _extract_unsigned(prepared: PreparedCalls) -> tuple[UnsignedOperation | UnsignedDelegation, Hash32, str | None]:
    """What to send, what to sign, and the ticket. Raises: InvalidParams (two_signatures) for more than one digest."""
    match prepared:
        case PreparedUserOperation(signature_request=request) if request is not None:
            return UnsignedOperation(data=prepared.data), request.raw_payload, prepared.submission_ticket
        case PreparedAuthorization(signature_request=request):
            return UnsignedDelegation(data=prepared.data), request.raw_payload, prepared.submission_ticket
        case PreparedArray() | PreparedPermit() | PreparedUserOperation():
            raise InvalidParams(
                "params.from: these calls need an authorization (EIP-7702) or a permit (ERC-2612) beside their own "
                "signature, and this form has room for one digest only; leave out params.key to get both",
                field="params.from",
                reason="two_signatures",
            )
        case _:
            assert_never(prepared)
