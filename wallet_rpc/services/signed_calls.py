"""What a client signed, as `wallet_sendPreparedCalls` takes it: a user operation, an authorization, or both."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.capabilities import SendCapabilities
from wallet_rpc.domain.prepared import AuthorizationData, Signature
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, ChainId
from wallet_rpc.services.delegation import attach_signature
from wallet_rpc.wire import decode, shape


def _bare_signature(value: Any) -> Any:
    """Clients of early 2025 wrote the bytes under `signature` instead of `data`."""
    if isinstance(value, dict) and "data" not in value and "signature" in value:
        return {**value, "data": value["signature"]}
    return value


SignatureOfCall: TypeAlias = Annotated[Signature, BeforeValidator(_bare_signature)]
"""A client's signature, in today's form or in that of early 2025."""


@shape
class SignedOperation:
    """A prepared user operation with its signature."""

    type: Literal["user-operation-v070"]
    data: UserOperationJson
    chain_id: ChainId
    signature: SignatureOfCall


@shape
class SignedDelegation:
    """A prepared authorization with the signature of the account's own key."""

    type: Literal["authorization"]
    data: AuthorizationData
    chain_id: ChainId
    signature: SignatureOfCall


SignedItem: TypeAlias = Annotated[SignedOperation | SignedDelegation, Field(discriminator="type")]
"""One of the things that `wallet_prepareCalls` gave to sign."""


@shape
class SendOperation(SignedOperation):
    """A user operation, and the permissions it was prepared with."""

    capabilities: SendCapabilities | None = None
    submission_ticket: str | None = None
    """As `wallet_prepareCalls` answered it; asked of the holders of session tokens. The same in the other forms."""


@shape
class SendDelegation(SignedDelegation):
    """The removal of a delegation."""

    capabilities: SendCapabilities | None = None
    submission_ticket: str | None = None


@shape
class SendArray:
    """A user operation and the authorization that it needs."""

    type: Literal["array"]
    data: tuple[SignedItem, ...]
    capabilities: SendCapabilities | None = None
    submission_ticket: str | None = None


def _refuse_namespace(value: Any) -> Any:
    """Refuse the chain of another namespace before the type of what was signed, which would be another one too."""
    chain_id = value.get("chainId") if isinstance(value, dict) else None
    if isinstance(chain_id, str) and ":" in chain_id:
        decode(ChainId, chain_id, at="params.chainId")
    return value


SendPreparedCalls: TypeAlias = Annotated[
    SendOperation | SendDelegation | SendArray, Field(discriminator="type"), BeforeValidator(_refuse_namespace)
]
"""What `wallet_prepareCalls` answered, signed."""


def senders(request: SendPreparedCalls) -> tuple[Address, ...]:
    """Whose operations and authorizations these are; whoever signed an authorization is who it speaks for."""
    items = split_array(request) if isinstance(request, SendArray) else (request,)
    return tuple(sender_of(item) for item in items if item is not None)


def split_array(request: SendArray) -> tuple[SignedOperation, SignedDelegation | None]:
    """The operation and its authorization, whichever comes first. Raises: InvalidParams for anything else."""
    operations = [item for item in request.data if isinstance(item, SignedOperation)]
    delegations = [item for item in request.data if isinstance(item, SignedDelegation)]
    if len(operations) != 1 or len(delegations) > 1:
        raise InvalidParams(
            "params.data: expected one user operation and at most one authorization, got "
            f"{len(operations)} and {len(delegations)}; send each operation by itself",
            field="params.data",
            reason="array_not_supported",
        )
    if delegations and delegations[0].chain_id != operations[0].chain_id:
        raise InvalidParams(
            "params.data: expected the user operation and its authorization to be of one chain", field="params.data"
        )
    return operations[0], delegations[0] if delegations else None


def sender_of(item: SignedOperation | SignedDelegation) -> Address:
    """Whose operation it is, or who signed the authorization."""
    if isinstance(item, SignedOperation):
        return item.data.sender
    authority = attach_signature(item.data.to_authorization(item.chain_id), item.signature.raw).authority
    assert authority is not None  # noqa: S101  # `signed` has looked
    return authority
