"""Rotation of a session's key: another key takes over the same entity id, with all limits and what was spent."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, EntityId
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.events import publish, share_event

NEW_KEY = "params.newKey.publicKey"
"""The path of the new key in a request."""


def transfer_signer_call(reference: SessionReference, new_key: Address) -> Call:
    """Build the account's call `transferSigner(uint32 entityId, address newSigner)` of the single signer module."""
    data = abi.TRANSFER_SIGNER + abi.uint(reference.entity_id, 32) + abi.address(new_key)
    return Call(to=SINGLE_SIGNER_MODULE, data=Data(data))


async def copy_stops(ports: Ports, source: SessionReference, session: Session) -> None:
    """Give a session that replaces another one the same pauses, and the organisations that control the other one."""
    store = ports.store.stops
    stops = await store.read(source)
    reference = SessionReference(
        account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id)
    )
    for controller in stops.controllers:
        session_id = session.id if controller.organization == store.organization else None
        await store.add_controller(reference, replace(controller, key=session.key.address, session_id=session_id))
    for by, record in stops.pauses.items():
        await store.pause(reference, by, record)


def check_new_key(new_key: Address, account: Address) -> None:
    """Raise InvalidParams for the zero address, which no key has, and for the account itself."""
    if new_key == ZERO_ADDRESS:
        raise InvalidParams("expected the address of a key, got the zero address", field=NEW_KEY, reason="zero_address")
    if new_key == account:
        raise InvalidParams(
            "expected a key other than the account, got the account itself", field=NEW_KEY, reason="account_as_key"
        )


async def record_rotation(ports: Ports, named: NamedSession, new_key: Address) -> None:
    """Record that the chain has a new key for a session: in the index, the audit log and the event logs; once."""
    entry = None if named.id is None else await ports.store.session_index.find(named.id)
    await _publish_rotation(ports, named, new_key, indexed=None if entry is None else entry.key)
    if entry is None or entry.key == new_key:
        return
    reference = named.reference
    facts = {"entityId": int(reference.entity_id), "previousKey": entry.key.hex0x(), "key": new_key.hex0x()}
    names = {"account": reference.account.hex0x(), "chainId": reference.chain_id, "sessionId": entry.id.hex0x()}
    await log_event(ports, EventKind.SESSION_KEY_ROTATED, **names, **facts)
    await ports.store.session_index.add(replace(entry, key=new_key), now=ports.now_on(entry.chain_id))


async def _publish_rotation(ports: Ports, named: NamedSession, new_key: Address, *, indexed: Address | None) -> None:
    """Publish the new key to each organisation that controls the session and has another key on record.

    The caller's organisation may have the session in its index only, with the key `indexed`.
    """
    reference, stops = named.reference, ports.store.stops
    controllers = {one.organization: one for one in (await stops.read(reference)).controllers}
    outdated = {name: one for name, one in controllers.items() if one.key != new_key}
    mine = controllers.get(stops.organization)
    previous = indexed if mine is None else mine.key
    event = Event(
        type=EventType.SESSION_ROTATED,
        time=ports.clock.now(),
        account=reference.account,
        chain_id=reference.chain_id,
        session_id=named.id,
        data={"entityId": int(reference.entity_id), "key": new_key.hex0x()},
    )
    own = [] if previous is None or previous == new_key else [_add_previous(event, previous)]
    shared = await share_event(ports, reference, event, key=new_key.hex0x())
    elsewhere = [(name, _add_previous(each, outdated[name].key)) for name, each in shared if name in outdated]
    await publish(ports, *own, elsewhere=elsewhere)
    for one in outdated.values():
        await stops.add_controller(reference, replace(one, key=new_key))


def _add_previous(event: Event, key: Address) -> Event:
    return replace(event, data={**event.data, "previousKey": key.hex0x()})
