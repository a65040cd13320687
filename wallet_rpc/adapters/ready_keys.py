"""Keys that are good while one server runs: known beside those of the directory, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from wallet_rpc.domain.access import ApiKey, KeyId, Organization, OrganizationId
from wallet_rpc.memory import Directory
from wallet_rpc.primitives import UnixSeconds


class WithReadyKeys:
    """`memory.Directory` that also knows `ready`; everything else is asked of, and written to, `kept`."""

    def __init__(self, kept: Directory, ready: Iterable[ApiKey]) -> None:
        self._kept = kept
        self._ready = {key.id: key for key in ready}

    async def add_organization(self, organization: Organization) -> None:
        """Write a new one."""
        await self._kept.add_organization(organization)

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        """The organisation of an id."""
        return await self._kept.organization(organization_id)

    async def organizations(self) -> tuple[Organization, ...]:
        """All of them, oldest first."""
        return await self._kept.organizations()

    async def add_key(self, key: ApiKey) -> None:
        """Write a new one."""
        await self._kept.add_key(key)

    async def key(self, key_id: KeyId) -> ApiKey | None:
        """The key of an id."""
        return self._ready[key_id] if key_id in self._ready else await self._kept.key(key_id)

    async def keys_of(self, organization_id: OrganizationId) -> tuple[ApiKey, ...]:
        """The kept ones of an organisation, oldest first."""
        return await self._kept.keys_of(organization_id)

    async def revoke_key(self, key_id: KeyId, *, at: UnixSeconds) -> bool:
        """End a kept key."""
        return await self._kept.revoke_key(key_id, at=at)
