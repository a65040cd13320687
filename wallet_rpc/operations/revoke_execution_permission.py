"""`wallet_revokeExecutionPermission` of ERC-7715's newer drafts: revoke the session that a context names."""

from __future__ import annotations

from wallet_rpc.domain.context import parse_context
from wallet_rpc.domain.session_change import ChangeAction
from wallet_rpc.errors import Forbidden, InvalidParams, NotFound, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import STOP_REASONS
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, Data, NonZeroAddress
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.owner_consent import OwnerSignature
from wallet_rpc.services.session_changes import authorize_change, revoke_session
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.stopped_calls import stop_open_calls
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class RevokeExecutionPermission:
    """The context of the permission; account and chain for a context that names neither."""

    permission_context: Data
    """Context of the permission, with or without the owner's signature."""
    account: NonZeroAddress | None = None
    """Account of the session; needed for contexts 01 and 02. An extension."""
    chain_id: ChainId | None = None
    """Chain of the session; needed for contexts 01 and 02. An extension."""
    owner_signature: OwnerSignature | None = None
    """Signature of the account's owner, or of the session key, for a caller without an API key. An extension."""


@shape
class PermissionRevoked:
    """An empty result: the permission is revoked."""


async def run(ports: Ports, request: RevokeExecutionPermission) -> PermissionRevoked:
    """Revoke the session with all its permissions on this server, at once; `wallet_revokeSession` says more."""
    parse_context(request.permission_context, field="params.permissionContext")
    selector = SessionSelector(context=request.permission_context, account=request.account, chain_id=request.chain_id)
    try:
        named = await find_session(ports, selector)
    except (InvalidParams, NotFound) as error:
        raise error.with_field("params.permissionContext") if error.field == "params.context" else error from None
    chain = chain_of(ports, named.reference.chain_id)
    actor = await authorize_change(ports, chain, named, ChangeAction.REVOKE, request.owner_signature)
    await revoke_session(ports, named, actor)
    await stop_open_calls(ports, await ports.store.stops.open_calls(session=named.reference))
    return PermissionRevoked()


OPERATION: Operation[Ports, RevokeExecutionPermission, PermissionRevoked] = Operation(
    "wallet_revokeExecutionPermission",
    RevokeExecutionPermission,
    PermissionRevoked,
    run,
    "Revoke the session that an ERC-7715 context names, with all its permissions, on this server.",
    (Forbidden, NotFound, SignatureInvalid, UnsupportedChain),
    reasons=STOP_REASONS,
    description=(
        "The session is rejected from then on, at every replica. The chain is not changed: `wallet_revokeSession` "
        "also prepares the owner's operation that removes the session there."
    ),
)
