"""Calls at the moment of a stop: rejected if they were not handed over yet, listed as in flight if they were."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.api_keys import caller_of, issue_api_key
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import sign_request
from tests.support.wallet import Grant
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.errors import Unavailable

CALL = {"to": FRIEND}
AWAY = Unavailable("the bundler does not answer", part="bundler")


@pytest.fixture
async def session(wallet: WalletFixture) -> Grant:
    """Give the wallet an API key and an installed session, over a bundler that holds operations."""
    organization = OrganizationId("org_stopping")
    caller = caller_of(issue_api_key(organization=organization)[1])
    wallet.ports = replace(wallet.ports, caller=caller, store=wallet.store.for_organization(organization))
    await wallet.request_account()
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    grant = await wallet.grant_root()
    call_id = await send(wallet, grant)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
    wallet.mempool.sent = 0
    return grant


async def send(wallet: WalletFixture, grant: Grant) -> str:
    """Send a call of the session, and return its id."""
    return await wallet.send(await wallet.prepare(CALL, permissions=grant.permissions), grant.key, grant.permissions)


async def stop(wallet: WalletFixture, grant: Grant, kind: str) -> dict[str, Any]:
    """Stop the session, and return the answer."""
    session = {"sessionId": grant.session_id}
    scope = {"scope": {"account": wallet.account}, "mode": "pause"}
    method, request = {
        "pause": ("wallet_pauseSession", session),
        "revoke": ("wallet_revokeSession", session),
        "switch": ("wallet_stopSessions", scope),
    }[kind]
    answer: dict[str, Any] = await wallet.client.rpc(method, request)
    return answer


REASONS = {"pause": "session_paused", "revoke": "session_revoked", "switch": "session_paused"}


class RefusingBundler:
    """A bundler that received nothing."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.is_away = inner, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def send(self, operation: Any) -> Any:
        if self.is_away:
            raise AWAY
        return await self.inner.send(operation)


@pytest.mark.parametrize("kind", REASONS)
async def test_an_accepted_call_is_stopped_before_it_is_handed_over(
    wallet: WalletFixture,
    session: Grant,
    kind: str,
) -> None:
    bundler = RefusingBundler(wallet.mempool)
    wallet.change_chain(bundler=bundler)
    call_id = await send(wallet, session)
    assert (await wallet.details(call_id))["state"] == "accepted"

    answer = await stop(wallet, session, kind)

    assert (answer["stopped"], answer.get("inFlight", [])) == ([call_id], [])
    status = await wallet.client.rpc("wallet_getCallsStatus", call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, REASONS[kind])
    bundler.is_away = False
    await wallet.work(after=60)
    assert wallet.mempool.sent == 0


@pytest.mark.parametrize("kind", REASONS)
async def test_a_worker_hands_over_no_call_of_a_stopped_session(
    wallet: WalletFixture,
    session: Grant,
    kind: str,
) -> None:
    """The stop is written by another process, which lists the calls of another organisation."""
    bundler = RefusingBundler(wallet.mempool)
    wallet.change_chain(bundler=bundler)
    call_id = await send(wallet, session)
    listed: Any = wallet.ports.store.stops  # the adapter's
    for key in listed.opened.keys:
        await listed._link.command("DEL", key)
    assert (await stop(wallet, session, kind)).get("stopped", []) == []

    bundler.is_away = False
    await work(wallet, after=60)

    assert wallet.mempool.sent == 0
    status = await wallet.client.rpc("wallet_getCallsStatus", call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, REASONS[kind])


async def work(wallet: WalletFixture, *, after: int) -> None:
    """Have a worker of the organisation do what is due."""
    wallet.clock.ahead_seconds += after
    await wallet.workers.run_once()


@pytest.mark.parametrize("kind", REASONS)
async def test_a_call_that_was_handed_over_is_in_flight_and_not_sent_again(
    wallet: WalletFixture,
    session: Grant,
    kind: str,
) -> None:
    call_id = await send(wallet, session)
    answer = await stop(wallet, session, kind)
    assert [(call["id"], call["state"]) for call in answer["inFlight"]] == [(call_id, "submitted")]
    assert answer.get("stopped", []) == []

    wallet.mempool.drop()
    await work(wallet, after=60)
    assert wallet.mempool.sent == 1, "the bundler lost it, and it is not sent again"
    assert await wallet.status(call_id) == 100

    if kind == "pause":
        await wallet.client.rpc("wallet_resumeSession", {"sessionId": session.session_id})
        await work(wallet, after=60)
        assert wallet.mempool.sent == 2


async def test_a_call_whose_handing_over_began_is_in_flight(
    wallet: WalletFixture,
    session: Grant,
) -> None:
    wallet.mempool.resume = asyncio.Event()
    sending = asyncio.create_task(send(wallet, session))
    await wallet.mempool.is_waiting.wait()
    answer = await stop(wallet, session, "pause")
    wallet.mempool.resume.set()
    call_id = await sending
    assert [call["id"] for call in answer["inFlight"]] == [call_id]


async def test_a_stop_between_acceptance_and_handing_over_is_seen(
    wallet: WalletFixture,
    session: Grant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stop is written after the call was stored, and before the stops are read for its first attempt."""
    calls = wallet.ports.store.calls
    claim = calls.claim

    async def claim_then_stop(*arguments: Any) -> Any:
        stored = await claim(*arguments)
        await stop(wallet, session, "pause")
        return stored

    monkeypatch.setattr(calls, "claim", claim_then_stop)
    prepared = await wallet.prepare(CALL, permissions=session.permissions)
    with pytest.raises(Exception, match="the session is paused") as refused:
        await wallet.send(prepared, session.key, session.permissions)
    assert getattr(refused.value, "reason", None) == "session_paused"
    assert wallet.mempool.sent == 0


async def test_final_calls_are_not_listed(wallet: WalletFixture, session: Grant) -> None:
    call_id = await send(wallet, session)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
    answer = await stop(wallet, session, "pause")
    assert (answer.get("inFlight", []), answer.get("stopped", [])) == ([], [])


async def test_a_kill_switch_lists_the_calls_of_its_own_sessions_only(wallet: WalletFixture, session: Grant) -> None:
    call_id = await send(wallet, session)
    tags = {"sessionId": session.session_id, "tags": ["payroll"]}
    await wallet.client.rpc("wallet_setSessionTags", tags)
    await stop(wallet, session, "pause")

    async def list_by(**scope: Any) -> list[str]:
        answer = await wallet.client.rpc("wallet_stopSessions", {"scope": scope})
        return [call["id"] for call in answer.get("inFlight", [])]

    for outside in ({"tag": "other"}, {"key": FRIEND}, {"account": FRIEND}):
        assert await list_by(**outside) == []
    inside: list[dict[str, Any]] = [
        {"tag": "payroll"},
        {"key": session.key.address},
        {"account": wallet.account},
        {"organization": True},
    ]
    for scope in inside:
        assert await list_by(**scope) == [call_id], scope


async def test_the_owners_stop_lists_the_calls_on_its_chain_only(wallet: WalletFixture, session: Grant) -> None:
    """The other chain has the same account, since its node is the same."""
    call_id = await send(wallet, session)
    await stop(wallet, session, "pause")
    here = wallet.ports.chains[CHAIN]
    wallet.ports = replace(wallet.ports, chains={CHAIN: here, CHAINS[1]: replace(here, chain_id=CHAINS[1])})
    for chain_id, expected in ((CHAINS[1], []), (CHAIN, [call_id])):
        change = {"action": "pauseAccount", "account": wallet.account, "chainId": hex(chain_id)}
        prepared = await wallet.client.rpc("wallet_prepareSessionChange", change)
        signature = sign_request(wallet.owner, prepared["signatureRequest"])
        signed = {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}
        request = {"scope": {"account": wallet.account}, "chainId": hex(chain_id), "ownerSignature": signed}
        answer = await wallet.client.rpc("wallet_stopSessions", request)
        assert [call["id"] for call in answer.get("inFlight", [])] == expected
