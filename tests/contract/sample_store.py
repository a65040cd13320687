"""One record of each kind, in the storage of an organisation and in that of all."""

from __future__ import annotations

import time

from tests.contract.sample import (
    ACCOUNT,
    CHAIN,
    FAR_FUTURE,
    NOW,
    SIGNED,
    SIGNER,
    a_call,
    a_group,
    a_key,
    a_marked_event,
    a_session,
    an_account,
    an_event,
    an_install,
    an_organization,
    some_claims,
)
from tests.contract.unsigned import unsigned_of
from tests.support.api_keys import caller_of
from wallet_rpc.adapters.redis_store import RedisOrganizationStore, RedisStore
from wallet_rpc.domain.grant_warnings import WarningCode
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.rules.decision import Demand
from wallet_rpc.domain.rules.periods import Period, find_window_ends
from wallet_rpc.domain.rules.rule import AmountRule, RateRule, SessionRule
from wallet_rpc.domain.rules.stored_rules import Outcome, RuleSet
from wallet_rpc.domain.session_record import EntityChoice
from wallet_rpc.domain.session_reference import IndexedSession, SessionReference
from wallet_rpc.domain.session_stop import ORGANIZATION_SCOPE, OWNER, Controller, Creation, StopMode, StopRecord
from wallet_rpc.ports.rules import ReserveMode, RuledOperation
from wallet_rpc.primitives import EntityId, Hash32

SECRET_CALLER = "api-key-7f3a"
SECRET_KEY = "wrk_one"
THEIRS = an_account()
KEY = a_key(SECRET_KEY, requests_per_month=9)
UNSIGNED = unsigned_of(a_session(number=3), forget_at=FAR_FUTURE)
GROUP = a_group(1, an_install(1), an_install(2))
INDEXED = IndexedSession(
    id=a_session().id,
    account=ACCOUNT,
    chain_id=CHAIN,
    entity_id=EntityId(1),
    key=SIGNER,
    created_at=NOW,
    forget_at=FAR_FUTURE,
)
PAUSE = StopRecord(mode=StopMode.PAUSE, at=NOW, by=OWNER)
CONSENT_NONCE = 7
SESSION_CALL = a_call(number=2, nonce=NonceKey(entity_id=1).nonce(0))


async def fill_organization(storage: RedisOrganizationStore) -> None:
    await storage.accounts.add(THEIRS, after=0)
    await storage.accounts.find_by_signer(SIGNER)
    await storage.accounts.confirm(THEIRS)
    await storage.unsigned_sessions.claim(UNSIGNED, limit=1, now=NOW)
    await storage.unsigned_sessions.create(UNSIGNED, EntityChoice(), limit=1, now=NOW)
    await storage.sessions.activate(a_session(), forget_at=FAR_FUTURE)
    await storage.sessions.activate(a_session(number=2), forget_at=None)
    await storage.sessions.revoke(ACCOUNT, CHAIN, 1)
    await storage.sessions.set_expiry(ACCOUNT, CHAIN, 1, at=NOW)
    await storage.sessions.trust(ACCOUNT, CHAIN, SECRET_CALLER, forget_at=FAR_FUTURE)
    await storage.calls.claim(a_call(), SIGNED)
    await storage.calls.update(a_call(), a_call())
    await storage.session_index.add(INDEXED, now=NOW, tags=["tag"])
    await storage.calls.claim(SESSION_CALL, SIGNED)
    await storage.stops.add_controller(
        INDEXED.reference, Controller(organization=storage.stops.organization, key=SIGNER)
    )
    await storage.stops.add_creation(
        INDEXED.reference,
        Creation(
            controller=Controller(organization=storage.stops.organization, key=SIGNER),
            digest=Hash32(bytes(32)),
            nonce=0,
        ),
        forget_at=FAR_FUTURE,
    )
    await storage.stops.pause(INDEXED.reference, OWNER, PAUSE)
    await storage.stops.set_switch(ORGANIZATION_SCOPE, PAUSE)
    await storage.stops.use_nonce(ACCOUNT, CHAIN, CONSENT_NONCE, until=FAR_FUTURE)
    await fill_rules(storage)
    await storage.groups.register(GROUP)
    await storage.groups.revoke(GROUP.id, GROUP.installs[0].session_id, at=NOW)
    await storage.tokens.add(some_claims())
    await storage.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    await storage.audit.append(an_event())
    await storage.grant_policy.refuse_warnings([WarningCode.ROOT])
    await storage.events.announce(a_marked_event("announced"), at=FAR_FUTURE)


UNSIGNED_RULED = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(2))
"""A session with rules whose owner has not signed."""


async def fill_rules(storage: RedisOrganizationStore) -> None:
    """Set rules of a session, reserve for two operations, and settle one of them; a third call waits."""
    session = SessionReference(account=ACCOUNT, chain_id=CHAIN, entity_id=EntityId(1))
    rules: tuple[SessionRule, ...] = (
        AmountRule(type="amount", limit=9, period=Period.DAY),
        RateRule(type="rate", limit=9, seconds=9),
    )
    rule_set = RuleSet(rules=rules, organization=storage.rules.organization, changed_at=NOW, by="key")
    await storage.rules.write(session, "org", rule_set)
    await storage.rules.write(UNSIGNED_RULED, "org", rule_set, unsigned_until=FAR_FUTURE)
    stored = await storage.rules.read(session)
    assert stored is not None
    demand = Demand(amounts={"native": 3}, window_ends=find_window_ends(NOW), sums=stored.sums, rates=stored.rates)
    for number in (1, 2):
        operation = RuledOperation(session=session, nonce=number, hash=Hash32(bytes([number]) * 32))
        await storage.rules.reserve(operation, stored, demand, mode=ReserveMode.RESERVE, now=NOW, until=NOW + 9)
        await storage.rules.renew(operation, stored, now=NOW)
        if number == 1:
            await storage.rules.settle(operation, Outcome.SUCCEEDED, stored, now=NOW)
    await storage.rules.usage(session, now=NOW)
    await storage.approvals.add(SESSION_CALL)
    await storage.approvals.page(after=b"", limit=2)


async def fill_shared(store: RedisStore) -> None:
    await store.directory.add_organization(an_organization())
    await store.directory.add_key(KEY)
    await store.directory.revoke_key(KEY.id, at=NOW)
    await store.limiter.take(caller_of(KEY, token=some_claims()), 1, now=int(time.time()))
    await store.check_writable()
