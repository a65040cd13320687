"""Repetition of requests by the client, and responses that are not a wallet server's."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.http_stub import Answer, open_stub
from tests.support.keys import new_key
from wallet_rpc.client import (
    Address,
    AsyncWalletClient,
    ClientError,
    ConnectionFailed,
    Data,
    NotFinal,
    Owner,
    RpcError,
    UnexpectedResponse,
    WalletClient,
    types,
)

ACCOUNT = Address.parse(new_key().address)
CALL_ID = Data(bytes(64))
DOWN = {"code": -32603, "message": "down", "data": {"reason": "node_unavailable", "retryable": True}}
PENDING = {
    "id": "0x",
    "chainId": "0x1",
    "atomic": True,
    "status": 100,
    "details": {"type": "user-operation", "data": {"hash": "0x" + "00" * 32}},
}
READ = types.ListAccounts(signer_address=ACCOUNT)
PAGE = {"accounts": [], "meta": {"totalCount": 0, "after": None}}
KEY = types.SessionKey(type=types.KeyType.SECP256K1, address=ACCOUNT)
WRITE = types.CreateSession(chain_id=1, account=ACCOUNT, expiry_sec=0, key=KEY, permissions=(types.Root(type="root"),))
ADDITIONAL = types.RequestAccount(signer_address=ACCOUNT, creation_hint=types.CreationHint(create_additional=True))


class Script:
    """Responses in their order, the last one for all further requests; None closes the connection."""

    def __init__(self, *responses: dict[str, Any] | bytes | None) -> None:
        self._responses = list(responses)
        self.requests: list[dict[str, Any]] = []

    def answer(self, _: object, body: bytes) -> Answer | None:
        self.requests.append(json.loads(body))
        response = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if response is None:
            return None
        return Answer(response if isinstance(response, bytes) else json.dumps(response).encode())


@contextmanager
def scripted(*responses: dict[str, Any] | bytes | None) -> Iterator[tuple[WalletClient, Script]]:
    script = Script(*responses)
    with open_stub(script.answer) as url, WalletClient(url) as client:
        yield client, script


@pytest.mark.parametrize("failure", [None, {"error": DOWN}], ids=["no response", "unavailable"])
def test_a_read_is_repeated(failure: dict[str, Any] | None) -> None:
    with scripted(failure, failure, {"result": PAGE}) as (client, script):
        assert client.list_accounts(READ).meta.total_count == 0

    assert len(script.requests) == 3


def test_a_read_is_sent_three_times_at_most() -> None:
    with scripted({"error": DOWN}) as (client, script), pytest.raises(RpcError) as error:
        client.list_accounts(READ)

    assert (error.value.code, error.value.reason, error.value.is_retryable) == (-32603, "node_unavailable", True)
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", [None, {"error": DOWN}], ids=["no response", "unavailable"])
@pytest.mark.parametrize(
    "send",
    [
        lambda client: client.create_session(WRITE),
        lambda client: client.request_account(ADDITIONAL),
        lambda client: client.request("eth_sendTransaction", {}),
    ],
    ids=["a session", "an additional account", "any method"],
)
def test_a_write_that_may_have_happened_is_not_repeated(
    failure: dict[str, Any] | None, send: Callable[[WalletClient], object]
) -> None:
    with scripted(failure) as (client, script), pytest.raises(ClientError):
        send(client)

    assert len(script.requests) == 1


def test_an_idempotent_write_is_repeated() -> None:
    account = {"accountAddress": str(ACCOUNT), "id": "6b0786a6-7219-4cb8-88fd-0b7a02a096ee"}
    with scripted(None, {"result": account}) as (client, script):
        found = client.request_account(types.RequestAccount(signer_address=ACCOUNT))

    assert found.account_address == ACCOUNT
    assert len(script.requests) == 2


@pytest.mark.parametrize("data", [{"reason": "stale_nonce", "retryable": True}, None])
def test_an_error_of_the_request_itself_is_not_repeated(data: object) -> None:
    error = {"code": -32000, "message": "no", **({} if data is None else {"data": data})}
    with scripted({"error": error}) as (client, script), pytest.raises(RpcError) as raised:
        client.list_accounts(READ)

    assert len(script.requests) == 1
    assert raised.value.data == ({} if data is None else data)
    assert raised.value.field is None


def test_a_grant_ends_by_the_clock_of_this_machine_where_the_server_says_that_the_chains_hour_has_passed() -> None:
    def rejected(reason: str) -> dict[str, Any]:
        return {"error": {"code": -32602, "message": "no", "data": {"reason": reason}}}

    owner, started = Owner(key=new_key(), account=ACCOUNT, chain_id=1), int(time.time())
    responses = {"result": {"timestamp": "0x5"}}, rejected("expired"), rejected("too_many")
    with scripted(*responses) as (client, script), pytest.raises(RpcError) as last:
        client.grant(owner, new_key(), types.Root(type="root"))

    ends = [each["params"]["expirySec"] for each in script.requests if each["method"] == "wallet_createSession"]
    assert last.value.reason == "too_many"
    assert ends[0] == 5 + 3600
    assert started + 3600 <= ends[1] <= time.time() + 3600


def test_a_write_is_repeated_where_no_server_can_have_received_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    client = WalletClient(f"http://127.0.0.1:{port}")
    with client, pytest.raises(ConnectionFailed, match="wallet_createSession: no server answers at the URL") as error:
        client.create_session(WRITE)

    assert not error.value.was_sent


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", "127.0.0.1:1", "http://[::"])
def test_an_invalid_url_is_reported(url: str) -> None:
    with pytest.raises(ConnectionFailed, match="no server answers at the URL"), WalletClient(url) as client:
        client.request("eth_chainId")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"error": "no"}', b'{"error": {"code": "x"}}'])
def test_a_response_of_no_wallet_server_is_reported(body: bytes) -> None:
    with scripted(body) as (client, _), pytest.raises(UnexpectedResponse, match="check the server's URL"):
        client.request("eth_chainId")


def test_a_result_of_another_type_is_reported_with_its_field() -> None:
    page = {"accounts": [], "meta": {"totalCount": "many", "after": None}}
    expected = r"wallet_listAccounts: result\.meta\.totalCount: expected"
    with scripted({"result": page}) as (client, _), pytest.raises(UnexpectedResponse, match=expected):
        client.list_accounts(READ)


def test_waiting_ends_at_the_deadline_and_reports_progress() -> None:
    seen: list[int] = []
    with scripted({"result": PENDING}) as (client, script), pytest.raises(NotFinal) as error:
        client.wait(CALL_ID, seconds=0.2, progress=lambda status: seen.append(status.status))

    assert (error.value.call_id, error.value.status) == (CALL_ID, 100)
    assert seen == [100] * len(script.requests)
    assert len(seen) > 2


async def test_the_asynchronous_client_repeats_and_waits_too() -> None:
    script = Script(None, {"result": PENDING}, {"result": {**PENDING, "status": 400}})
    with open_stub(script.answer) as url:
        async with AsyncWalletClient(url) as client:
            status = await client.wait(CALL_ID)

    assert status.status == 400
    assert len(script.requests) == 3


def test_a_key_or_a_token_authenticates_the_client() -> None:
    seen: list[tuple[str | None, str | None]] = []

    def answer(handler: Any, _: bytes) -> Answer:
        seen.append((handler.headers["x-api-key"], handler.headers["authorization"]))
        return Answer(b'{"result": 1}')

    with open_stub(answer) as url:
        for client in (WalletClient(url, api_key="wrk_1"), WalletClient(url, token="abc"), WalletClient(url)):
            with client:
                client.request("eth_chainId")

    assert seen == [("wrk_1", None), (None, "Bearer abc"), (None, None)]


def test_a_server_of_this_machine_is_reached_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused.getsockname()[1]}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with scripted({"result": "0x1"}) as (client, _):
        assert client.request("eth_chainId") == "0x1"
    with WalletClient("http://wallet.example") as remote, pytest.raises(ConnectionFailed, match="ConnectError"):
        remote.request("eth_chainId")
