"""`wallet_prepareSign`: what the owner's key signs so that the account's contract answers for a message (ERC-1271).

An account with a contract signs the message's hash bound to itself (ReplaySafeHash). An externally owned account that
is not delegated signs the message as it is. So does the owner who grants something to the account's own validation
(DeferredAction): the account checks that without ERC-1271.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from wallet_rpc.domain.access import READS
from wallet_rpc.domain.signature import domain_chain_id, replay_safe_typed_data
from wallet_rpc.errors import UnsupportedChain
from wallet_rpc.operations._accounts import account_facts, chain_of
from wallet_rpc.operations._messages import (
    Message,
    PersonalMessage,
    SigningCapabilities,
    TypedMessage,
    digest_of,
    refuse_sessions,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId
from wallet_rpc.wire import shape

_PARTS = ("domain", "types", "primaryType", "message")
"""What typed data has."""


@shape
class PrepareSign:
    """A message that an account shall sign on one chain."""

    from_: Annotated[Address, Field(alias="from")]
    chain_id: ChainId
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
    digest = digest_of(request.signature_request)
    facts = await account_facts(ports, chain, request.from_, at="params.from")
    if facts.needs_delegation or _is_own_grant(request):
        return PreparedSign(chain_id=chain.chain_id, signature_request=_unchanged(request.signature_request))
    typed = replay_safe_typed_data(digest, account=request.from_, chain_id=chain.chain_id)
    return PreparedSign(chain_id=chain.chain_id, signature_request=TypedMessage(data=typed))


def _is_own_grant(request: PrepareSign) -> bool:
    """Whether the message is a deferred action of this account on this chain."""
    match request.signature_request:
        case TypedMessage(
            data={"primaryType": "DeferredAction", "domain": {"verifyingContract": contract, "chainId": chain_id}}
        ):
            return _is_address(contract, request.from_) and domain_chain_id(chain_id) == request.chain_id
        case _:
            return False


def _is_address(given: Any, address: Address) -> bool:
    return isinstance(given, str) and given.lower() == address.hex0x().lower()


def _unchanged(message: PersonalMessage | TypedMessage) -> PersonalMessage | TypedMessage:
    """The message itself; of typed data only its parts, with the chain id as a number, which the clients insist on."""
    if isinstance(message, PersonalMessage):
        return message
    parts = {part: message.data[part] for part in _PARTS if message.data.get(part) is not None}
    match parts:
        case {"domain": {"chainId": str(chain_id), **rest}}:
            parts["domain"] = {**rest, "chainId": domain_chain_id(chain_id)}
    return TypedMessage(data=parts)


OPERATION: Operation[Ports, PrepareSign, PreparedSign] = Operation(
    "wallet_prepareSign",
    PrepareSign,
    PreparedSign,
    run,
    "Get what the owner's key signs for a message of the account, to be formatted by wallet_formatSign.",
    (UnsupportedChain,),
    need=READS,
)
