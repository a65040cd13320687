"""Views of sessions for callers: permissions, state, and what remains of each limit, by reads of the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wallet_rpc.domain.describe import describe_grant
from wallet_rpc.domain.module_rows import ANY_CONTRACT, ModuleRows, permissions_of
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import SessionKey, SessionState
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.session_state import Difference, SessionStatus, StateFacts, decide_state, find_differences
from wallet_rpc.domain.session_stop import SessionStops
from wallet_rpc.domain.validation import installed_signer
from wallet_rpc.errors import NotFound, SessionEnded, SessionPaused
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, BlockNumber, ChainId, Selector, SessionId, UnixSeconds, Wei
from wallet_rpc.services.session_chain import (
    ChainSession,
    KnownGrant,
    NameSearch,
    read_granted_session,
    read_installed_session,
)
from wallet_rpc.services.session_reservations import Reserved, WaitingCall, read_reserved
from wallet_rpc.services.session_stops import check_stops, find_grant
from wallet_rpc.wire import shape


@shape
class SessionLimit:
    """One limit of a session that the chain counts down."""

    type: str
    """Kind of permission: `native-token-transfer`, `erc20-token-transfer` or `gas-limit`."""
    token: Address | None = None
    """Token of the limit; absent for the chain's native token."""
    granted: Wei | None = None
    """Amount that the owner granted, in the smallest unit; absent for a session whose grant is not known here."""
    remaining: Wei
    """Amount that remains, as the module on chain has it; before the installation the granted one."""
    reserved: Wei
    """Part of the remaining amount that calls in flight take once they are executed."""


@shape
class AllowedContract:
    """One row of a session's allowlist."""

    address: Address | None = None
    """Contract that may be called; absent for all contracts without a row of their own."""
    functions: tuple[Selector, ...] | None = None
    """Selectors that may be called; absent for all functions."""


@shape
class SessionOverview:
    """One session: its rights, its state, and the rest of its limits."""

    session_id: SessionId | None = None
    """Id of the session; absent for one that is not stored here."""
    account: Address
    """Account that granted the session."""
    chain_id: ChainId
    """Chain of the session."""
    entity_id: int
    """Entity id of the session on its account, as a JSON number."""
    key: SessionKey | None = None
    """Key that the owner granted the session to; absent if the grant is not known here."""
    signer: Address | None = None
    """Address that signs for the session: by the chain once installed, before that the granted key."""
    state: SessionStatus
    """`pending`, `installed`, `changed`, `paused`, `expired`, `revoked`, `removed`, or `unknown` without the node."""
    sentence: str
    """The grant in plain English."""
    permissions: tuple[Permission, ...]
    """Permissions of the grant; of an unknown grant those that the chain still allows."""
    limits: tuple[SessionLimit, ...] = ()
    """Limits that the chain counts down; none for a session that the chain does not have."""
    valid_until: UnixSeconds | None = None
    """Last valid second as Unix time, by the chain or the registration, whichever is earlier; absent: no end."""
    valid_after: UnixSeconds | None = None
    """First valid second as Unix time; absent: no start."""
    created_at: UnixSeconds | None = None
    """Time of creation; absent for a session that is not stored here."""
    is_signed: bool | None = None
    """True once the owner's valid signature was presented here; absent for a session that is not stored here."""
    tags: tuple[str, ...] = ()
    """Tags of the session in the caller's organisation."""
    block_number: BlockNumber | None = None
    """Newest block at the time of the reads; absent if the node did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session with all that is known of it."""

    item: SessionOverview
    contracts: tuple[AllowedContract, ...] | None
    """The allowlist; None if the session has none."""
    differences: tuple[Difference, ...]
    calls_in_flight: int


def read_known_grant(named: NamedSession) -> KnownGrant | None:
    """Return the grant of a session if its content is known and has the usual form."""
    action = named.grant.action if named.session is None and named.grant is not None else named.session
    if named.install is None or action is None:
        return None
    try:
        installed_signer(named.install)
        return KnownGrant.from_install(named.install, action.nonce, deadline=action.deadline)
    except ValueError:
        return None


async def read_view(
    ports: Ports,
    chain: ChainPorts,
    named: NamedSession,
    *,
    open_calls: Sequence[WaitingCall],
    tags: Sequence[str] = (),
    find_names: NameSearch | None = None,
) -> SessionView:
    """Read a session from the chain, and describe it.

    `find_names` finds the rows to read of an Allowlist whose grant is not known. Raises: Unavailable; NotFound
    (session_not_on_chain) if the chain does not have the session and its grant is not known.
    """
    grant, reference = read_known_grant(named), named.reference
    key = None if grant is None else installed_signer(grant.install)
    found, reserved, stop = await asyncio.gather(
        _read_chain(chain, reference, grant, find_names),
        read_reserved(chain, reference.account, open_calls),
        check_stops(ports, chain, reference, grant=find_grant(named), session_id=named.id),
    )
    rows = found.rows if found.is_installed or grant is None else grant.rows
    differences: tuple[Difference, ...] = ()
    if grant is not None and found.is_installed:
        differences = find_differences(grant.install, grant.rows, found.validation, found.signer, found.rows)
    valid_until, valid_after = _find_range(rows, grant, stop.stops, is_installed=found.is_installed)
    facts = StateFacts(
        is_installed=found.is_installed,
        can_install=grant is not None and found.next_nonce == grant.nonce,
        is_revoked=isinstance(stop.error, SessionEnded) and stop.error.reason != "session_expired",
        is_paused=isinstance(stop.error, SessionPaused),
        end=valid_until,
        differs=bool(differences),
    )
    state = decide_state(facts, now=ports.now_on(reference.chain_id))
    has_limits = state is not SessionStatus.REMOVED
    item = replace(
        describe_stored(named, grant, tags=tags, state=state),
        signer=found.signer if found.is_installed else key,
        limits=_list_limits(rows, None if grant is None else grant.rows, reserved) if has_limits else (),
        valid_until=valid_until,
        valid_after=valid_after,
        block_number=found.block,
    )
    if grant is None:
        item = _describe_found(item, found)
    contracts = _list_contracts(rows) if rows.has_allowlist and has_limits else None
    return SessionView(item=item, contracts=contracts, differences=differences, calls_in_flight=reserved.calls)


async def _read_chain(
    chain: ChainPorts, reference: SessionReference, grant: KnownGrant | None, find_names: NameSearch | None
) -> ChainSession:
    if grant is not None:
        return await read_granted_session(chain, reference, grant)
    found = await read_installed_session(chain, reference, find_names)
    if not found.is_installed:
        raise NotFound(
            f"no session with entity id {reference.entity_id} is installed on account {reference.account}",
            field="params",
            reason="session_not_on_chain",
        )
    return found


def describe_stored(
    named: NamedSession, grant: KnownGrant | None, *, tags: Sequence[str], state: SessionStatus
) -> SessionOverview:
    """Describe a session without the chain, by its record or its grant."""
    session, reference = named.session, named.reference
    permissions: tuple[Permission, ...] = () if session is None else session.permissions
    if session is None and grant is not None:
        install = grant.install
        permissions = permissions_of(grant.rows, selectors=install.selectors, is_global=install.is_global)
    signer = None if grant is None else installed_signer(grant.install)
    return SessionOverview(
        session_id=named.id,
        account=reference.account,
        chain_id=reference.chain_id,
        entity_id=reference.entity_id,
        key=None if session is None else session.key,
        signer=signer,
        state=state,
        sentence=describe_grant(signer, permissions, 0 if grant is None else grant.deadline),
        permissions=permissions,
        created_at=None if session is None else session.created_at,
        is_signed=None if session is None else session.state is SessionState.ACTIVE,
        tags=tuple(tags),
    )


def _describe_found(item: SessionOverview, found: ChainSession) -> SessionOverview:
    """Describe a session that only the chain knows, by its rows there."""
    validation = found.validation
    permissions = permissions_of(
        found.rows, selectors=map(Selector, validation.selectors), is_global=validation.is_global
    )
    sentence = describe_grant(found.signer, permissions, item.valid_until or 0)
    return replace(item, permissions=permissions, sentence=sentence)


def _find_range(
    rows: ModuleRows, grant: KnownGrant | None, stops: SessionStops, *, is_installed: bool
) -> tuple[UnixSeconds | None, UnixSeconds | None]:
    """Return the last and the first valid second; a grant that is not installed also ends by its own deadline."""
    ends = [] if stops.expires_at is None else [stops.expires_at - 1]
    if rows.time_range is not None and rows.time_range.valid_until:
        ends.append(rows.time_range.valid_until)
    if grant is not None and not is_installed and grant.deadline:
        ends.append(grant.deadline)
    start = None if rows.time_range is None else rows.time_range.valid_after or None
    return min(ends, default=None), start


def _list_limits(found: ModuleRows, granted: ModuleRows | None, reserved: Reserved) -> tuple[SessionLimit, ...]:
    known = ModuleRows() if granted is None else granted
    limits = []
    if found.native is not None:
        limits.append(
            SessionLimit(
                type="native-token-transfer",
                granted=known.native,
                remaining=found.native,
                reserved=reserved.native,
            )
        )
    for token, remaining in found.tokens.items():
        limits.append(
            SessionLimit(
                type="erc20-token-transfer",
                token=token,
                granted=known.tokens.get(token),
                remaining=remaining,
                reserved=reserved.tokens.get(token, 0),
            )
        )
    if found.gas is not None:
        limits.append(SessionLimit(type="gas-limit", granted=known.gas, remaining=found.gas, reserved=reserved.gas))
    return tuple(limits)


def _list_contracts(rows: ModuleRows) -> tuple[AllowedContract, ...]:
    return tuple(
        AllowedContract(
            address=None if target == ANY_CONTRACT else target,
            functions=None if functions is None else tuple(sorted(functions)),
        )
        for target, functions in rows.targets.items()
    )
