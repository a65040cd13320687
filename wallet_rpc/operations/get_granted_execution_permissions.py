"""`wallet_getGrantedExecutionPermissions` of ERC-7715's newer drafts: permissions that were granted and still hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.context import RemoteContext, format_context
from wallet_rpc.domain.erc7715_permission import Erc7715Permission
from wallet_rpc.domain.permission import FunctionsOnAllContracts, NativeTokenTransfer, Permission
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.errors import LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.request_execution_permissions import Dependency
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, Selector, SessionId
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.granted_permissions import EXPIRY, to_draft_permission
from wallet_rpc.services.permission_requests import Rule
from wallet_rpc.services.session_list import list_sessions, require_filter
from wallet_rpc.services.session_view import SessionOverview
from wallet_rpc.wire import shape, strict_shape

MAX_SESSIONS = 200
"""Maximum number of sessions that one response is about; the standard has no pages."""
_GRANTED = frozenset({SessionStatus.PENDING, SessionStatus.INSTALLED, SessionStatus.CHANGED, SessionStatus.PAUSED})
_NO_FUNCTION = Selector(bytes(4))


@strict_shape
class PermissionFilter:
    """The sessions whose permissions are listed; an extension of the standard, whose request has no parameters."""

    from_: Annotated[NonZeroAddress | None, Field(alias="from")] = None
    """Only permissions of this account."""
    to: NonZeroAddress | None = None
    """Only permissions of this key. Callers without an API key give this or `from`."""
    chain_id: ChainId | None = None
    """Only permissions on this chain."""


@shape
class GetGrantedExecutionPermissions:
    """A list request."""

    filter: PermissionFilter | None = None
    """Values that the listed permissions must have."""


@shape
class GrantedPermission:
    """One permission of a session that its owner has signed."""

    chain_id: ChainId
    """Chain of the permission."""
    from_: Annotated[Address, Field(alias="from")]
    """Account that granted the permission."""
    to: Address
    """Address of the key or contract that holds the permission."""
    permission: Erc7715Permission
    """Permission as the owner granted it; `wallet_getSession` has the remaining amounts."""
    rules: tuple[Rule, ...]
    """One rule with the expiry; empty without one."""
    context: Data
    """Permission context without the owner's signature, which an organisation that registered the session omits."""
    dependencies: tuple[Dependency, ...] = ()
    """Always empty: the first call through this server deploys the account."""
    session_id: SessionId
    """Id of the session, for `wallet_getSession`."""


async def run(ports: Ports, request: GetGrantedExecutionPermissions) -> tuple[GrantedPermission, ...]:
    """Return the permissions of the caller's sessions that are signed, and neither revoked, expired nor removed."""
    given = PermissionFilter() if request.filter is None else request.filter
    require_filter(ports, account=given.from_, key=given.to, at="params.filter")
    if given.chain_id is not None:
        chain_of(ports, given.chain_id, at="params.filter.chainId")
    query = SessionQuery(account=given.from_, key=given.to, chain_id=given.chain_id)
    found: list[SessionOverview] = []
    after = b""
    while True:
        page = await list_sessions(ports, query, state=None, after=after, limit=100)
        found += [each for each in page.sessions if each.is_signed and each.state in _GRANTED]
        after = page.next_page
        if len(found) > MAX_SESSIONS:
            raise LimitExceeded(
                f"more than {MAX_SESSIONS} sessions have permissions; give from, to or chainId, or page through "
                "wallet_listSessions",
                reason="too_many_sessions",
            )
        if not after:
            return tuple(permission for each in found for permission in _describe(each))


def _describe(session: SessionOverview) -> Iterator[GrantedPermission]:
    """Yield the permissions of a session, without those that the translation of a request adds."""
    if session.session_id is None or session.key is None:
        return
    for permission in session.permissions:
        if not _is_implied(permission, session.permissions):
            yield GrantedPermission(
                chain_id=session.chain_id,
                from_=session.account,
                to=session.signer or session.key.address,
                permission=to_draft_permission(permission),
                rules=() if session.valid_until is None else (_expiry(session.valid_until),),
                context=format_context(RemoteContext(session_id=session.session_id, signature=Data())),
                session_id=session.session_id,
            )


def _expiry(second: int) -> Rule:
    return Rule(type=EXPIRY, data={"timestamp": second})


def _is_implied(permission: Permission, others: tuple[Permission, ...]) -> bool:
    """Return True for a native allowance of zero next to others, and for plain transfers next to a native one."""
    match permission:
        case NativeTokenTransfer(data=data):
            return data.allowance == 0 and len(others) > 1
        case FunctionsOnAllContracts(data=selected):
            return selected.functions == (_NO_FUNCTION,) and any(isinstance(one, NativeTokenTransfer) for one in others)
        case _:
            return False


OPERATION: Operation[Ports, GetGrantedExecutionPermissions, tuple[GrantedPermission, ...]] = Operation(
    "wallet_getGrantedExecutionPermissions",
    GetGrantedExecutionPermissions,
    Annotated[tuple[GrantedPermission, ...], Field(description="The permissions, those of the newest session first.")],
    run,
    "List the permissions that owners have granted and that still hold, in the form of ERC-7715.",
    (LimitExceeded, UnreadableAnswer, UnsupportedChain),
    positional=True,
    need=READ_ACCESS,
    reasons=("session_filter", "too_many_sessions", "answer_too_large"),
    description=(
        "The list has the sessions of the caller's organisation whose owner's signature was presented here. A session "
        "with several permissions has one entry for each, with the same context."
    ),
)
