"""Stops of sessions in Redis.

The slot of an account has its revocations and pauses and the organisations that created or control its sessions, all
shared by the organisations. One script reads them at one time. An organisation's kill switches and open calls are in a
slot of its own. Nothing is remembered in the process: a stop holds on every replica from the moment it is written.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace

from wallet_rpc.adapters import stops_scripts
from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_open_calls import RedisOpenCalls, encode_session
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.adapters.redis_session_index import RedisSessionIndex
from wallet_rpc.adapters.redis_sessions import RedisSessions
from wallet_rpc.adapters.redis_unsigned import account_tag
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import Controller, Creation, SessionStops, StopMode, StopRecord, StopScope
from wallet_rpc.ports.stops import OpenCall
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, SessionId, UnixSeconds

_REVOKES = f'"mode":"{StopMode.REVOKE}"'
"""The text that a stored record of a revocation has."""


class RedisStops:
    """`ports.stops.Stops` on Redis; `shared` is the link for data shared by all organisations."""

    def __init__(
        self,
        link: Link,
        *,
        shared: Link,
        sessions: RedisSessions,
        organization: OrganizationId,
        keep_seconds: int,
        deadlines: Deadlines,
    ) -> None:
        self.organization = organization
        self._deadlines = deadlines
        self._link = link
        self._shared = shared
        self._sessions = sessions
        self.opened = RedisOpenCalls(link, organization, keep_seconds=keep_seconds)
        self._read = shared.script(stops_scripts.READ)
        self._set_line = shared.script(stops_scripts.SET_LINE)
        self._add_creation = shared.script(stops_scripts.ADD_CREATION)
        self._add_controller = shared.script(stops_scripts.ADD_CONTROLLER)
        self._remove_line = shared.script(stops_scripts.REMOVE_LINE)
        self._set_switch = link.script(stops_scripts.SET_SWITCH)
        self._remove_switch = link.script(stops_scripts.REMOVE_SWITCH)
        self.switches_key = link.key(f"stops:{organization}")
        """Hash: the record of each kill switch by the name of its scope."""

    def paused_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of an account's pauses: a hash of lines by entity id, 0 for all sessions."""
        return self._shared.key(account_tag(account, chain_id), "paused")

    def controllers_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of the organisations that control an account's sessions: a hash of lines by entity id."""
        return self._shared.key(account_tag(account, chain_id), "controllers")

    def creation_key(self, session: SessionReference) -> str:
        """Return the key of the creation of a session whose grant was not presented yet."""
        return self._shared.key(account_tag(session.account, session.chain_id), "created", str(session.entity_id))

    def creations_key(self, account: Address, chain_id: ChainId) -> str:
        """Return the key of an account's entity ids with a creation, by the time at which it is deleted."""
        return self._shared.key(account_tag(account, chain_id), "created")

    def nonce_key(self, account: Address, chain_id: ChainId, nonce: int) -> str:
        """Return the key of the used nonce of a signed change."""
        return self._shared.key(account_tag(account, chain_id), "consent", f"{nonce:x}")

    async def read(self, session: SessionReference) -> SessionStops:
        """Return what is stored about a session, at one time."""
        names = session.account, session.chain_id
        keys = [
            self._sessions.revoked_key(*names),
            self._sessions.end_key(*names, session.entity_id),
            self.paused_key(*names),
            self.controllers_key(*names),
            self.creation_key(session),
        ]
        is_revoked, end, pauses, is_account_paused, controllers, created = await self._shared.run(
            self._read, keys, session.entity_id
        )
        return SessionStops(
            is_revoked=bool(is_revoked),
            expires_at=None if end is None else int(end),
            pauses={name: _read_record(rest.encode()) for name, rest in _split_lines(pauses)},
            is_account_paused=bool(is_account_paused),
            controllers=tuple(_read_controller(name, rest) for name, rest in _split_lines(controllers)),
            creation=None if created is None else _read_creation(created.decode()),
        )

    async def add_creation(
        self, session: SessionReference, creation: Creation, *, forget_at: UnixSeconds | None
    ) -> None:
        """Record the organisation that created a session, until its grant is presented."""
        creator = creation.controller
        text = f"{creation.digest.hex()} {creation.nonce:x} {creator.organization} {_format_controller(creator)}"
        deletion = self._deadlines.deletion(session.chain_id, forget_at)
        keys = [self.creation_key(session), self.creations_key(session.account, session.chain_id)]
        await self._shared.run(self._add_creation, keys, text, deletion, session.entity_id)

    async def add_controller(
        self, session: SessionReference, controller: Controller, *, grant: Hash32 | None = None
    ) -> None:
        """Record an organisation as one that controls a session, and with it the creator of this grant."""
        names = session.account, session.chain_id
        keys = [self.controllers_key(*names), self.creation_key(session), self.creations_key(*names)]
        digest = "" if grant is None else grant.hex()
        line = _format_controller(controller)
        await self._shared.run(self._add_controller, keys, session.entity_id, controller.organization, line, digest)

    async def list_controllers(self, session: SessionReference) -> tuple[Controller, ...]:
        """Return the organisations that control or created a session, or, for entity id 0, any of the account."""
        if session.entity_id == OWNER_ENTITY:
            return await self._list_all_controllers(session)
        stops = await self.read(session)
        creators = () if stops.creation is None else (stops.creation.controller,)
        return tuple({one.organization: one for one in (*creators, *stops.controllers)}.values())

    async def _list_all_controllers(self, account: SessionReference) -> tuple[Controller, ...]:
        names = account.account, account.chain_id
        entity_ids = await self._shared.command("ZRANGE", self.creations_key(*names), 0, -1)
        sessions = [replace(account, entity_id=EntityId(int(each))) for each in entity_ids]
        keys = map(self.creation_key, sessions)
        created = await asyncio.gather(*(self._shared.command("GET", key) for key in keys))
        creators = [_read_creation(each.decode()).controller for each in created if each is not None]
        (found,) = await self._shared.records([self.controllers_key(*names)])  # last: a creator may just become one
        controllers = [_read_controller(*line) for lines in found.values() for line in _split_lines(lines)]
        return tuple({one.organization: one for one in (*creators, *controllers)}.values())

    async def pause(self, session: SessionReference, by: str, record: StopRecord) -> None:
        """Pause a session, or all of the account's (entity id 0)."""
        key = self.paused_key(session.account, session.chain_id)
        await self._shared.run(self._set_line, key, session.entity_id, by, encode_record(StopRecord, record))

    async def resume(self, session: SessionReference, by: str | None) -> None:
        """Remove the pause that `by` set, or all of them (None)."""
        key = self.paused_key(session.account, session.chain_id)
        await self._shared.run(self._remove_line, key, session.entity_id, by or "")

    async def revoke(self, session: SessionReference) -> None:
        """Revoke a session permanently, or all of the account's (entity id 0)."""
        await self._sessions.revoke(session.account, session.chain_id, session.entity_id)

    async def use_nonce(self, account: Address, chain_id: ChainId, nonce: int, *, until: UnixSeconds) -> bool:
        """Use up the nonce of a signed change; return False if it was used before."""
        key, mark = self.nonce_key(account, chain_id, nonce), secrets.token_hex(8)
        deletion = self._deadlines.deletion(chain_id, until)
        await self._shared.command("SET", key, mark, "NX", *(() if deletion == "" else ("EXAT", deletion)))
        return bool(await self._shared.command("GET", key) == mark.encode())

    async def switches(self, organization: OrganizationId | None = None) -> Mapping[StopScope, StopRecord]:
        """Return an organisation's kill switches, by default those of this store's."""
        key = self.switches_key
        if organization is not None and organization != self.organization:
            key = self._link_of(organization).key(f"stops:{organization}")
        (found,) = await self._link.records([key])
        return {StopScope.parse(name.decode()): _read_record(record) for name, record in found.items()}

    def _link_of(self, organization: OrganizationId) -> Link:
        return self._shared if organization == OPEN_ORGANIZATION else self._shared.with_prefix(organization)

    async def set_switch(self, scope: StopScope, record: StopRecord) -> StopRecord | None:
        """Set a kill switch and return the stored record; None if there are too many."""
        text = encode_record(StopRecord, record)
        stored = await self._link.run(self._set_switch, self.switches_key, scope.name, text, _REVOKES)
        return None if stored is None else _read_record(stored)

    async def remove_switch(self, scope: StopScope) -> StopRecord | None:
        """Remove a kill switch unless it revokes; return the one that was stored."""
        stored = await self._link.run(self._remove_switch, self.switches_key, scope.name, _REVOKES)
        return None if stored is None else _read_record(stored)

    async def tags_of(
        self, organization: OrganizationId, session: SessionReference, session_id: SessionId | None
    ) -> tuple[str, ...]:
        """Return the tags that an organisation has given a session, whose id there may not be known."""
        index = RedisSessionIndex(self._link_of(organization), organization)
        if session_id is None:
            entry = await index.find_by_entity(session)
            if entry is None:
                return ()
            session_id = entry.id
        (tags,) = await index.tags([session_id])
        return tags

    async def open_call(self, call: CallRecord) -> None:
        """Add a call to the open ones, if it is one of a session."""
        await self.opened.add(call)

    async def close_call(self, call: CallRecord) -> None:
        """Remove a call that is final from the open ones."""
        await self.opened.remove(call)

    async def open_calls(
        self, *, account: Address | None = None, session: SessionReference | None = None
    ) -> tuple[OpenCall, ...]:
        """Return this organisation's calls of sessions that may not be final, oldest first."""
        return await self.opened.find(bytes(account or b"") if session is None else encode_session(session))


def _split_lines(text: bytes | None) -> list[tuple[str, str]]:
    """Return the names of the lines of a field, each with the rest of its line."""
    lines = () if text is None else text.decode().splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def _read_record(text: bytes) -> StopRecord:
    return decode_record(StopRecord, text, version=1)


def _format_controller(controller: Controller) -> str:
    return f"{controller.key.hex()} {'-' if controller.session_id is None else controller.session_id.hex()}"


def _read_creation(text: str) -> Creation:
    digest, nonce, organization, rest = text.split(" ", 3)
    return Creation(
        controller=_read_controller(organization, rest),
        digest=Hash32(bytes.fromhex(digest)),
        nonce=int(nonce, 16),
    )


def _read_controller(organization: str, rest: str) -> Controller:
    key, _, session_id = rest.partition(" ")
    return Controller(
        organization=OrganizationId(organization),
        key=Address(bytes.fromhex(key)),
        session_id=None if session_id == "-" else SessionId(bytes.fromhex(session_id)),
    )
