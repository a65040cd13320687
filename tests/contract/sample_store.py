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
from wallet_rpc.domain.session_record import EntityChoice

SECRET_CALLER = "api-key-7f3a"
SECRET_KEY = "wrk_one"
THEIRS = an_account()
KEY = a_key(SECRET_KEY, requests_per_month=9)
UNSIGNED = unsigned_of(a_session(number=3), forget_at=FAR_FUTURE)
GROUP = a_group(1, an_install(1), an_install(2))


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
    await storage.groups.register(GROUP)
    await storage.groups.revoke(GROUP.id, GROUP.installs[0].session_id, at=NOW)
    await storage.tokens.add(some_claims())
    await storage.tokens.revoke(some_claims().id, until=FAR_FUTURE)
    await storage.audit.append(an_event())


async def fill_shared(store: RedisStore) -> None:
    await store.directory.add_organization(an_organization())
    await store.directory.add_key(KEY)
    await store.directory.revoke_key(KEY.id, at=NOW)
    await store.limiter.take(caller_of(KEY, token=some_claims()), 1, now=int(time.time()))
    await store.check_writable()
