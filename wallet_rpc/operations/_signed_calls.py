"""What a client signed, as `wallet_sendPreparedCalls` takes it: a user operation, an authorization, or both."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.capabilities import SendCapabilities
from wallet_rpc.domain.prepared import AuthorizationData, Signature
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.primitives import ChainId
from wallet_rpc.wire import shape


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


@shape
class SendDelegation(SignedDelegation):
    """The removal of a delegation."""

    capabilities: SendCapabilities | None = None


@shape
class SendArray:
    """A user operation and the authorization that it needs."""

    type: Literal["array"]
    data: tuple[SignedItem, ...]
    capabilities: SendCapabilities | None = None


SendPreparedCalls: TypeAlias = Annotated[SendOperation | SendDelegation | SendArray, Field(discriminator="type")]
"""What `wallet_prepareCalls` answered, signed."""
