"""`wallet_requestExecutionPermissions` in the form of the newer drafts of ERC-7715: one session per permission.

The responses are not grants yet: the owner signs each `signatureRequest`, and `context` followed by that signature is
the context for `wallet_prepareCalls`. There is no delegation manager that could redeem a context (ERC-7710).
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, cast

from pydantic import Field

from wallet_rpc.domain.erc7715_permission import Erc7715Permission
from wallet_rpc.domain.grant_warnings import GrantWarning
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, SessionId, UnixSeconds
from wallet_rpc.services.permission_requests import (
    GRANT_ERRORS,
    GrantRequest,
    Rule,
    Signer,
    expiry_of,
    grant,
    pick_account,
    session_key_of,
)
from wallet_rpc.services.session_creation import SignTypedData
from wallet_rpc.wire import shape, strict_shape

MAX_REQUESTS = 10
"""Maximum number of sessions in one request."""


@strict_shape
class PermissionRequest:
    """A permission request: holder (`to` or `signer`), account (`from` or `address`), permission and expiry."""

    chain_id: ChainId
    """Chain on which the session is valid."""
    from_: Annotated[NonZeroAddress | None, Field(alias="from")] = None
    """Account that grants the permission."""
    address: NonZeroAddress | None = None
    """Account that grants the permission, as older drafts name it. One of the two is required."""
    to: NonZeroAddress | None = None
    """Contract that receives the permission and signs by ERC-1271. Either this or `signer` is required."""
    signer: Signer | None = None
    """Key or account that receives the permission."""
    expiry: UnixSeconds | None = None
    """Last valid second as Unix time. Required, unless a rule of type `expiry` has it."""
    rules: tuple[Rule, ...] | None = None
    """Rules on the whole grant; `expiry` is the only supported one."""
    permission: Erc7715Permission
    """Permission of the session, with its limits."""
    warnings: bool = True
    """False: the result has no `warnings`. Those that the organisation's policy refuses are errors all the same."""


PermissionRequests: TypeAlias = Annotated[tuple[PermissionRequest, ...], Field(min_length=1, max_length=MAX_REQUESTS)]
"""Permission requests, each a positional parameter."""


@shape
class Dependency:
    """The factory call that deploys the account."""

    factory: Address
    """Contract that deploys the account with CREATE2."""
    factory_data: Data
    """Call data for the factory."""


@shape
class PermissionToSign:
    """The requested permission, the signature request that grants it, and the context without that signature."""

    chain_id: ChainId
    """Chain of the request."""
    from_: Annotated[Address, Field(alias="from")]
    """Account that grants the permission."""
    to: Address
    """Address of the key or contract that receives the permission."""
    expiry: UnixSeconds
    """Last valid second as Unix time, enforced by the account."""
    permission: Erc7715Permission
    """Permission of the request, unchanged."""
    rules: tuple[Rule, ...]
    """One rule with the expiry."""
    context: Data
    """Permission context without the owner's signature, which the caller appends."""
    dependencies: tuple[Dependency, ...]
    """Factory call that deploys the account; empty for an account with code."""
    session_id: SessionId
    """Id of the created session."""
    signature_request: SignTypedData
    """Typed data that the account's owner signs to grant the session."""
    warnings: tuple[GrantWarning, ...] | None = None
    """Dangers of the grant that its owner may not expect; empty if there are none, absent with `warnings: false`."""


async def run(ports: Ports, requests: tuple[PermissionRequest, ...]) -> tuple[PermissionToSign, ...]:
    """Create one session per request.

    One error rejects all requests. Sessions created before it stay unsigned and grant nothing.
    """
    grant_requests = [_build_grant_request(request, f"params[{index}]") for index, request in enumerate(requests)]
    return tuple(
        [
            await _grant_permission(ports, grant_request, request)
            for grant_request, request in zip(grant_requests, requests, strict=True)
        ]
    )


def _build_grant_request(request: PermissionRequest, at: str) -> GrantRequest:
    expiry, expiry_at = expiry_of(request.expiry, request.rules or (), at=at)
    if request.to is not None and request.signer is not None:
        raise InvalidParams("expected either to or signer, got both", field=f"{at}.to")
    if request.to is None:
        key = session_key_of(request.signer, at=f"{at}.signer")
        key_at = f"{at}.signer.data"
    else:
        key = SessionKey(type=KeyType.CONTRACT, address=request.to)
        key_at = f"{at}.to"
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
        all_permissions_at=f"{at}.permission",
        wants_warnings=request.warnings,
    )


async def _grant_permission(ports: Ports, grant_request: GrantRequest, request: PermissionRequest) -> PermissionToSign:
    result = await grant(ports, grant_request)
    factory = result.factory
    return PermissionToSign(
        chain_id=request.chain_id,
        from_=result.account,
        to=grant_request.key.address,
        expiry=grant_request.expiry,
        permission=request.permission,
        rules=(Rule(type="expiry", data={"timestamp": grant_request.expiry}),),
        context=result.context,
        dependencies=() if factory is None else (Dependency(factory=factory.address, factory_data=factory.data),),
        session_id=result.session_id,
        signature_request=result.signature_request,
        warnings=result.warnings,
    )


OPERATION: Operation[Ports, Any, tuple[PermissionToSign, ...]] = Operation(
    "wallet_requestExecutionPermissions",
    cast("Any", PermissionRequests),
    Annotated[tuple[PermissionToSign, ...], Field(description="The sessions to sign, in the order of the requests.")],
    run,
    "Create a session for each ERC-7715 permission; it is granted once the account's owner signs it.",
    GRANT_ERRORS,
    variadic=True,
    reasons=reasons.DRAFT_GRANT,
    description=(
        "Read requests in the form of newer drafts of ERC-7715, with one session for each. The results are not "
        "grants yet: the owner's signature of `signatureRequest`, appended to `context`, makes the context for "
        "`wallet_prepareCalls`. One error rejects all requests."
    ),
)
