"""Signed payloads that were included although this server has no record, or one of an earlier server or another tenant.

Whoever sends such a payload again must not be told to prepare the calls again: that would pay twice.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.sample import a_key
from tests.operations.conftest import WalletFixture
from tests.support.api_keys import caller_of
from tests.support.constants import FRIEND
from wallet_rpc.domain.call_record import CallRecord, downgrade_record
from wallet_rpc.domain.prepared import parse_call_id
from wallet_rpc.primitives import Data
from wallet_rpc.wire import encode

CALL = {"to": FRIEND}


async def lose_record(wallet: WalletFixture, call_id: str) -> CallRecord:
    """Delete a call's record and signed form, and return the record."""
    calls = wallet.store.calls
    chain_id, name = parse_call_id(Data.parse(call_id))
    record = await calls.get(chain_id, name)
    assert record is not None
    await calls._link.command("DEL", calls.call_key(chain_id, name), calls.signed_key(chain_id, name))
    return record


async def write_earlier(wallet: WalletFixture, record: CallRecord, state: str) -> None:
    """Write a record as a server before 0.2.0 does."""
    text = json.dumps({**downgrade_record(encode(CallRecord, record)), "state": state})
    key = wallet.store.calls.call_key(record.chain_id, record.hash)
    await wallet.store.calls._link.command("HSET", key, "record", text, "state", state, "claim", "old", "ticket", 1)


async def test_an_included_call_whose_record_was_lost_gets_its_id(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    await lose_record(wallet, call_id)
    wallet.mempool.refuses_used_nonces = True

    assert await wallet.send(prepared, wallet.owner) == call_id
    assert await wallet.status(call_id) == 200


@pytest.mark.parametrize("state", ["sent", "sending"])
async def test_an_included_call_of_an_earlier_server_gets_its_id(wallet: WalletFixture, state: str) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    await write_earlier(wallet, await lose_record(wallet, call_id), state)
    wallet.mempool.refuses_used_nonces = True

    assert await wallet.send(prepared, wallet.owner) == call_id
    assert await wallet.status(call_id) == 200


async def test_an_included_call_of_another_organization_gets_its_id(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    await wallet.mempool.mine()
    caller = caller_of(a_key())
    store = wallet.store.for_organization(caller.organization)
    other = wallet.with_ports(replace(wallet.ports, caller=caller, store=store))
    await other.request_account()
    wallet.mempool.refuses_used_nonces = True

    assert await other.send(prepared, other.owner) == call_id
    assert await other.status(call_id) == 200


@pytest.mark.parametrize("by_session", [False, True])
async def test_a_pending_call_of_an_earlier_server_is_delivered_once_it_is_sent_again(
    wallet: WalletFixture, by_session: bool
) -> None:
    grant = await wallet.grant_root() if by_session else None
    key, permissions = (wallet.owner, None) if grant is None else (grant.key, grant.permissions)
    capabilities: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
    prepared = await wallet.prepare(CALL, **capabilities)
    call_id = await wallet.send(prepared, key, permissions)
    wallet.mempool.drop()
    await write_earlier(wallet, await lose_record(wallet, call_id), "sent")
    await wallet.work(after=60)
    assert wallet.mempool.sent == 1
    assert (await wallet.details(call_id))["pendingReason"]["reason"] == "not_stored"

    assert await wallet.send(prepared, key, permissions) == call_id
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200
