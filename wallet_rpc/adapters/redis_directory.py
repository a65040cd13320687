"""Organisations and API keys in Redis: a hash for each, and lists of their ids.

A record is written once. The revocation of a key is a field next to its record and is never removed. The lists are
hints: they are written first, and an id counts only if its record exists and belongs to the list.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from functools import lru_cache

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.access import OPEN_ORGANIZATION, ORGANIZATION_ID, ApiKey, KeyId, Organization, OrganizationId
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.errors import Conflict
from wallet_rpc.primitives import UnixSeconds

_OF_ORGANIZATION = re.compile(
    rf"({ORGANIZATION_ID.pattern}):|\{{(?:audit|organization|groups):({ORGANIZATION_ID.pattern})\}}"
)
"""Organisation id in the name of a Redis key, after the prefix (specs/state.md)."""
_OPEN = Organization(id=OPEN_ORGANIZATION, name="open", created_at=0)


class RedisDirectory:
    """`ports.storage.Directory` on Redis."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def organizations_key(self) -> str:
        """Return the key of the ids of all organisations: a sorted set, oldest first."""
        return self._link.key("organizations")

    def organization_key(self, organization_id: OrganizationId) -> str:
        """Return the key of an organisation: a hash of its record."""
        return self._link.key(f"organization:{organization_id}")

    def api_keys_key(self, organization_id: OrganizationId) -> str:
        """Return the key of the ids of an organisation's API keys: a sorted set, oldest first."""
        return self._link.key(f"organization:{organization_id}", "keys")

    def api_key_key(self, key_id: KeyId) -> str:
        """Return the key of an API key: a hash of its record and the time of its revocation."""
        return self._link.key(f"key:{key_id}")

    async def add_organization(self, organization: Organization) -> None:
        """Add an organisation. Raises: Conflict when its id is in use."""
        if organization.id == OPEN_ORGANIZATION:
            raise Conflict(f"organization {OPEN_ORGANIZATION} already exists", reason="organization_exists")
        await self._link.add_once(self.organizations_key(), organization.id)
        if not await self._write_once(
            self.organization_key(organization.id), encode_record(Organization, organization)
        ):
            raise Conflict(f"organization {organization.id} already exists", reason="organization_exists")

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        """Return the organisation with this id; `OPEN_ORGANIZATION` always exists."""
        if organization_id == OPEN_ORGANIZATION:
            return _OPEN
        text = await self._link.command("HGET", self.organization_key(organization_id), "record")
        return None if text is None else decode_record(Organization, text, version=RECORD_VERSION)

    async def organizations(self) -> tuple[Organization, ...]:
        """Return all organisations, oldest first."""
        ids = await self._link.members(self.organizations_key())
        records = await self._link.records([self.organization_key(OrganizationId(each)) for each in ids])
        return (
            _OPEN,
            *(decode_record(Organization, fields[b"record"], version=RECORD_VERSION) for fields in records if fields),
        )

    async def scan_organization_ids(self) -> frozenset[OrganizationId]:
        """Return all organisation ids in names of Redis keys, also ids that the list has lost.

        It reads the whole key space: use it for inspection, not for requests.
        """
        names = await self._link.find_keys("*org_*")
        found = (_OF_ORGANIZATION.match(name.removeprefix(f"{self._link.prefix}:")) for name in names)
        return frozenset(OrganizationId(each[1] or each[2]) for each in found if each is not None)

    async def scan_api_keys(self) -> tuple[ApiKey, ...]:
        """Return the API keys of all organisations, also those missing in the lists; it reads the whole key space."""
        names = await self._link.find_keys("{key:*}")
        records = await self._link.records(names)
        found = (_decode_key([fields.get(b"record"), fields.get(b"revoked")]) for fields in records)
        return tuple(key for key in found if key is not None)

    async def add_key(self, key: ApiKey) -> None:
        """Add an API key. Raises: Conflict when its id is in use, also by a revoked key."""
        await self._link.add_once(self.api_keys_key(key.organization), key.id)
        if not await self._write_once(self.api_key_key(key.id), encode_record(ApiKey, key)):
            raise Conflict(f"key {key.id} already exists", reason="key_exists")

    async def key(self, key_id: KeyId) -> ApiKey | None:
        """Return the API key with this id, also if it is revoked or expired."""
        return _decode_key(await self._link.command("HMGET", self.api_key_key(key_id), "record", "revoked"))

    async def keys_of(self, organization_id: OrganizationId) -> tuple[ApiKey, ...]:
        """Return all API keys of an organisation, oldest first."""
        ids = await self._link.members(self.api_keys_key(organization_id))
        records = await self._link.records([self.api_key_key(KeyId(each)) for each in ids])
        found = (_decode_key([fields.get(b"record"), fields.get(b"revoked")]) for fields in records)
        return tuple(key for key in found if key is not None and key.organization == organization_id)

    async def revoke_key(self, key_id: KeyId, *, at: UnixSeconds) -> bool:
        """Revoke a key and all its tokens; return False if already revoked. Raises: KeyError for an unknown key."""
        if await self.key(key_id) is None:
            raise KeyError(key_id)
        mark = f"{at} {secrets.token_hex(8)}"
        await self._link.command("HSETNX", self.api_key_key(key_id), "revoked", mark)
        return bool(await self._link.command("HGET", self.api_key_key(key_id), "revoked") == mark.encode())

    async def _write_once(self, key: str, text: str) -> bool:
        """Write the record unless one is stored; return True when the record at `key` is now this one."""
        await self._link.command("HSETNX", key, "record", text)
        return bool(await self._link.command("HGET", key, "record") == text.encode())


def _decode_key(fields: list[bytes | None]) -> ApiKey | None:
    text, revoked = fields
    if text is None:
        return None
    key = _decode_record(text)
    return key if revoked is None else replace(key, revoked_at=int(revoked.split()[0]))


@lru_cache(maxsize=1024)
def _decode_record(text: bytes) -> ApiKey:
    """Decode a key's record, cached by its text; a record never changes, and a revocation is another field."""
    return decode_record(ApiKey, text, version=RECORD_VERSION)
