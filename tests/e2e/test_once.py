"""Idempotent submission under repeated and concurrent requests, and clear errors while a session is being installed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.stacks import on_both_stacks
from tests.support.calls import transfer
from tests.support.constants import FRIEND, ROOT
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks


def run_at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """Run all jobs at the same moment, and return their results or errors."""
    barrier = threading.Barrier(len(jobs))

    def start(job: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return job()
        except RpcError as error:
            return error

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(start, jobs))


def test_sending_again_returns_the_same_id_and_sends_nothing(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    before = wallet.client.token_balance(FRIEND)
    prepared = wallet.prepare(transfer(3), permissions=grant.permissions)
    ids = {wallet.send(prepared, grant.key, grant.permissions) for _ in range(4)}
    assert len(ids) == 1
    assert wallet.wait_until_final(ids.pop())["status"] == 200
    assert wallet.client.token_balance(FRIEND) == before + 3


def test_sixteen_equal_concurrent_sends_are_one_operation(wallet: Wallet) -> None:
    before = wallet.client.token_balance(FRIEND)
    prepared = wallet.prepare(transfer(3))
    answers = run_at_once(*[lambda: wallet.send(prepared, wallet.owner)] * 16)
    assert len(set(answers)) == 1
    assert isinstance(answers[0], str)
    assert wallet.wait_until_final(answers[0])["status"] == 200
    assert wallet.client.token_balance(FRIEND) == before + 3


def test_sixty_four_concurrent_sessions_have_sixty_four_entity_ids(wallet: Wallet) -> None:
    created = run_at_once(*[lambda: wallet.create_session(ROOT)[0]] * 64)
    nonces = {int(one["signatureRequest"]["data"]["message"]["nonce"], 16) for one in created}
    assert sorted(nonce >> 72 & 0xFFFFFFFF for nonce in nonces) == list(range(1, 65))
    assert len({one["sessionId"] for one in created}) == 64


def test_two_pending_sessions_can_both_be_used(wallet: Wallet) -> None:
    first, second = (
        wallet.grant(ROOT),
        wallet.grant({"type": "contract-access", "data": {"address": transfer(1)["to"]}}),
    )
    assert wallet.act(second, transfer(1))["status"] == 200
    assert wallet.act(first, transfer(1))["status"] == 200


def is_settled(wallet: Wallet, answer: Any) -> bool:
    """Return True when the call has settled; otherwise check that its error is retryable."""
    if isinstance(answer, str):
        assert wallet.wait_until_final(answer)["status"] == 200
        return True
    assert isinstance(answer, RpcError)
    if wallet.client.holds_operations and answer.reason == "replacement_underpriced":
        return False  # a bundler with a mempool keeps the first of two operations with one nonce
    assert answer.data.get("retryable") is True, (answer.code, answer.message, answer.data)
    assert answer.code == -32000
    assert answer.reason in {"stale_nonce", "session_install_pending", "session_not_installed", "account_deployed"}
    return False


def test_calls_prepared_before_the_installation_settle_or_are_stale(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    before = wallet.client.token_balance(FRIEND)
    prepared = [wallet.prepare(transfer(amount), permissions=grant.permissions) for amount in range(1, 7)]
    random.shuffle(prepared)
    settled = 0
    for one in prepared:
        try:
            answer: Any = wallet.send(one, grant.key, grant.permissions)
        except RpcError as error:
            answer = error
        settled += is_settled(wallet, answer)
    assert settled == 1
    assert wallet.client.token_balance(FRIEND) > before


def test_different_concurrent_calls_during_the_installation_settle_or_are_retryable(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    prepared = [wallet.prepare(transfer(amount), permissions=grant.permissions) for amount in range(1, 7)]
    answers = run_at_once(*[lambda one=one: wallet.send(one, grant.key, grant.permissions) for one in prepared])
    assert sum(is_settled(wallet, answer) for answer in answers) == 1


def test_concurrent_preparing_and_sending_with_a_new_session_settles_or_is_retryable(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)

    def act(amount: int) -> str:
        prepared = wallet.prepare(transfer(amount), permissions=grant.permissions)
        return wallet.send(prepared, grant.key, grant.permissions)

    before = wallet.client.token_balance(FRIEND)
    answers = run_at_once(*[lambda amount=amount: act(amount) for amount in range(1, 9)])
    settled = [amount for amount, answer in zip(range(1, 9), answers, strict=True) if is_settled(wallet, answer)]
    assert settled
    assert wallet.client.token_balance(FRIEND) == before + sum(settled)


def test_first_calls_of_two_sessions_that_both_deploy_settle_or_are_retryable(wallet: Wallet) -> None:
    first, second = wallet.grant(ROOT), wallet.grant(ROOT)
    prepared = [(grant, wallet.prepare(transfer(1), permissions=grant.permissions)) for grant in (first, second)]
    answers = run_at_once(*[lambda one=one: wallet.send(one[1], one[0].key, one[0].permissions) for one in prepared])
    assert sum(is_settled(wallet, answer) for answer in answers) == 1
    assert wallet.act(first, transfer(1))["status"] == wallet.act(second, transfer(1))["status"] == 200


def test_plain_calls_with_one_nonce_settle_or_are_stale(wallet: Wallet) -> None:
    prepared = [wallet.prepare(transfer(amount)) for amount in (1, 2, 3)]
    answers = run_at_once(*[lambda one=one: wallet.send(one, wallet.owner) for one in prepared])
    assert sum(is_settled(wallet, answer) for answer in answers) == 1


def test_concurrent_requests_for_one_signer_get_one_account(client: Client) -> None:
    wallet = Wallet(client)
    request = {"signerAddress": wallet.owner.address}
    answers = run_at_once(*[lambda: client.rpc("wallet_requestAccount", request)] * 16)
    assert len({(one["accountAddress"], one["id"]) for one in answers}) == 1


@pytest.mark.dev_only("Alto rejects operations that expire within seconds")
def test_a_sent_call_keeps_its_id_after_its_session_has_expired(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT, expirySec=int(time.time()) + 4)
    prepared = wallet.prepare(transfer(1), permissions=grant.permissions)
    call_id = wallet.send(prepared, grant.key, grant.permissions)
    time.sleep(5.1)
    assert wallet.send(prepared, grant.key, grant.permissions) == call_id
