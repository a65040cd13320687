"""Requests and answers that the operations on one session's stops share."""

from __future__ import annotations

from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.domain.session_stop import SessionStops
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, EntityId, SessionId
from wallet_rpc.services.owner_consent import CONSENT_REASONS, OwnerSignature
from wallet_rpc.services.session_changes import CHANGE_REASONS, list_pausers
from wallet_rpc.services.session_lookup import SessionSelector
from wallet_rpc.services.stopped_calls import CallInFlight, stop_open_calls
from wallet_rpc.wire import shape, strict_shape

SELECTOR_REASONS = (
    "session_selector",
    "session_not_found",
    "context_malformed",
    "deferred_action_malformed",
    "entity_id_out_of_range",
)
"""Reasons of requests that name a session."""
STOP_REASONS = (*SELECTOR_REASONS, *CONSENT_REASONS, *CHANGE_REASONS, "not_an_account", "signature_malformed")
"""Reasons of requests that change a session."""


@strict_shape
class ChangeSession(SessionSelector):
    """The session to change, and the owner's signature of the change, which an organisation in control can omit."""

    owner_signature: OwnerSignature | None = None
    """Signature of the change by the account's owner. Default: the caller's organisation controls the session."""


@shape
class SessionStopState:
    """The state of a session on this server after a change, and its calls at that moment."""

    account: Address
    """Account of the session."""
    chain_id: ChainId
    """Chain of the session."""
    entity_id: EntityId
    """Entity id of the session on its account."""
    session_id: SessionId | None = None
    """Id of the session; absent for one that is not stored here."""
    state: str
    """`active`, `paused` or `revoked`, as this server enforces it; kill switches are listed by `wallet_listStops`."""
    paused_by: tuple[str, ...] = ()
    """Parties that paused the session: `owner`, `organization` for the caller's own, or `another organization`."""
    in_flight: tuple[CallInFlight, ...] = ()
    """Calls of the caller's organisation that were handed over before, and may still be included."""
    stopped: tuple[Data, ...] = ()
    """Ids of calls that were accepted, not handed over yet, and are now rejected."""


async def describe_stops(ports: Ports, named: NamedSession) -> SessionStopState:
    """Return the state of a session, with its calls if it is stopped."""
    stops = await ports.store.stops.read(named.reference)
    calls = await stop_open_calls(ports, await ports.store.stops.open_calls(session=named.reference))
    return SessionStopState(
        account=named.reference.account,
        chain_id=named.reference.chain_id,
        entity_id=named.reference.entity_id,
        session_id=named.id,
        state=name_state(stops),
        paused_by=list_pausers(ports, stops),
        in_flight=calls.in_flight,
        stopped=calls.stopped,
    )


def name_state(stops: SessionStops) -> str:
    """Return the state of a session that its stops make, as answers name it."""
    if stops.is_revoked:
        return "revoked"
    return "paused" if stops.is_paused else "active"
