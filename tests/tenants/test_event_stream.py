"""The stream of events by credential: organisations are kept apart, and a token sees its wallet alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack

import httpx2
import pytest

from tests.e2e.process import until
from tests.support.constants import ROOT
from tests.support.event_stream import StreamClient
from tests.support.keys import new_key
from tests.support.wallet import Wallet
from tests.support.web_socket import open_socket
from tests.tenants.acceptance import create_token
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import Scope, derive_key_id
from wallet_rpc.edge import chain_subscriptions, event_stream, followers


def bearer(tenant: Tenant, wallet: str, *scopes: Scope) -> dict[str, str]:
    return {"authorization": f"Bearer {create_token(tenant, wallet, *scopes)}"}


def open_stream(url: str, headers: Mapping[str, str]) -> httpx2.Response:
    return httpx2.get(f"{url}/v1/events", headers=dict(headers), timeout=30)


def test_no_organization_sees_the_events_of_another(tenant: Tenant, other: Tenant) -> None:
    with StreamClient(tenant.url, tenant.headers) as mine, StreamClient(tenant.url, other.headers) as theirs:
        Wallet(tenant.client()).create_session(ROOT)
        mine.wait_for(lambda: mine.types() == ["session.created"])
        Wallet(other.client()).create_session(ROOT)
        theirs.wait_for(lambda: len(theirs.messages) == 1)
        time.sleep(0.5)
        assert len(mine.messages) == len(theirs.messages) == 1
    with StreamClient(other.url, other.headers, [("lastEventId", "0-0")]) as all_of_theirs:
        all_of_theirs.wait_for(lambda: len(all_of_theirs.messages) == 1)
        assert all_of_theirs.messages[0].id == theirs.messages[0].id


def test_a_token_sees_the_accounts_of_its_wallet_alone(tenant: Tenant) -> None:
    mine, other = Wallet(tenant.client()), Wallet(tenant.client())
    headers = bearer(tenant, mine.owner.address, Scope.WALLET_STREAM)
    with StreamClient(tenant.url, headers) as stream:
        other.create_session(ROOT)
        session = mine.create_session(ROOT)[0]
        stream.wait_for(lambda: len(stream.messages) == 1)
        mine.create_session(ROOT)
        stream.wait_for(lambda: len(stream.messages) == 2)
        of_other = [("account", other.account), ("lastEventId", "0-0")]
        with StreamClient(tenant.url, headers, of_other) as filtered:
            time.sleep(0.5)
            assert filtered.messages == []
    assert stream.messages[0].data["sessionId"] == session["sessionId"]
    assert {each.data["account"] for each in stream.messages} <= {mine.account}


def test_a_token_needs_the_scope(tenant: Tenant) -> None:
    answer = open_stream(tenant.url, bearer(tenant, new_key().address, Scope.WALLET_READ))

    assert (answer.status_code, answer.json()["message"]) == (403, "Insufficient scope: wallet:stream required")


async def test_a_key_that_is_revoked_ends_its_streams(
    tenant: Tenant, directory: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "CHECK_SECONDS", 0.2)
    headers = [tenant.headers, bearer(tenant, new_key().address, Scope.WALLET_STREAM)]
    with ExitStack() as opened:
        streams = [opened.enter_context(StreamClient(tenant.url, each)) for each in headers]
        await directory.directory.revoke_key(derive_key_id(tenant.key), at=1)
        streams[0].wait_for(lambda: streams[0].has_ended)
        streams[1].wait_for(lambda: streams[1].has_ended)
    assert [stream.notices() for stream in streams] == [[("end", "api_key_revoked")]] * 2


async def test_a_key_that_is_revoked_ends_its_subscriptions_to_a_chain(
    tenant: Tenant, directory: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_subscriptions, "CHECK_SECONDS", 0.2)
    async with open_socket(f"{tenant.url}/v2", tenant.headers) as client:
        await client.result("eth_subscribe", "newHeads")
        await asyncio.sleep(0.5)
        assert client.close_code is None, "a valid key is checked, too"
        await directory.directory.revoke_key(derive_key_id(tenant.key), at=1)
        await client.wait_for(lambda: client.close_code is not None)
        assert client.close_code == 1008


def test_the_connections_of_a_caller_are_limited(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "CONNECTIONS_OF_ONE", 2)
    monkeypatch.setattr(followers, "CONNECTIONS_OF_TOKENS", 3)
    token, second = (bearer(tenant, new_key().address, Scope.WALLET_STREAM) for _ in range(2))
    with ExitStack() as opened:
        for headers in (token, token, second):
            opened.enter_context(StreamClient(tenant.url, headers))
        assert [open_stream(tenant.url, each).status_code for each in (token, second)] == [429, 429]
        opened.enter_context(StreamClient(tenant.url, tenant.headers))
    ended = time.monotonic()
    until(lambda: _is_accepted(tenant.url, token), "the ended ones do not count any more")
    assert time.monotonic() - ended < followers.CHECK_SECONDS, "a client that left is noticed at once"


def _is_accepted(url: str, headers: Mapping[str, str]) -> bool:
    time.sleep(0.3)  # each attempt counts against the token's rate limit
    with httpx2.stream("GET", f"{url}/v1/events", headers=dict(headers), timeout=30) as answer:
        return answer.status_code == 200
