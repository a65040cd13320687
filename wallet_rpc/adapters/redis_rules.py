"""Rules of sessions in Redis, and what counts against them: one slot per account, one script per decision.

Organisations share them like entity ids, since the session key may act through any of them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable

from wallet_rpc.adapters import rules_lifetime, rules_scripts
from wallet_rpc.adapters.redis_deadlines import Deadlines
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_records import decode_record, encode_record
from wallet_rpc.adapters.redis_unsigned import account_tag
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.rules.decision import Demand
from wallet_rpc.domain.rules.periods import find_window_end
from wallet_rpc.domain.rules.stored_rules import (
    ExceededRate,
    ExceededSum,
    Outcome,
    RuleSet,
    StoredRules,
    SumUsage,
    Usage,
)
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import LimitExceeded
from wallet_rpc.ports.rules import ReserveMode, RuledOperation, RulesChanged
from wallet_rpc.primitives import UnixSeconds

_SET = "s:"
"""Start of the fields that hold sets of rules."""


class RedisRules:
    """`ports.rules.SessionRules` on Redis."""

    def __init__(self, shared: Link, organization: OrganizationId, *, deadlines: Deadlines) -> None:
        self._link = shared
        self._deadlines = deadlines
        self.organization = organization
        self._write = shared.script(rules_lifetime.WRITE)
        self._reserve = shared.script(rules_scripts.RESERVE_AMOUNTS)
        self._keep = shared.script(rules_lifetime.KEEP)
        self._renew = shared.script(rules_scripts.RENEW)
        self._settle = shared.script(rules_scripts.SETTLE_AMOUNTS)
        self._usage = shared.script(rules_scripts.USAGE)

    def rules_key(self, session: SessionReference) -> str:
        """Return the key of a session's rules: a hash of its sets and their version."""
        return self._link.key(account_tag(session.account, session.chain_id), "rules", str(session.entity_id))

    def keys(self, session: SessionReference) -> list[str]:
        """Return the keys of rules, used amounts, reservations, operations by time, settled ones, forgotten rules."""
        tag, entity_id = account_tag(session.account, session.chain_id), str(session.entity_id)
        parts = ((), ("open",), ("rate",), ("settled",))
        usage = (self._link.key(tag, "usage", entity_id, *part) for part in parts)
        return [self.rules_key(session), *usage, self.forgotten_key(session)]

    def forgotten_key(self, session: SessionReference) -> str:
        """Return the key of an account's entity ids whose rules are deleted unless the owner's signature comes."""
        return self._link.key(account_tag(session.account, session.chain_id), "rules-unsigned")

    async def read(self, session: SessionReference) -> StoredRules | None:
        """Return the rules of a session; None without any."""
        flat = await self._link.command("HGETALL", self.rules_key(session))
        fields = {name.decode(): value for name, value in _pairs(flat)}
        if not fields:
            return None
        sets = {
            name.removeprefix(_SET): decode_record(RuleSet, value, version=1)
            for name, value in fields.items()
            if name.startswith(_SET)
        }
        return StoredRules(version=fields["version"].decode(), sets=sets)

    async def write(
        self,
        session: SessionReference,
        name: str,
        rule_set: RuleSet,
        *,
        replaces_all: bool = False,
        forget_at: UnixSeconds | None = None,
        unsigned_until: UnixSeconds | None = None,
    ) -> None:
        """Replace the set with a name, or all sets; an empty set is removed."""
        await self._link.run_durably(
            self._write,
            self.keys(session),
            name,
            encode_record(RuleSet, rule_set) if rule_set.rules else "",
            secrets.token_hex(8),
            "all" if replaces_all else "",
            self._deadlines.deletion(session.chain_id, forget_at),
            self._deadlines.deletion(session.chain_id, unsigned_until),
            session.entity_id,
        )

    async def keep(self, session: SessionReference) -> None:
        """Lengthen the life of rules of an unsigned session to that of the signed one, never shorten it."""
        await self._link.run_durably(self._keep, self.keys(session), session.entity_id)

    async def is_forgotten(self, session: SessionReference) -> bool:
        """Return True for a session without rules whose rules were deleted before its owner's signature came."""
        if not await self._link.command("SISMEMBER", self.forgotten_key(session), session.entity_id):
            return False
        return not await self._link.command("EXISTS", self.rules_key(session))

    async def reserve(
        self,
        operation: RuledOperation,
        rules: StoredRules,
        demand: Demand,
        *,
        mode: ReserveMode,
        now: UnixSeconds,
        until: UnixSeconds | None,
    ) -> ExceededSum | ExceededRate | None:
        """Reserve the amounts of an operation, or return the limit that it would exceed. Raises: RulesChanged."""
        sums, rates = demand.sums, demand.rates
        run = self._link.run if mode is ReserveMode.CHECK else self._link.run_durably
        answer = await run(
            self._reserve,
            self.keys(operation.session),
            mode,
            now,
            "" if until is None else until,
            *_name(operation),
            rules.version,
            _encode_demand(demand),
            json.dumps([[each.name, each.period, str(each.limit)] for each in sums]),
            json.dumps([[each.seconds, each.limit] for each in rates]),
            rules_scripts.MAX_OPEN,
            self.organization,
        )
        match answer[0]:
            case b"changed":
                raise RulesChanged
            case b"full":
                raise LimitExceeded(
                    f"the session has {rules_scripts.MAX_OPEN} operations that are not final, which is the maximum",
                    limit=rules_scripts.MAX_OPEN,
                )
            case b"sum":
                return ExceededSum(limit=sums[answer[1] - 1], others=int(answer[2]), window_end=int(answer[3]))
            case b"rate":
                return ExceededRate(limit=rates[answer[1] - 1], others=int(answer[2]), free_at=int(answer[3]))
            case _:
                return None

    async def renew(self, operation: RuledOperation, rules: StoredRules, *, now: UnixSeconds) -> bool:
        """Keep the reservation of an operation until its outcome; return False without one under these rules."""
        keys = self.keys(operation.session)
        arguments = rules.version, now, self.organization
        return bool(await self._link.run(self._renew, keys, *_name(operation), *arguments))

    async def settle(
        self,
        operation: RuledOperation,
        outcome: Outcome,
        rules: StoredRules,
        *,
        now: UnixSeconds,
        unreserved: Demand | None = None,
    ) -> bool:
        """Replace the reservation of an operation by its outcome. Raises: RulesChanged."""
        sums = sorted({(each.name, each.period.value) for each in rules.sums})
        answer = await self._link.run_durably(
            self._settle,
            self.keys(operation.session),
            *_name(operation),
            outcome,
            now,
            "" if unreserved is None else _encode_demand(unreserved),
            json.dumps(sums),
            rules.version,
            operation.session.entity_id,
            self.organization,
        )
        if answer < 0:
            raise RulesChanged
        return bool(answer)

    async def usage(self, session: SessionReference, *, now: UnixSeconds, nonce: int | None = None) -> Usage | None:
        """Return what counts against the rules of a session, and what a nonce has of it; None without rules."""
        rules = await self.read(session)
        if rules is None:
            return None
        sums = [[each.name, each.period, str(find_window_end(each.period, now))] for each in rules.sums]
        rates = [[each.seconds, each.limit] for each in rules.rates]
        name = "" if nonce is None else _name_nonce(nonce)
        found, counts = await self._link.run(
            self._usage, self.keys(session), now, json.dumps(sums), json.dumps(rates), name
        )
        return Usage(
            rules=rules,
            sums=tuple(SumUsage(used=int(each[0]), reserved=int(each[1]), replaced=int(each[2])) for each in found),
            rates=tuple(count for count, _ in counts),
            replaced_rates=tuple(replaced for _, replaced in counts),
        )


def _name(operation: RuledOperation) -> tuple[str, str]:
    return _name_nonce(operation.nonce), operation.hash.hex()


def _name_nonce(nonce: int) -> str:
    return f"{nonce:x}"


def _encode_demand(demand: Demand) -> str:
    amounts = {name: str(amount) for name, amount in demand.amounts.items()}
    windows = {period.value: str(end) for period, end in demand.window_ends.items()}
    return json.dumps({"a": amounts, "w": windows})


def _pairs(flat: dict[bytes, bytes] | list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
