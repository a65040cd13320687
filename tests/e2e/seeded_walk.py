"""A long walk through the API of a development server, which records each exchange: the same in every seeded run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx2
from eth_account import Account
from eth_utils.crypto import keccak
from websockets.sync.client import connect

from tests.support.calls import transfer
from tests.support.constants import CHAINS, FRIEND, ROOT, TOKEN
from tests.support.registration import build_registration
from tests.support.rpc_client import Client
from tests.support.wallet import Grant, Wallet
from tests.tenants.acceptance import claims_of

LAST_SECOND = 9_000_000_000
"""An end of sessions; a walk with times of its own clock would not repeat."""
PENDING = 100


def key_of(name: str) -> Any:
    return Account.from_key(keccak(text=f"key of the walk: {name}"))


@dataclass
class Recorder:
    """An HTTP client's exchanges: requests with their responses, without those that only waited for a call's end."""

    exchanges: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def record(self, response: httpx2.Response) -> None:
        request = response.request
        body = response.read()
        if b"wallet_getCallsStatus" in request.content and f'"status":{PENDING}'.encode() in body:
            return
        self.exchanges.append((f"{request.method} {request.url.raw_path.decode()}", request.content, body))

    def text(self) -> str:
        """Return the transcript, with a line for each request and each response."""
        return "\n".join(
            f"{target} {request.decode()}\n{response.decode()}" for target, request, response in self.exchanges
        )


def walk(url: str, key: str) -> Recorder:
    """Use most methods of the wallet and of the chain, and return what was exchanged."""
    recorder = Recorder()
    hooks = {"response": [recorder.record]}
    with httpx2.Client(timeout=60, event_hooks=hooks, headers={"x-api-key": key}) as http:
        client = Client(url, f"{url}/chain/{CHAINS[0]}", http=http)
        wallet = Wallet(client, key_of("owner")).fund()
        _use_accounts(wallet)
        grant = _use_sessions(wallet)
        _use_chain(wallet, grant)
        recorder.exchanges += _subscribe(client)
        _use_stops(wallet, grant)
        _use_rest(http, url, wallet, grant)
        _end(wallet, grant)
    return recorder


def _use_accounts(wallet: Wallet) -> None:
    client = wallet.client
    client.rpc("wallet_requestAccount", {"signerAddress": key_of("second").address})
    delegated = client.rpc(
        "wallet_requestAccount", {"signerAddress": key_of("fourth").address, "creationHint": {"accountType": "7702"}}
    )
    client.chain("anvil_setBalance", delegated["accountAddress"], hex(10**18))
    client.rpc("wallet_listAccounts", {"signerAddress": wallet.owner.address})
    client.rpc("wallet_getCapabilities", wallet.account)


def _use_sessions(wallet: Wallet) -> Grant:
    client = wallet.client
    grant = wallet.grant(ROOT, key=key_of("session"), expirySec=LAST_SECOND, tags=["b", "a", "c"])
    wallet.act(grant, transfer(1))
    wallet.act(None, transfer(2), transfer(3))
    rules = [{"type": "calls", "limit": 3, "period": "hour"}, {"type": "approval", "above": "0x1", "token": TOKEN}]
    ruled = wallet.grant(ROOT, key=key_of("other session"), expirySec=LAST_SECOND, rules=rules)
    waiting = wallet.send(
        wallet.prepare(transfer(9), permissions=ruled.permissions), key_of("other session"), ruled.permissions
    )
    wallet.status(waiting)
    client.rpc("wallet_listApprovals", {})
    client.rpc("wallet_approveCalls", {"callId": waiting})
    wallet.wait_until_final(waiting)
    client.post([_create(wallet, number) for number in range(6)])
    client.rpc("wallet_listSessions", {"account": wallet.account})
    client.rpc("wallet_getSession", {"sessionId": grant.session_id})
    client.rpc("wallet_explainCalls", {"sessionId": grant.session_id, "calls": [transfer(5)]})
    return grant


def _create(wallet: Wallet, number: int) -> dict[str, Any]:
    request = wallet.build_session([ROOT], key_of(f"of a batch {number}"), expirySec=LAST_SECOND)
    return {"jsonrpc": "2.0", "id": number, "method": "wallet_createSession", "params": [request]}


def _use_chain(wallet: Wallet, grant: Grant) -> None:
    chain = wallet.client.chain
    for height in range(int(chain("eth_blockNumber"), 16) + 1):
        block = chain("eth_getBlockByNumber", hex(height), True)
        chain("eth_getBlockReceipts", block["hash"])
    chain("eth_getLogs", {"fromBlock": "0x0"})
    chain("eth_newBlockFilter")
    chain("eth_newFilter", {"address": TOKEN})
    snapshot = chain("evm_snapshot")
    chain("evm_increaseTime", hex(3_600))
    wallet.act(grant, transfer(4))
    wallet.client.rpc("wallet_getSession", {"sessionId": grant.session_id})
    chain("evm_setNextBlockTimestamp", hex(int(chain("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 500))
    chain("anvil_mine", "0x3", "0xa")
    chain("eth_getBlockByNumber", "latest", False)
    chain("evm_revert", snapshot)
    wallet.act(grant, transfer(5))
    chain("eth_getBlockByNumber", "latest", True)
    chain("debug_traceCall", {"to": TOKEN, "data": transfer(1)["data"]}, "latest", {"tracer": "callTracer"})


def _subscribe(client: Client) -> list[tuple[str, bytes, bytes]]:
    """Return the texts over a WebSocket: replies to two subscriptions of each kind, and the heads of three blocks."""
    texts = []
    with connect(client.node.replace("http", "ws", 1)) as socket:
        for method, kind in (("eth_subscribe", "newHeads"), ("wallet_subscribe", "sessions")) * 2:
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [kind]}
            socket.send(json.dumps(body))
            texts.append(("WS", kind.encode(), str(socket.recv(timeout=60)).encode()))
        client.chain("anvil_mine", "0x3")
        heads = sorted(str(socket.recv(timeout=60)) for _ in range(6))
    return [*texts, *(("WS", b"newHeads", head.encode()) for head in heads)]


def _use_stops(wallet: Wallet, grant: Grant) -> None:
    client = wallet.client
    named = {"sessionId": grant.session_id}
    client.rpc("wallet_pauseSession", named)
    client.rpc("wallet_getSession", named)
    client.rpc("wallet_listStops", {})
    client.rpc("wallet_resumeSession", named)
    client.rpc("wallet_prepareSessionChange", {**named, "action": "revoke"})
    client.rpc("wallet_stopSessions", {"scope": {"account": wallet.account}, "mode": "pause"})
    client.rpc("wallet_listStops", {})
    client.rpc("wallet_resumeSessions", {"scope": {"account": wallet.account}})


def _use_rest(http: httpx2.Client, url: str, wallet: Wallet, grant: Grant) -> None:
    organization = f"{url}/v1/organizations/org_open"
    body = build_registration(wallet.account_id, grant.key, [grant], expiresAt="2026-06-01T00:00:00.000Z")
    http.post(f"{organization}/sessions", json=body)
    http.post(f"{organization}/sessions", json={})
    http.get(f"{organization}/sessions")
    http.get(f"{organization}/created-sessions", params={"account": wallet.account})
    http.post(f"{organization}/webhooks", json={"url": "https://example.com/hook"})
    http.get(f"{organization}/webhooks")
    tokens = f"{url}/api/v1/burner/sessions"
    made = http.post(tokens, json={"walletAddress": wallet.owner.address, "scopes": ["wallet:read"]}).json()
    http.get(f"{tokens}/me", headers={"authorization": f"Bearer {made['token']}"})
    http.delete(f"{tokens}/{claims_of(made['token'])['jti']}").raise_for_status()
    http.get(f"{tokens}/me", headers={"authorization": f"Bearer {made['token']}"})


def _end(wallet: Wallet, grant: Grant) -> None:
    client = wallet.client
    client.rpc("wallet_revokeSession", {"sessionId": grant.session_id})
    client.rpc("wallet_listSessions", {"account": wallet.account})
    for method, params in (
        ("wallet_getSession", [{"sessionId": "0x" + "11" * 16}]),
        ("wallet_lost", []),
        ("wallet_createSession", [{"account": FRIEND}]),
    ):
        client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    client.post([])
