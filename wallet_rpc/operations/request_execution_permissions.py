"""`wallet_requestExecutionPermissions` as the newer drafts of ERC-7715 write it: one session for each permission.

Not grants by themselves: the owner signs each `signatureRequest`, and `context` followed by that signature is what
`wallet_prepareCalls` takes. There is no delegation manager to redeem it at (ERC-7710).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, cast

from pydantic import Field

from wallet_rpc.domain.asked_permission import Erc7715Permission
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.create_session import SignTypedData
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.permission_requests import (
    GRANT_ERRORS,
    GrantRequest,
    Rule,
    Signer,
    expiry_of,
    grant,
    pick_account,
    session_key_of,
)
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, SessionId, UnixSeconds
from wallet_rpc.wire import shape, strict_shape

MAX_REQUESTS = 10
"""How many sessions one request may ask for."""


@strict_shape
class PermissionRequest:
    """Who (`to`, or `signer`) may do what for which account (`from`, or `address`) until when."""

    chain_id: ChainId
    from_: Annotated[NonZeroAddress | None, Field(alias="from")] = None
    address: NonZeroAddress | None = None
    to: NonZeroAddress | None = None
    signer: Signer | None = None
    expiry: UnixSeconds | None = None
    rules: tuple[Rule, ...] | None = None
    permission: Erc7715Permission


PermissionRequests: TypeAlias = Annotated[tuple[PermissionRequest, ...], Field(min_length=1, max_length=MAX_REQUESTS)]
"""Each is a parameter of its own."""


@shape
class Dependency:
    """What deploys the account."""

    factory: Address
    factory_data: Data


@shape
class PermissionToSign:
    """What was asked, what the owner signs to grant exactly that, and the context that lacks this signature."""

    chain_id: ChainId
    from_: Annotated[Address, Field(alias="from")]
    to: Address
    expiry: UnixSeconds
    permission: Erc7715Permission
    rules: tuple[Rule, ...]
    context: Data
    dependencies: tuple[Dependency, ...]
    session_id: SessionId
    signature_request: SignTypedData


async def run(ports: Ports, requests: tuple[PermissionRequest, ...]) -> tuple[PermissionToSign, ...]:
    """A refusal refuses all; a session that was made before it is signed by nobody and grants nothing."""
    asked = [_build_grant_request(request, f"params[{index}]") for index, request in enumerate(requests)]
    return tuple([await _grant_permission(ports, one, request) for one, request in zip(asked, requests, strict=True)])


def _build_grant_request(request: PermissionRequest, at: str) -> GrantRequest:
    expiry, expiry_at = expiry_of(request.expiry, request.rules or (), at=at)
    if request.to is not None and request.signer is not None:
        raise InvalidParams(f"{at}.to: expected this or {at}.signer, and not both", field=f"{at}.to")
    if request.to is None:
        key, key_at = session_key_of(request.signer, at=f"{at}.signer"), f"{at}.signer.data"
    else:
        key, key_at = SessionKey(type=KeyType.CONTRACT, address=request.to), f"{at}.to"
    return GrantRequest(
        chain_id=request.chain_id,
        account=pick_account(request.from_, request.address, at=f"{at}.from"),
        account_at=f"{at}.from",
        key=key,
        key_at=key_at,
        expiry=expiry,
        expiry_at=expiry_at,
        permissions=(request.permission,),
        permissions_at=(f"{at}.permission",),
    )


async def _grant_permission(ports: Ports, grant_request: GrantRequest, request: PermissionRequest) -> PermissionToSign:
    granted = await grant(ports, grant_request)
    factory = granted.factory
    return PermissionToSign(
        chain_id=request.chain_id,
        from_=granted.account,
        to=grant_request.key.address,
        expiry=grant_request.expiry,
        permission=request.permission,
        rules=(Rule(type="expiry", data={"timestamp": grant_request.expiry}),),
        context=granted.context,
        dependencies=() if factory is None else (Dependency(factory=factory.address, factory_data=factory.data),),
        session_id=granted.session.session_id,
        signature_request=granted.session.signature_request,
    )


OPERATION: Operation[Ports, Any, tuple[PermissionToSign, ...]] = Operation(
    "wallet_requestExecutionPermissions",
    cast("Any", PermissionRequests),
    tuple[PermissionToSign, ...],
    run,
    "Create a session for each ERC-7715 permission; it is granted once the account's owner has signed it.",
    GRANT_ERRORS,
    variadic=True,
)
