"""Clients that follow an event log over one connection: who may, what each sees, and how many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import Scope as AsgiScope

from wallet_rpc.domain.access import Caller, RequiredAccess
from wallet_rpc.domain.event import Event, EventFilter
from wallet_rpc.edge.request_context import current_caller
from wallet_rpc.edge.rpc_endpoint import Authenticate
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.operations.access_control import is_of_caller
from wallet_rpc.operations.subscribe import FOLLOW_ACCESS
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.event_feed import EVENTS_TRIMMED, POSITION_UNKNOWN, SLOW_READER

CONNECTIONS_OF_ONE = 50
"""Maximum number of connections that follow events in one process, of one API key, session token or address."""
CONNECTIONS_OF_TOKENS = 1000
"""The same of all session tokens that one API key created."""
CONNECTIONS = 2000
"""The same of all callers."""
CHECK_SECONDS = 15.0
"""Interval at which the credential of a connection is checked again, and at which an idle stream shows its life."""
SHUTTING_DOWN = "shutting_down"
"""Reason of an end: the server ends."""

_ALL = "all"
_KNOWN_ACCOUNTS = 1000
"""Maximum number of accounts of which a connection remembers whether its session token's wallet owns them."""
_FORGET_SECONDS = 60
"""Time after which an account that the wallet did not own is looked up again."""

MESSAGES = {
    EVENTS_TRIMMED: "events after the position were deleted before they were read; read the sessions and calls anew",
    POSITION_UNKNOWN: "the log has no such late event; it goes on from its newest one",
    SLOW_READER: "too many events waited for this client; connect again with the id of the last event that it read",
    SHUTTING_DOWN: "the server ends; connect again with the id of the last event",
}
"""Sentences for the reasons of gaps and ends."""


class Followers:
    """The connections of this process that follow events, by caller."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """The number of connections."""
        return self._counts[_ALL]

    @contextmanager
    def join(self, caller: Caller) -> Iterator[None]:
        """Count a connection while the block runs. Raises: LimitExceeded when there are too many."""
        limits = {_ALL: CONNECTIONS, f"one {caller.name}": CONNECTIONS_OF_ONE}
        if caller.token is not None:
            limits[f"tokens {caller.holder}"] = CONNECTIONS_OF_TOKENS
        for name, limit in limits.items():
            if self._counts[name] >= limit:
                text = f"expected at most {limit} connections that follow events; close one of them"
                raise LimitExceeded(text, reason="too_many_streams", limit=limit)
        self._counts.update(limits.keys())
        try:
            yield
        finally:
            self._counts.subtract(limits.keys())
            self._counts += Counter()  # forgets the callers without a connection


class Follower:
    """The access of one connection, for as long as it is open."""

    def __init__(self, scope: AsgiScope, authenticate: Authenticate, ports: Callable[[], Ports]) -> None:
        self._scope = scope
        self._authenticate = authenticate
        self._ports = ports
        self._accounts: dict[Address, int | None] = {}
        """Accounts that were looked up: None for one of the wallet, else the time of the look-up."""

    async def authorize(self, need: RequiredAccess = FOLLOW_ACCESS) -> Caller:
        """Check the credential and its access, also while the connection is open. Raises: Unauthorized, Forbidden."""
        await self._authenticate(self._scope)
        caller = current_caller()
        need.authorize(caller)
        return caller

    async def sees(self, event: Event, event_filter: EventFilter) -> bool:
        """Return True for an event that the filter matches, and that is about an account of the token's wallet."""
        if not event_filter.matches(event):
            return False
        if current_caller().token is None:
            return True
        return event.account is not None and await self._is_own(event.account)

    async def _is_own(self, account: Address) -> bool:
        ports = self._ports()
        now = ports.clock.now()
        looked_up = self._accounts.get(account, 0)
        if looked_up is None or now - looked_up < _FORGET_SECONDS:
            return looked_up is None
        is_own = await is_of_caller(ports, account)
        if len(self._accounts) >= _KNOWN_ACCOUNTS:
            self._accounts.clear()
        self._accounts[account] = None if is_own else now
        return is_own
