"""`wallet_grantPermissions` in the form of viem and of the older drafts of ERC-7715: one session, several permissions.

The response is not a grant yet: the owner signs `signatureRequest`, and `permissionsContext` followed by that signature
is the context for `wallet_prepareCalls`. So the method is meant for wallets and back ends, which hold keys.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.erc7715_permission import Erc7715Permission
from wallet_rpc.domain.grant_warnings import GrantWarning
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


@strict_shape
class GrantPermissions:
    """A grant request: account, as `address` or `account`, session key, permissions and expiry."""

    chain_id: ChainId
    """Chain on which the session is valid."""
    address: NonZeroAddress | None = None
    """Account that grants the permissions, as viem names it."""
    account: NonZeroAddress | None = None
    """Account that grants the permissions, as older drafts name it. One of the two is required."""
    signer: Signer | None = None
    """Key or account that receives the permissions."""
    expiry: UnixSeconds | None = None
    """Last valid second as Unix time. Required, unless a rule of type `expiry` has it."""
    rules: tuple[Rule, ...] | None = None
    """Rules of newer drafts; `expiry` is the only supported one."""
    permissions: Annotated[tuple[Erc7715Permission, ...], Field(min_length=1)]
    """Permissions of the session, with their limits."""
    is_adjustment_allowed: bool | None = None
    """Accepted and without effect: the server never grants less than was requested."""
    warnings: bool = True
    """False: the response has no `warnings`. Those that the organisation's policy refuses are errors all the same."""


@shape
class PermissionsToSign:
    """The requested permissions, the signature request that grants them, and the context without that signature."""

    chain_id: ChainId
    """Chain of the request."""
    address: Address
    """Account that grants the permissions."""
    expiry: UnixSeconds
    """Last valid second as Unix time, enforced by the account."""
    signer: Signer | None
    """Signer of the request."""
    granted_permissions: tuple[Erc7715Permission, ...]
    """Permissions of the request, unchanged."""
    permissions_context: Data
    """Permission context without the owner's signature, which the caller appends."""
    context: Data
    """The same bytes as `permissionsContext`, under the name of newer drafts."""
    factory: Address | None = None
    """Contract that deploys the account; absent for an account with code."""
    factory_data: Data | None = None
    """Call data for the factory; absent for an account with code."""
    session_id: SessionId
    """Id of the created session."""
    signature_request: SignTypedData
    """Typed data that the account's owner signs to grant the session."""
    warnings: tuple[GrantWarning, ...] | None = None
    """Dangers of the grant that its owner may not expect; empty if there are none, absent with `warnings: false`."""


async def run(ports: Ports, request: GrantPermissions) -> PermissionsToSign:
    """Translate the ERC-7715 request, create the session, and translate the result back."""
    signer = request.signer
    expiry, expiry_at = expiry_of(request.expiry, request.rules or (), at="params")
    grant_request = GrantRequest(
        chain_id=request.chain_id,
        account=pick_account(request.address, request.account, at="params.address"),
        account_at="params.address",
        key=session_key_of(signer, at="params.signer"),
        key_at="params.signer.data",
        expiry=expiry,
        expiry_at=expiry_at,
        permissions=request.permissions,
        permissions_at=[f"params.permissions[{index}]" for index in range(len(request.permissions))],
        all_permissions_at="params.permissions",
        wants_warnings=request.warnings,
    )
    result = await grant(ports, grant_request)
    factory = result.factory
    return PermissionsToSign(
        chain_id=request.chain_id,
        address=result.account,
        expiry=expiry,
        signer=signer,
        granted_permissions=request.permissions,
        permissions_context=result.context,
        context=result.context,
        factory=None if factory is None else factory.address,
        factory_data=None if factory is None else factory.data,
        session_id=result.session_id,
        signature_request=result.signature_request,
        warnings=result.warnings,
    )


OPERATION: Operation[Ports, GrantPermissions, PermissionsToSign] = Operation(
    "wallet_grantPermissions",
    GrantPermissions,
    PermissionsToSign,
    run,
    "Create a session from ERC-7715 permissions; it is granted once the account's owner signs it.",
    GRANT_ERRORS,
    reasons=reasons.DRAFT_GRANT,
    description=(
        "Read a request in the form of viem and of older drafts of ERC-7715, with several permissions for one "
        "session. The result is not a grant yet: the owner's signature of `signatureRequest`, appended to "
        "`permissionsContext`, makes the context for `wallet_prepareCalls`."
    ),
)
