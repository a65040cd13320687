"""`wallet_prepareSign`: what the owner's key signs so that the account's contract answers for a message (ERC-1271).

An account with a contract signs the message's hash bound to itself (ReplaySafeHash). An externally owned account that
is not delegated signs the message as it is; so nothing is handed out there that an account takes from its owner's key
for more than a message.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.deferred_action import DEFERRED_ACTION_TYPE
from wallet_rpc.domain.signature import REPLAY_SAFE_TYPE, Domain, domain_separator, replay_safe_typed_data
from wallet_rpc.domain.typed_data import HashedTypedData, domain_chain_id
from wallet_rpc.errors import InvalidParams, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, Hash32, NonZeroAddress
from wallet_rpc.services.accounts import chain_of, read_account_facts
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
"""What typed data has."""


@shape
class PrepareSign:
    """A message that an account shall sign on one chain."""

    chain_id: ChainId
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    signature_request: Message
    capabilities: SigningCapabilities | None = None


@shape
class PreparedSign:
    """What the owner's key signs; `wallet_formatSign` makes the account's signature of its answer."""

    chain_id: ChainId
    signature_request: Message


async def run(ports: Ports, request: PrepareSign) -> PreparedSign:
    """Nothing is kept: the same question has the same answer until the account is delegated or undelegated."""
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
    """Raises: InvalidParams (not_a_message) for typed data by which the owner's key does more than sign a message.

    `is_bare`: the key signs the typed data itself, and any account that it owns may take the signature, now or once it
    is delegated. Wrapped into ReplaySafeHash a DeferredAction grants nothing; that of the account's `own` domain is
    refused all the same, since a caller who asks for it means to grant something.
    """
    at = f"{SIGNATURE_REQUEST}.data"
    if typed_data.type_hash == DEFERRED_ACTION_TYPE and (is_bare or typed_data.separator == own):
        raise InvalidParams(
            f"{at}: expected a message, got a DeferredAction, whose signature lets its bearer act for the account; to "
            "grant a session, sign what wallet_createSession answers",
            field=at,
            reason="not_a_message",
        )
    if typed_data.type_hash == REPLAY_SAFE_TYPE and is_bare:
        raise InvalidParams(
            f"{at}: expected a message, got a ReplaySafeHash, by which an account signs another message; send that",
            field=at,
            reason="not_a_message",
        )


def _normalize_message(message: PersonalMessage | TypedMessage) -> PersonalMessage | TypedMessage:
    """The message itself. Of typed data its parts alone, without null fields of the domain, and with the chain id as a
    number: clients insist on both.
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
    "Get what the owner's key signs for a message of the account, to be formatted by wallet_formatSign.",
    (UnsupportedChain,),
    need=READ_ACCESS,
    has_long_answers=True,
    has_own_limits=True,
)
