"""Snapshots and reverts over HTTP: what a client of the wallet sees before and after them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from eth_account import Account

from tests.snapshots.conftest import FRIEND, TRANSFERS, fund
from tests.support.event_stream import StreamClient
from wallet_rpc.client import Call, Owner, RpcError, WalletClient
from wallet_rpc.client.exchange import Pause, RpcRequest
from wallet_rpc.testing import WalletServer


class Recording(WalletClient):
    """A client that keeps the requests it sent, by method; the newest of each."""

    sent: dict[str, RpcRequest]

    def _perform(self, step: RpcRequest | Pause) -> Any:
        if isinstance(step, RpcRequest):
            self.__dict__.setdefault("sent", {})[step.method] = step
        return super()._perform(step)


def list_ids(wallet: WalletClient, owner: Owner) -> list[str]:
    page = wallet.request("wallet_listSessions", {"account": str(owner.account)})
    return [session["sessionId"] for session in page["sessions"]]


def post(server: WalletServer, path: str, body: Any) -> Any:
    response = httpx2.post(server.url + path, json=body, headers={"x-api-key": server.api_key})
    assert response.status_code == 200
    return response.json()


def test_a_call_that_is_sent_again_after_a_revert_is_sent(server: WalletServer, owner: Owner) -> None:
    with Recording(server.url, api_key=server.api_key) as wallet:
        grant = wallet.grant(owner, Account.create(), *TRANSFERS)
        snapshot = wallet.request("evm_snapshot")
        call_id = wallet.send(grant, Call(to=FRIEND, value=60))
        assert wallet.wait(call_id).status == 200
        assert wallet.request("evm_revert", snapshot) is True
        with pytest.raises(RpcError, match="no call has the id"):
            wallet.request("wallet_getCallsStatus", str(call_id))
        assert wallet.request("eth_getBalance", str(FRIEND), "latest") == "0x0"

        again = json.loads(wallet._perform(wallet.sent["wallet_sendPreparedCalls"]))
        assert again["result"]["preparedCallIds"] == [str(call_id)]
        assert wallet.wait(call_id).status == 200
        assert wallet.request("eth_getBalance", str(FRIEND), "latest") == hex(60)
        with pytest.raises(RpcError, match="native-token-transfer"):  # the session's limit counts the call once
            wallet.send(grant, Call(to=FRIEND, value=41))
        assert wallet.wait(wallet.send(grant, Call(to=FRIEND, value=40))).status == 200


def test_sessions_stops_rules_and_accounts_go_back(wallet: WalletClient, owner: Owner) -> None:
    rule = {"type": "amount", "limit": "0x9", "period": "day"}
    kept = wallet.grant(owner, Account.create(), *TRANSFERS, rules=[rule])
    wallet.wait(wallet.send(kept, Call(to=FRIEND, value=4)))
    before = read_state(wallet, owner)
    snapshot = wallet.request("evm_snapshot")
    wallet.wait(wallet.send(kept, Call(to=FRIEND, value=5)))
    wallet.grant(owner, Account.create(), *TRANSFERS)
    stranger = wallet.open_account(Account.create())
    session = {"sessionId": before["sessions"][0]["sessionId"]}
    wallet.request("wallet_setSessionTags", {**session, "tags": ["red"]})
    wallet.request("wallet_pauseSession", session)
    wallet.request("wallet_stopSessions", {"scope": {"tag": "red"}, "mode": "pause"})
    assert read_state(wallet, owner) != before
    assert wallet.request("evm_revert", snapshot) is True
    assert read_state(wallet, owner) == before
    assert wallet.request("wallet_listAccounts", {"signerAddress": stranger.key.address})["accounts"] == []
    with pytest.raises(RpcError, match="rule"):
        wallet.send(kept, Call(to=FRIEND, value=6))
    assert wallet.wait(wallet.send(kept, Call(to=FRIEND, value=5))).status == 200


def test_the_end_of_a_session_is_published_again_after_a_revert(
    server: WalletServer, wallet: WalletClient, owner: Owner
) -> None:
    grant = wallet.grant(owner, Account.create(), *TRANSFERS)
    assert wallet.wait(wallet.send(grant, Call(to=FRIEND, value=1))).status == 200
    snapshot = wallet.request("evm_snapshot")
    with StreamClient(server.url, {"x-api-key": server.api_key}) as stream:

        def count_ends() -> int:
            return stream.types(sessionId=str(grant.session_id)).count("session.expired")

        for is_enough in (lambda: count_ends() == 1, lambda: count_ends() == 2):
            wallet.request("evm_increaseTime", 7200)
            stream.wait_for(is_enough)
            assert wallet.request("evm_revert", snapshot) is True
            snapshot = wallet.request("evm_snapshot")


def read_state(wallet: WalletClient, owner: Owner) -> dict[str, Any]:
    """Return what the wallet tells about its state."""
    listed = wallet.request("wallet_listSessions", {"account": str(owner.account)})["sessions"]
    return {
        "sessions": listed,
        "details": [wallet.request("wallet_getSession", {"sessionId": one["sessionId"]}) for one in listed],
        "stops": wallet.request("wallet_listStops"),
        "approvals": wallet.request("wallet_listApprovals"),
    }


def test_an_unknown_snapshot_changes_nothing(wallet: WalletClient, owner: Owner) -> None:
    older, newer = wallet.request("evm_snapshot"), wallet.request("anvil_snapshot")
    wallet.grant(owner, Account.create(), *TRANSFERS)
    before = list_ids(wallet, owner)
    for unknown in ("0x0", "0xffff", hex((1 << 256) - 1)):
        assert wallet.request("evm_revert", unknown) is False
    for malformed in ("latest", None, -1, hex(1 << 256)):
        with pytest.raises(RpcError, match=r"params\.snapshot: expected the number of a snapshot"):
            wallet.request("anvil_revert", malformed)
    assert list_ids(wallet, owner) == before
    assert wallet.request("anvil_revert", older) is True
    assert list_ids(wallet, owner) == []
    assert wallet.request("evm_revert", newer) is False
    assert wallet.request("evm_revert", older) is False


def test_requests_that_arrive_during_a_revert_wait_and_none_fails(server: WalletServer, wallet: WalletClient) -> None:
    owners = [fund(wallet) for _ in range(2)]
    snapshot = wallet.request("evm_snapshot")

    def use(owner: Owner) -> int:
        with WalletClient(server.url, api_key=server.api_key) as client:
            for _ in range(6):
                client.grant(owner, Account.create(), *TRANSFERS)
                client.request("eth_getBalance", str(FRIEND), "latest")
        return len(list_ids(wallet, owner))

    with ThreadPoolExecutor(3) as pool:
        working = [pool.submit(use, owner) for owner in owners]
        reverts = 0
        while not all(each.done() for each in working):
            assert wallet.request("evm_revert", snapshot) is True
            snapshot, reverts = wallet.request("evm_snapshot"), reverts + 1
        assert reverts > 0
        for each in working:
            each.result()
    assert wallet.request("evm_revert", snapshot) is True


def test_the_entries_of_a_batch_run_in_order(server: WalletServer, wallet: WalletClient, owner: Owner) -> None:
    snapshot = wallet.request("evm_snapshot")
    wallet.grant(owner, Account.create(), *TRANSFERS)
    balance = {"jsonrpc": "2.0", "id": 3, "method": "eth_getBalance", "params": [str(FRIEND), "latest"]}
    paid = {"method": "anvil_setBalance", "params": [str(FRIEND), "0x7"]}
    batch = [
        {"jsonrpc": "2.0", "id": 1, **paid},
        balance,
        {"jsonrpc": "2.0", "method": "evm_revert", "params": [snapshot]},
        {**balance, "id": 4},
        {"jsonrpc": "2.0", "id": 5, "method": "evm_revert", "params": {"snapshot": snapshot}},
        {"jsonrpc": "2.0", "id": 6, "method": "evm_revert"},
        {"id": 7, "method": "evm_revert", "params": [snapshot]},
    ]
    replies = post(server, "/chain/31337", batch)
    results = {reply["id"]: reply.get("result", reply.get("error", {}).get("code")) for reply in replies}
    assert results.pop(4) != "0x7"
    assert results == {1: None, 3: "0x7", 5: False, 6: -32602, 7: -32600}
    assert list_ids(wallet, owner) == []
