"""`wallet_listSessions`: sessions with their state and what remains of their limits, newest first, in pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.session_reference import SessionQuery
from wallet_rpc.domain.session_state import SessionStatus
from wallet_rpc.errors import InvalidParams, LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import BlockNumber, ChainId, NonZeroAddress
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.session_discovery import discover_sessions
from wallet_rpc.services.session_list import list_sessions, require_filter
from wallet_rpc.services.session_tags import Tag
from wallet_rpc.services.session_view import SessionOverview
from wallet_rpc.wire import shape, strict_shape

MAX_SESSIONS_PER_PAGE = 100
"""Maximum page size."""


@strict_shape
class ListSessions:
    """A list request: values that the listed sessions must have, page size, and the cursor to continue from."""

    account: NonZeroAddress | None = None
    """Only sessions of this account. Required for a session token."""
    key: NonZeroAddress | None = None
    """Only sessions that were granted to this key. Callers without an API key give this or `account`."""
    chain_id: ChainId | None = None
    """Only sessions on this chain."""
    state: SessionStatus | None = None
    """Only sessions in this state."""
    tag: Tag | None = None
    """Only sessions with this tag."""
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_SESSIONS_PER_PAGE), BeforeValidator(exact_integer)] = 20
    """Maximum number of sessions on the page."""
    on_chain: bool = False
    """True: find the sessions that `account` has had on `chainId` by its events, also those created elsewhere."""
    cursor: Annotated[bytes, PlaceCursor(24, 8)] | None = None
    """Cursor of the previous page. Default: the first page."""


@shape
class SessionOverviews:
    """One page of sessions."""

    sessions: tuple[SessionOverview, ...]
    """Sessions of this page, the newest first; it may be shorter than `limit`, also if others follow."""
    cursor: Annotated[bytes, PlaceCursor(24, 8)] | None = None
    """Cursor of the next page; absent on the last page."""
    first_block: BlockNumber | None = None
    """With `onChain`: the first block that was searched. The cursor continues before it."""
    last_block: BlockNumber | None = None
    """With `onChain`: the last block that was searched."""


async def run(ports: Ports, request: ListSessions) -> SessionOverviews:
    """Return one page of the sessions of the caller's organisation, or of those that an account has had on chain."""
    if request.cursor is not None and len(request.cursor) != (8 if request.on_chain else 24):
        raise InvalidParams("expected a cursor of such a list", field="params.cursor", reason="cursor_unknown")
    require_filter(ports, account=request.account, key=request.key, at="params")
    if request.chain_id is not None:
        chain_of(ports, request.chain_id)
    if request.on_chain:
        return await _discover(ports, request)
    query = SessionQuery(account=request.account, key=request.key, chain_id=request.chain_id, tag=request.tag)
    page = await list_sessions(ports, query, state=request.state, after=request.cursor or b"", limit=request.limit)
    return SessionOverviews(sessions=page.sessions, cursor=page.next_page or None)


async def _discover(ports: Ports, request: ListSessions) -> SessionOverviews:
    """Return the sessions that an account has had by its events in a range of blocks, and the range."""
    if request.account is None or request.chain_id is None or request.tag is not None:
        given = [name for name in ("account", "chain_id", "tag") if getattr(request, name) is not None]
        names = ", ".join(name.replace("chain_id", "chainId") for name in given)
        raise InvalidParams(
            f"expected account and chainId, and no tag, which the chain does not know; got {names or 'none'}",
            field="params.onChain",
            reason="session_filter",
        )
    chain = chain_of(ports, request.chain_id)
    last_block = None if request.cursor is None else int.from_bytes(request.cursor, "big")
    found = await discover_sessions(ports, chain, request.account, last_block=last_block, limit=request.limit)
    fitting = tuple(
        each for each in found.sessions if request.state in {None, each.state} and request.key in {None, each.signer}
    )
    return SessionOverviews(
        sessions=fitting,
        cursor=(found.first_block - 1).to_bytes(8, "big") if found.first_block else None,
        first_block=found.first_block,
        last_block=found.last_block,
    )


OPERATION: Operation[Ports, ListSessions, SessionOverviews] = Operation(
    "wallet_listSessions",
    ListSessions,
    SessionOverviews,
    run,
    "List sessions with their state and what remains of each limit, newest first.",
    (LimitExceeded, UnreadableAnswer, UnsupportedChain),
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ,)),
    wallets=lambda request: () if request.account is None else (request.account,),
    reasons=("session_filter", "cursor_unknown", "answer_too_large"),
    description=(
        "The list has the sessions that the caller's organisation created here. State and limits are read from the "
        "chain; a session whose node does not answer has the state `unknown`. With `onChain`, sessions that were "
        "created elsewhere are found by the account's events, in at most 20,000 blocks a request."
    ),
)
