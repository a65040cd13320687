"""Storage port of stops: pauses, revocations, kill switches, and the calls that a stop has to find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import Controller, Creation, SessionStops, StopRecord, StopScope
from wallet_rpc.primitives import Address, ChainId, Hash32, SessionId, UnixSeconds

MAX_SWITCHES = 1000
"""Maximum number of kill switches of an organisation, so that a check can read all of them at once."""
OpenCall = tuple[SessionReference, Hash32]
"""A call of a session that is not final, as far as is known: the session, and the hash of the call."""


class Stops(Protocol):
    """Stops of sessions. Those of accounts are shared by all organisations; the switches are an organisation's own."""

    @property
    def organization(self) -> OrganizationId:
        """The organisation whose store this is."""

    async def read(self, session: SessionReference) -> SessionStops:
        """Return what is stored about a session, at one time."""

    async def add_creation(
        self, session: SessionReference, creation: Creation, *, forget_at: UnixSeconds | None
    ) -> None:
        """Record the organisation that created a session, until its grant is presented or `forget_at` (None: never)."""

    async def add_controller(
        self, session: SessionReference, controller: Controller, *, grant: Hash32 | None = None
    ) -> None:
        """Record an organisation as one that controls a session, with the session's key; never deleted.

        With the digest of the presented grant, the organisation that created this grant becomes a controller too.
        """

    async def list_controllers(self, session: SessionReference) -> tuple[Controller, ...]:
        """Return the organisations that control a session, and the one that created it, if its grant is not presented.

        Entity id 0 stands for all sessions of the account.
        """

    async def pause(self, session: SessionReference, by: str, record: StopRecord) -> None:
        """Pause a session; entity id 0 pauses all sessions of the account on the chain. An earlier pause stays."""

    async def resume(self, session: SessionReference, by: str | None) -> None:
        """Remove the pause that `by` set, or all of them (None)."""

    async def revoke(self, session: SessionReference) -> None:
        """Revoke a session permanently; entity id 0 revokes all sessions of the account on the chain."""

    async def use_nonce(self, account: Address, chain_id: ChainId, nonce: int, *, until: UnixSeconds) -> bool:
        """Use up the nonce of a signed change, stored until `until`; return False if it was used before."""

    async def switches(self, organization: OrganizationId | None = None) -> Mapping[StopScope, StopRecord]:
        """Return an organisation's kill switches, by default those of this store's."""

    async def set_switch(self, scope: StopScope, record: StopRecord) -> StopRecord | None:
        """Set a kill switch and return the record that is stored: an earlier one that revokes, or the new one.

        Return None and write nothing if the organisation has `MAX_SWITCHES` others.
        """

    async def remove_switch(self, scope: StopScope) -> StopRecord | None:
        """Remove a kill switch that pauses, and return it; one that revokes stays and is returned; None without any."""

    async def tags_of(
        self, organization: OrganizationId, session: SessionReference, session_id: SessionId | None
    ) -> tuple[str, ...]:
        """Return the tags that an organisation has given a session, whose id there may not be known."""

    async def open_calls(
        self, *, account: Address | None = None, session: SessionReference | None = None
    ) -> tuple[OpenCall, ...]:
        """Return this organisation's calls of sessions that may not be final, of one account or session if given."""

    async def close_call(self, call: CallRecord) -> None:
        """Remove a call that is final from the open ones."""
