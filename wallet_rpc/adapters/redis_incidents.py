"""Incidents in Redis: a sorted set of records by time, bounded in number, which all replicas share."""

from __future__ import annotations

from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.incident import INCIDENT_VERSION, KEPT_ALIKE, KEPT_INCIDENTS, Incident

ALIKE_SECONDS = 30 * 24 * 3600
"""Time for which the index of one bug's incidents is stored after the last of them."""

_ADD = """
for _, key in ipairs(KEYS) do redis.call('ZADD', key, ARGV[1], ARGV[2]) end
redis.call('EXPIRE', KEYS[2], ARGV[5])
for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])) do
  for _, key in ipairs(KEYS) do redis.call('ZREM', key, old) end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
"""
"""Add a record with its time, and remove the oldest ones above the maxima, of its bug and of all."""


class RedisIncidents:
    """The incidents of all servers on a Redis; `shared` is the link for data shared by all organisations."""

    def __init__(self, shared: Link) -> None:
        self._link = shared
        self._add = shared.script(_ADD)

    def incidents_key(self) -> str:
        """Return the key of the incidents."""
        return self._link.key("incidents")

    def alike_key(self, incident: Incident) -> str:
        """Return the key of the incidents of one bug."""
        return self._link.key("incidents", incident.bug)

    async def add(self, incident: Incident) -> None:
        """Store an incident."""
        keys = [self.incidents_key(), self.alike_key(incident)]
        limits = KEPT_INCIDENTS, KEPT_ALIKE, ALIKE_SECONDS
        record = encode_record(Incident, incident)
        await self._link.run(self._add, keys, incident.at_milliseconds, record, *limits)

    async def newest(self, count: int = KEPT_INCIDENTS) -> tuple[Incident, ...]:
        """Return the newest incidents, newest first. Raises: Unavailable for a record of a newer server."""
        found = await self._link.command("ZREVRANGE", self.incidents_key(), 0, count - 1)
        return tuple(decode_record(Incident, text, version=INCIDENT_VERSION) for text in found)
