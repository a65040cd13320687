"""Webhooks in Redis: endpoints with their progress and the dead letters of an organisation, in one slot.

A lease in the same slot goes to one replica. Its writes are scripts that check the lease, so that a replica that lost
it cannot set back another one's progress.
"""

from __future__ import annotations

from wallet_rpc.adapters.redis_lease import Lease
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.webhook import KEPT_DEAD_LETTERS, MAX_ENDPOINTS, DeadLetter, FailedAttempts, WebhookEndpoint
from wallet_rpc.ports.events import FIRST_EVENT
from wallet_rpc.ports.webhooks import WebhookState
from wallet_rpc.wire import load_json

WEBHOOK_LEASE_SECONDS = 15.0
"""Time after which the deliveries of a replica that has ended go to another."""
_VERSION = 1

_ADD = f"""
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('HLEN', KEYS[1]) >= {MAX_ENDPOINTS} then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
"""
"""Store a webhook and its position, unless there are too many; a repeat succeeds again."""

_REMOVE = """
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
"""Delete a webhook and its progress."""

_ADVANCE = f"""
if redis.call('GET', KEYS[5]) ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[2])
if ARGV[4] ~= '' and redis.call('LINDEX', KEYS[4], 0) ~= ARGV[4] then
  redis.call('LPUSH', KEYS[4], ARGV[4])
  redis.call('LTRIM', KEYS[4], 0, {KEPT_DEAD_LETTERS - 1})
end
return 1
"""
"""Store the position of a webhook and a dead letter, if the writer has the lease."""

_NOTE_FAILURE = """
if redis.call('GET', KEYS[3]) ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
"""
"""Store the failed attempts of a webhook, if the writer has the lease."""

_LIST = """
return {redis.call('HVALS', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3])}
"""
"""Return the webhooks, their positions and their failed attempts."""


class RedisWebhooks:
    """`ports.webhooks.DeliveringWebhooks` on Redis; `shared` is the link for data shared by all organisations."""

    def __init__(self, link: Link, shared: Link, organization: OrganizationId) -> None:
        self._link = link
        self._shared = shared
        self._organization = organization
        self._add = link.script(_ADD)
        self._remove = link.script(_REMOVE)
        self._advance = link.script(_ADVANCE)
        self._note_failure = link.script(_NOTE_FAILURE)
        self._list = link.script(_LIST)
        tag = f"webhooks:{organization}"
        self.endpoints_key = link.key(tag, "endpoints")
        """Hash: the record of each webhook, by its id."""
        self.positions_key = link.key(tag, "positions")
        """Hash: the id of the newest event that each webhook took."""
        self.failures_key = link.key(tag, "failures")
        """Hash: the failed attempts to deliver the next event of a webhook."""
        self.dead_key = link.key(tag, "dead")
        """List: the dead letters, newest first."""
        self.lease_key = link.key(tag, "lease")
        """String: the mark of the replica that delivers."""
        self._lease = Lease(link, self.lease_key, seconds=WEBHOOK_LEASE_SECONDS)

    async def add(self, endpoint: WebhookEndpoint, *, position: str) -> bool:
        """Store a webhook that gets the events after a position; return False if the organisation has too many."""
        await self._shared.add_once(organizations_key(self._shared), self._organization)
        text = encode_record(WebhookEndpoint, endpoint)
        keys = [self.endpoints_key, self.positions_key]
        return bool(await self._link.run(self._add, keys, endpoint.id, text, position))

    async def remove(self, endpoint_id: str) -> bool:
        """Delete a webhook; return False if there is none."""
        keys = [self.endpoints_key, self.positions_key, self.failures_key]
        return bool(await self._link.run(self._remove, keys, endpoint_id))

    async def list(self) -> tuple[WebhookState, ...]:
        """Return the webhooks, oldest first."""
        keys = [self.endpoints_key, self.positions_key, self.failures_key]
        records, positions, failures = await self._link.run(self._list, keys)
        position_of, failure_of = _pairs(positions), _pairs(failures)
        found = [decode_record(WebhookEndpoint, text, version=_VERSION) for text in records]
        return tuple(
            WebhookState(
                endpoint=each,
                position=position_of.get(each.id, FIRST_EVENT.encode()).decode(),
                failed=load_json(FailedAttempts, failure_of[each.id]) if each.id in failure_of else None,
            )
            for each in sorted(found, key=lambda one: (one.created_at, one.id))
        )

    async def list_dead(self) -> tuple[DeadLetter, ...]:
        """Return the dead letters, newest first."""
        texts = await self._link.command("LRANGE", self.dead_key, 0, -1)
        return tuple(decode_record(DeadLetter, text, version=_VERSION) for text in texts)

    async def hold(self) -> bool:
        """Take or extend the lease on deliveries; return False while another replica has it."""
        return await self._lease.take()

    async def leave(self) -> None:
        """End the lease, if this replica has it."""
        await self._lease.leave()

    async def advance(self, endpoint_id: str, position: str, *, dead: DeadLetter | None = None) -> bool:
        """Store the progress of a webhook, and a dead letter; return False without the lease or the webhook."""
        keys = [self.endpoints_key, self.positions_key, self.failures_key, self.dead_key, self.lease_key]
        text = "" if dead is None else encode_record(DeadLetter, dead)
        return bool(await self._link.run(self._advance, keys, self._lease.mark, endpoint_id, position, text))

    async def note_failure(self, endpoint_id: str, failed: FailedAttempts) -> bool:
        """Store the failed attempts of a webhook; return False without the lease or the webhook."""
        keys = [self.endpoints_key, self.failures_key, self.lease_key]
        text = encode_record(FailedAttempts, failed)
        return bool(await self._link.run(self._note_failure, keys, self._lease.mark, endpoint_id, text))


def organizations_key(shared: Link) -> str:
    """Return the key of the organisations that had webhooks: a sorted set."""
    return shared.key("webhooks")


def _pairs(flat: list[bytes]) -> dict[str, bytes]:
    """Return the fields of a hash, which a script returns as a flat list."""
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
