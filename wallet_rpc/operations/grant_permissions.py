"""`wallet_grantPermissions` as the older drafts of ERC-7715 and viem write it: one session of several permissions.

Not a grant by itself: the owner signs `signatureRequest`, and `permissionsContext` followed by that signature is the
context that `wallet_prepareCalls` takes. So this is for wallets and back ends, which hold keys.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.asked_permission import Erc7715Permission
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


@strict_shape
class GrantPermissions:
    """Who may do what for which account until when; the account may stand under `account` too."""

    chain_id: ChainId
    address: NonZeroAddress | None = None
    account: NonZeroAddress | None = None
    signer: Signer | None = None
    expiry: UnixSeconds | None = None
    rules: tuple[Rule, ...] | None = None
    permissions: Annotated[tuple[Erc7715Permission, ...], Field(min_length=1)]
    is_adjustment_allowed: bool | None = None


@shape
class PermissionsToSign:
    """What was asked, what the owner signs to grant exactly that, and the context that lacks this signature."""

    chain_id: ChainId
    address: Address
    expiry: UnixSeconds
    signer: Signer | None
    granted_permissions: tuple[Erc7715Permission, ...]
    permissions_context: Data
    context: Data
    factory: Address | None = None
    factory_data: Data | None = None
    session_id: SessionId
    signature_request: SignTypedData


async def run(ports: Ports, request: GrantPermissions) -> PermissionsToSign:
    """Translate, create the session, translate back."""
    signer = request.signer
    expiry, expiry_at = expiry_of(request.expiry, request.rules or (), at="params")
    asked = GrantRequest(
        chain_id=request.chain_id,
        account=pick_account(request.address, request.account, at="params.address"),
        account_at="params.address",
        key=session_key_of(signer, at="params.signer"),
        key_at="params.signer.data",
        expiry=expiry,
        expiry_at=expiry_at,
        permissions=request.permissions,
        permissions_at=[f"params.permissions[{index}]" for index in range(len(request.permissions))],
    )
    granted = await grant(ports, asked)
    factory = granted.factory
    return PermissionsToSign(
        chain_id=request.chain_id,
        address=granted.account,
        expiry=expiry,
        signer=signer,
        granted_permissions=request.permissions,
        permissions_context=granted.context,
        context=granted.context,
        factory=None if factory is None else factory.address,
        factory_data=None if factory is None else factory.data,
        session_id=granted.session.session_id,
        signature_request=granted.session.signature_request,
    )


OPERATION: Operation[Ports, GrantPermissions, PermissionsToSign] = Operation(
    "wallet_grantPermissions",
    GrantPermissions,
    PermissionsToSign,
    run,
    "Create a session from ERC-7715 permissions; it is granted once the account's owner has signed it.",
    GRANT_ERRORS,
)
