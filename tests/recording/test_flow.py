"""A whole client, recorded with the development server and replayed without it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from eth_account import Account
from eth_utils.crypto import keccak

from tests.support.constants import FRIEND
from tests.support.keys import new_key
from tests.support.recording import run_recorder, run_replay
from tests.support.rpc_client import Client
from tests.support.wallet import Wallet
from wallet_rpc.client import Address, Call, RpcError, WalletClient
from wallet_rpc.devchain.dev_constants import API_KEY

TRANSFERS = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}
ALLOWANCE = {"type": "native-token-transfer", "data": {"allowance": "0x64"}}
OWNER_KEY, SESSION_KEY = (f"0x{digit * 64}" for digit in "ab")


def pay(url: str, value: int = 7, *, keys: tuple[str, str] | None = None) -> dict[str, Any]:
    """Grant a session, pay with it and be denied, with the package's own client; return the results."""
    owner_key, session_key = (Account.from_key(each) for each in keys) if keys else (new_key(), new_key())
    with WalletClient(url) as wallet:
        owner = wallet.open_account(owner_key)
        wallet.request("anvil_setBalance", str(owner.account), hex(10**18))
        grant = wallet.grant(owner, session_key, ALLOWANCE, TRANSFERS)
        status = wallet.wait(wallet.send(grant, Call(to=Address.parse(FRIEND), value=value)))
        with pytest.raises(RpcError, match="native-token-transfer") as denied:
            wallet.send(grant, Call(to=Address.parse(FRIEND), value=101))
        sessions = wallet.request("wallet_listSessions", {"account": str(owner.account)})["sessions"]
        keys_listed = [each["key"]["publicKey"].lower() for each in sessions]
    assert keys_listed == [session_key.address.lower()]
    return {"account": str(owner.account), "status": status.status, "denied": denied.value.reason}


@dataclass
class Recorded:
    """A recording of `pay` with random keys."""

    file: Path
    results: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def recorded(url: str, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    found = Recorded(tmp_path_factory.mktemp("recording") / "pay.jsonl")
    with run_recorder(url, found.file) as recorder:
        found.results = pay(recorder)
    return found


def test_a_client_with_other_keys_sees_the_same_without_a_server(recorded: Recorded) -> None:
    with run_replay(recorded.file) as (url, replayer):
        assert pay(url) == recorded.results
        report = replayer.report()

    assert not report.has_differences, report
    assert (report.not_recorded_count, report.not_sent_count) == (0, 0)
    assert [each.path for each in report.renamed] == ["params.signerAddress", "params.key.publicKey"]


def test_the_report_says_what_differed_and_what_was_not_sent(recorded: Recorded) -> None:
    with run_replay(recorded.file) as (url, _):
        with pytest.raises(RpcError) as raised:
            pay(url, value=8)
        report = httpx2.get(f"{url}/replay").json()

    (difference,) = raised.value.data["differences"]
    assert (raised.value.reason, raised.value.code) == ("not_recorded", -32001)
    assert (difference["path"], difference["expected"], difference["given"]) == (
        "params.calls[0].value",
        '"0x7"',
        '"0x8"',
    )
    assert report["notRecorded"][0]["differences"] == [difference]
    line = report["notRecorded"][0]["nearestLine"]
    assert json.loads(recorded.file.read_text().splitlines()[line - 1])["request"]["body"]["json"]["method"] == (
        "wallet_prepareCalls"
    )
    assert "wallet_sendPreparedCalls" in [each["request"] for each in report["notSent"]]


def test_exact_replay_accepts_the_same_keys_only(url: str, tmp_path: Path) -> None:
    file = tmp_path / "fixed.jsonl"
    request = {"jsonrpc": "2.0", "id": 1, "method": "wallet_requestAccount"}
    first, second = (
        {**request, "params": [{"signerAddress": Account.from_key(each).address}]} for each in (OWNER_KEY, SESSION_KEY)
    )
    with run_recorder(url, file) as recorder:
        answer = httpx2.post(recorder, json=first).json()
    for is_exact in (True, False):
        with run_replay(file, is_exact=is_exact) as (replayed, _):
            assert httpx2.post(replayed, json=first).json() == answer
        with run_replay(file, is_exact=is_exact) as (replayed, _):
            assert ("result" in httpx2.post(replayed, json=second).json()) == (not is_exact)


def test_a_sent_transaction_has_the_hash_that_its_sender_computes(url: str, tmp_path: Path) -> None:
    file = tmp_path / "transaction.jsonl"

    def send(server: str) -> None:
        with httpx2.Client(timeout=30) as http:
            client = Client(server, http=http)
            raw = _sign_transaction(client, new_key())
            expected = "0x" + keccak(bytes.fromhex(raw[2:])).hex()
            assert client.chain("eth_sendRawTransaction", raw) == expected
            assert client.wait_for_receipt(expected)["transactionHash"] == expected

    with run_recorder(url, file) as recorder:
        send(recorder)
    with run_replay(file) as (replayed, replayer):
        send(replayed)
        assert not replayer.report().has_differences


def test_a_recording_has_no_secret(url: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets.jsonl"
    with run_recorder(url, file) as recorder:
        secrets = _use_every_secret(recorder)

    text = file.read_text().lower()
    assert [each for each in secrets if each.lower().removeprefix("0x") in text] == []
    assert re.findall(r"eyj[a-z0-9_-]{8,}|wrk_", text) == []
    with run_replay(file) as (_, replayer):  # each line can be read
        assert replayer.report().recorded > 15


def _use_every_secret(url: str) -> list[str]:
    """Send keys, tokens and signatures in all places, and return them."""
    with httpx2.Client(timeout=30) as http:
        client = Client(f"{url}/v2/{API_KEY}", http=http)
        wallet = Wallet(client).fund(tokens=0)
        grant = wallet.grant(ALLOWANCE, TRANSFERS)
        prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, permissions=grant.context)
        sent = wallet.sign(prepared, grant.key, grant.context)
        call_id = client.rpc("wallet_sendPreparedCalls", sent)["id"]
        transaction = wallet.wait_until_final(call_id)["receipts"][0]["transactionHash"]
        bundle = client.chain("eth_getTransactionByHash", transaction)
        operation = client.rpc("eth_getUserOperationByHash", "0x" + call_id[-64:])
        assert sent["signature"]["data"][2:130] in bundle["input"]
        raw = _sign_transaction(client, new_key())
        client.chain("eth_sendRawTransaction", raw)
        token = http.post(
            f"{url}/v1/sessions", json={"walletAddress": wallet.owner.address}, headers={"x-api-key": API_KEY}
        ).json()["token"]
        for path in ("", f"/?apiKey={API_KEY}", f"/?token={token}"):
            request = {"jsonrpc": "2.0", "id": 1, "method": "wallet_getCallsStatus", "params": [call_id]}
            http.post(url + path, json=request, headers={"authorization": f"Bearer {token}"})
        batch = [{"jsonrpc": "2.0", "id": 1, "method": "wallet_x", "params": [{"privateKey": OWNER_KEY}]}]
        http.post(url, json=batch)
        http.post(url, content=f"key: {SESSION_KEY}", headers={"content-type": "text/plain"})
        http.get(f"{url}/v1/sessions/me", headers={"authorization": f"Bearer {token}"})
    signatures = [grant.signature, sent["signature"]["data"], bundle["r"], bundle["s"], raw[-128:-66], raw[-64:]]
    numbers = [part for each in signatures[:2] for part in (each[2:66], each[66:130])]
    keys = [OWNER_KEY, SESSION_KEY, API_KEY, token, token.rpartition(".")[2]]
    return [*signatures, *numbers, *keys, operation["userOperation"]["signature"]]


def _sign_transaction(client: Client, key: Any) -> str:
    client.chain("anvil_setBalance", key.address, hex(10**18))
    transaction = {
        "chainId": int(client.chain("eth_chainId"), 16),
        "nonce": 0,
        "gas": 21_000,
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 0,
        "to": FRIEND,
        "value": 1,
    }
    return "0x" + bytes(key.sign_transaction(transaction).raw_transaction).hex()
