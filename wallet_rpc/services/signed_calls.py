"""Request types of `wallet_sendPreparedCalls`: a signed user operation, a signed authorization, or both."""

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
    """Accept the bytes under `signature` instead of `data`, as sent by clients of early 2025."""
    if isinstance(value, dict) and "data" not in value and "signature" in value:
        return {**value, "data": value["signature"]}
    return value


SignatureOfCall: TypeAlias = Annotated[Signature, BeforeValidator(_bare_signature)]
"""A client's signature, in the current form or in the form of early 2025."""


@shape
class SignedOperation:
    """A prepared user operation with its signature."""

    type: Literal["user-operation-v070"]
    """Form of the item: a user operation for entry point v0.7."""
    data: UserOperationJson
    """Unsigned user operation as it was prepared."""
    chain_id: ChainId
    """Chain that the operation was prepared for."""
    signature: SignatureOfCall
    """Signature of the operation's signature request by the owner or the session key."""


@shape
class SignedDelegation:
    """A prepared authorization with the signature of the account's own key."""

    type: Literal["authorization"]
    """Form of the item: an EIP-7702 authorization."""
    data: AuthorizationData
    """Unsigned authorization as it was prepared."""
    chain_id: ChainId
    """Only chain on which the authorization is valid."""
    signature: SignatureOfCall
    """Signature of the authorization by the account's own key."""


SignedItem: TypeAlias = Annotated[SignedOperation | SignedDelegation, Field(discriminator="type")]
"""A signed item of a `wallet_prepareCalls` response."""


@shape
class SendOperation(SignedOperation):
    """A signed user operation, and the permissions it was prepared with."""

    capabilities: SendCapabilities | None = None
    """Session that the calls were prepared with; other capabilities are ignored."""
    submission_ticket: str | None = None
    """The ticket that `wallet_prepareCalls` returned; required from callers with a session token, in every form."""


@shape
class SendDelegation(SignedDelegation):
    """The signed removal of a delegation (EIP-7702)."""

    capabilities: SendCapabilities | None = None
    """Submission ticket; other capabilities are ignored."""
    submission_ticket: str | None = None
    """Ticket that `wallet_prepareCalls` returned; required from callers with a session token."""


@shape
class SendArray:
    """A signed user operation and the signed authorization that it needs."""

    type: Literal["array"]
    """Form of the request: several items that are sent together."""
    data: tuple[SignedItem, ...]
    """One signed user operation and one signed authorization, in any order."""
    capabilities: SendCapabilities | None = None
    """Session that the calls were prepared with; other capabilities are ignored."""
    submission_ticket: str | None = None
    """Ticket that `wallet_prepareCalls` returned; required from callers with a session token."""


def _refuse_namespace(value: Any) -> Any:
    """Reject a chain id of a different namespace (CAIP-2) before an unknown `type`, which such a request has too."""
    chain_id = value.get("chainId") if isinstance(value, dict) else None
    if isinstance(chain_id, str) and ":" in chain_id:
        decode(ChainId, chain_id, at="params.chainId")
    return value


SendPreparedCalls: TypeAlias = Annotated[
    SendOperation | SendDelegation | SendArray, Field(discriminator="type"), BeforeValidator(_refuse_namespace)
]
"""The signed items of a `wallet_prepareCalls` response."""


def senders(request: SendPreparedCalls) -> tuple[Address, ...]:
    """Return the accounts of the operations and authorizations; an authorization's account is its recovered signer."""
    items = split_array(request) if isinstance(request, SendArray) else (request,)
    return tuple(sender_of(item) for item in items if item is not None)


def split_array(request: SendArray) -> tuple[SignedOperation, SignedDelegation | None]:
    """Return the operation and its authorization, given in any order. Raises: InvalidParams for any other items."""
    operations = [item for item in request.data if isinstance(item, SignedOperation)]
    delegations = [item for item in request.data if isinstance(item, SignedDelegation)]
    if len(operations) != 1 or len(delegations) > 1:
        raise InvalidParams(
            f"expected one user operation and at most one authorization, got {len(operations)} and "
            f"{len(delegations)}; send each operation separately",
            field="params.data",
            reason="array_not_supported",
        )
    if delegations and delegations[0].chain_id != operations[0].chain_id:
        raise InvalidParams(
            f"expected an authorization for chain {operations[0].chain_id:#x}, that of the user operation, got one "
            f"for chain {delegations[0].chain_id:#x}",
            field="params.data",
        )
    return operations[0], delegations[0] if delegations else None


def sender_of(item: SignedOperation | SignedDelegation) -> Address:
    """Return the sender of the operation, or the signer of the authorization."""
    if isinstance(item, SignedOperation):
        return item.data.sender
    authority = attach_signature(item.data.to_authorization(item.chain_id), item.signature.raw).authority
    assert authority is not None  # noqa: S101  # checked by `attach_signature`
    return authority
