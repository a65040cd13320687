"""`wallet_prepareSign`: build the payload that the owner's key signs for a message of the account (ERC-1271).

For a contract account, the owner signs the message's hash bound to the account (ReplaySafeHash). An externally owned
account that is not delegated signs the message directly. So typed data is rejected there if its signature would
authorize more than a message.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.deferred_action import DEFERRED_ACTION_TYPE
from wallet_rpc.domain.signature import REPLAY_SAFE_TYPE, Domain, domain_separator, replay_safe_typed_data
from wallet_rpc.domain.typed_data import HashedTypedData, domain_chain_id
from wallet_rpc.errors import InvalidParams, LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, Hash32, NonZeroAddress
from wallet_rpc.services.account_facts import chain_of, read_account_facts
from wallet_rpc.services.signable_messages import (
    SIGNATURE_REQUEST,
    Message,
    PersonalMessage,
    SigningCapabilities,
    TypedMessage,
    hash_message,
    refuse_sessions,
)
from wallet_rpc.wire import shape

_PARTS = ("domain", "types", "primaryType", "message")
"""The members of typed data (EIP-712)."""


@shape
class PrepareSign:
    """A message for an account to sign on one chain."""

    chain_id: ChainId
    """Chain on which the account's signature will be verified."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    """Account in whose name the message is signed."""
    signature_request: Message
    """Personal message or typed data to sign."""
    capabilities: SigningCapabilities | None = None
    """Accepted for clients that send capabilities with every request."""


@shape
class PreparedSign:
    """The signature request for the owner's key; pass its signature to `wallet_formatSign`."""

    chain_id: ChainId
    """Chain of the request."""
    signature_request: Message
    """Payload for the owner's key: the message, bound to the account against replay on other accounts."""


async def run(ports: Ports, request: PrepareSign) -> PreparedSign:
    """Return the payload to sign. It is stateless: the result changes only when the account's delegation changes."""
    refuse_sessions(request.capabilities)
    chain = chain_of(ports, request.chain_id)
    message = await hash_message(request.signature_request)
    facts = await read_account_facts(ports, chain, request.from_, at="params.from")
    if message.typed_data is not None:
        own = domain_separator(Domain(chain.chain_id, request.from_))
        _refuse_authority(message.typed_data, is_bare=facts.needs_delegation, own=own)
    if facts.needs_delegation:
        return PreparedSign(chain_id=chain.chain_id, signature_request=_normalize_message(request.signature_request))
    typed = replay_safe_typed_data(message.digest, account=request.from_, chain_id=chain.chain_id)
    return PreparedSign(chain_id=chain.chain_id, signature_request=TypedMessage(data=typed))


def _refuse_authority(typed_data: HashedTypedData, *, is_bare: bool, own: Hash32) -> None:
    """Raise InvalidParams (not_a_message) for typed data whose signature would authorize more than a message.

    `is_bare`: the key signs the typed data itself, so any account of this owner may accept the signature, now or once
    it is delegated. A DeferredAction inside a ReplaySafeHash grants nothing. A DeferredAction for the account's `own`
    domain is still rejected, because the caller probably intends to grant a session.
    """
    at = f"{SIGNATURE_REQUEST}.data"
    if typed_data.type_hash == DEFERRED_ACTION_TYPE and (is_bare or typed_data.separator == own):
        raise InvalidParams(
            "expected a message, got a DeferredAction, whose signature lets its bearer act for the account; to grant "
            "a session, sign the signatureRequest of wallet_createSession",
            field=at,
            reason="not_a_message",
        )
    if typed_data.type_hash == REPLAY_SAFE_TYPE and is_bare:
        raise InvalidParams(
            "expected a message, got a ReplaySafeHash, which wraps the hash of another message; send that one",
            field=at,
            reason="not_a_message",
        )


def _normalize_message(message: PersonalMessage | TypedMessage) -> PersonalMessage | TypedMessage:
    """Return the message in a form that clients accept.

    Typed data keeps only its standard members; null fields of the domain are dropped, and the chain id is a number.
    """
    if isinstance(message, PersonalMessage):
        return message
    parts = {part: message.data[part] for part in _PARTS if message.data.get(part) is not None}
    if "domain" in parts:
        parts["domain"] = {name: value for name, value in parts["domain"].items() if value is not None}
        if "chainId" in parts["domain"]:
            parts["domain"]["chainId"] = domain_chain_id(parts["domain"]["chainId"])
    return TypedMessage(data=parts)


OPERATION: Operation[Ports, PrepareSign, PreparedSign] = Operation(
    "wallet_prepareSign",
    PrepareSign,
    PreparedSign,
    run,
    "Get the payload that the owner's key signs for a message of the account; pass the signature to wallet_formatSign.",
    (UnsupportedChain, UnreadableAnswer, LimitExceeded),
    need=READ_ACCESS,
    is_long=lambda _: True,
    has_own_limits=True,
    reasons=(*reasons.MESSAGE, "not_a_message", "typed_data_malformed", "typed_data_too_large"),
    description=(
        "For an account contract, bind the message to account and chain, so that other accounts reject the "
        "signature. A deferred action is rejected, because its signature would grant a session."
    ),
)
