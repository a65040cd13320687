"""Swaps by a quote provider: a stub over real HTTP, behind a real wallet server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.delegating import external
from tests.e2e.process import Server
from tests.e2e.quote_provider import HERE, QUOTE, SECRET, Provider, serve_quotes
from tests.e2e.server import run_dev_server
from tests.e2e.stacks import Stack
from tests.support.calls import transfer
from tests.support.constants import FRIEND, POLICY, SPONSORSHIP, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.config.settings import SettingError, load
from wallet_rpc.domain.web_url import WEB_URL

NATIVE = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
SWAP_ID = "0x" + "01" * 65
ANYONE = "0xafdABa1E09e82F780721963eba39bA9e6d9FE4d2"
SPONSORED = {"paymasterService": SPONSORSHIP}


@dataclass(frozen=True)
class QuoteServer:
    """Server with its quote provider and its node."""

    url: str
    provider: Provider
    node: str
    holds_operations: bool


@pytest.fixture(scope="module", params=["dev", "real"])
def quoting(
    request: pytest.FixtureRequest, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QuoteServer]:
    """Start `dev`, or `serve` in front of a real stack, with a quote provider."""
    with serve_quotes() as provider, ExitStack() as servers:
        if request.param == "dev":
            url = servers.enter_context(run_dev_server(settings=load({"WALLET_RPC_QUOTE_URL": provider.url})))
            yield QuoteServer(url, provider, f"{url}/chain/{HERE}", holds_operations=False)
            return
        stack: Stack = request.getfixturevalue("real_stack")
        folder = tmp_path_factory.mktemp("serve")
        chains = str(stack.chains_file(folder))
        settings = {"CHAINS": chains, "REDIS_URL": redis_server.url, "QUOTE_URL": provider.url, "OPEN": "yes"}
        server = servers.enter_context(Server("serve", folder=folder, **settings))
        yield QuoteServer(server.url, provider, stack.nodes[HERE], holds_operations=True)
        assert SECRET not in server.output()  # after all requests and errors


@pytest.fixture
def provider(quoting: QuoteServer) -> Provider:
    quoting.provider.answer = {}
    quoting.provider.requests.clear()
    return quoting.provider


@pytest.fixture
def client(quoting: QuoteServer, provider: Provider) -> Iterator[Client]:
    made = Client(quoting.url, quoting.node, holds_operations=quoting.holds_operations)
    yield made
    made.http.close()


def swap(account: str, **more: Any) -> dict[str, Any]:
    fixed = {} if "minimumToAmount" in more else {"fromAmount": "0x7"}
    return {"from": account, "chainId": hex(HERE), "fromToken": TOKEN, "toToken": NATIVE, **fixed, **more}


def catch_error(client: Client, method: str, params: Any) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        client.rpc(method, params)
    assert SECRET not in json.dumps([error_info.value.message, error_info.value.data])
    assert "http" not in error_info.value.message
    return error_info.value


@pytest.mark.parametrize(
    "text",
    [
        f"ftp://host/{SECRET}",
        f"host/{SECRET}",
        f"http://[{SECRET}",
        f"http://{SECRET}:x",
        f"http://a b/{SECRET}",
        f"http://a:0/{SECRET}",
    ],
)
def test_an_invalid_url_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingError) as error_info:
        load({"WALLET_RPC_QUOTE_URL": text})
    assert str(error_info.value) == f"WALLET_RPC_QUOTE_URL: expected {WEB_URL}"


def test_a_quote_is_signed_sent_and_settled(wallet: Wallet, provider: Provider) -> None:
    provider.quotes(transfer(7))
    before = wallet.client.token_balance(FRIEND)
    request = swap(wallet.account, slippage="0x32", capabilities=SPONSORED, postCalls=[transfer(2)])

    quoted = wallet.client.rpc("wallet_requestQuote_v0", request)

    assert (quoted["quote"], quoted["rawCalls"], quoted["chainId"]) == (QUOTE, False, hex(HERE))
    assert "callId" not in quoted
    assert quoted["feePayment"]["sponsored"]
    status = wallet.wait_until_final(wallet.send(quoted, wallet.owner))
    assert status["status"] == 200
    assert wallet.client.token_balance(FRIEND) == before + 9
    ((method, params),) = provider.requests
    assert method == "wallet_requestQuote_v0"
    assert params == [{**swap(wallet.account, slippage="0x32"), "returnRawCalls": True}]


def test_a_session_swaps_within_its_permissions_only(wallet: Wallet, provider: Provider) -> None:
    grant = wallet.grant({"type": "erc20-token-transfer", "data": {"allowance": "0x7", "address": TOKEN}})
    capabilities = {**SPONSORED, "permissions": grant.permissions}
    provider.quotes(transfer(7))
    quoted = wallet.client.rpc("wallet_requestQuote_v0", swap(wallet.account, capabilities=capabilities))
    assert wallet.wait_until_final(wallet.send(quoted, grant.key, grant.permissions))["status"] == 200

    provider.quotes(transfer(8))
    error = catch_error(wallet.client, "wallet_requestQuote_v0", swap(wallet.account, capabilities=capabilities))

    assert error.code in {-32521, -32500}


def test_an_account_that_is_not_delegated_gets_an_array(wallet: Wallet, provider: Provider) -> None:
    owner = external(wallet)
    owner.fund()
    provider.quotes(transfer(7), chainId=hex(HERE))

    quoted = owner.client.rpc("wallet_requestQuote_v0", swap(owner.account, capabilities=SPONSORED))

    assert (quoted["type"], quoted["chainId"], quoted["quote"]) == ("array", hex(HERE), QUOTE)
    assert owner.wait_until_final(owner.submit(owner.sign_array(quoted)))["status"] == 200


def test_gas_in_erc20_requests_a_permit_first(wallet: Wallet, provider: Provider) -> None:
    wallet.client.mint(wallet.account, 10**24)
    permit = {"autoPermit": {"below": hex(10**23), "amount": hex(10**23)}}
    erc20 = {"tokenAddress": TOKEN, "preOpSettings": permit}
    provider.quotes(transfer(7))

    quoted = wallet.client.rpc(
        "wallet_requestQuote_v0",
        swap(wallet.account, capabilities={"paymasterService": {"policyId": POLICY, "erc20": erc20}}),
    )

    assert (quoted["type"], quoted["rawCalls"], quoted["quote"]) == ("paymaster-permit", False, QUOTE)
    assert [call["to"] for call in quoted["modifiedRequest"]["calls"]] == [transfer(7)["to"]]


def test_raw_calls_are_returned_for_any_account(client: Client, provider: Provider) -> None:
    provider.quotes({"to": FRIEND, "value": "0x01"}, callId=SWAP_ID)
    request = swap(ANYONE, minimumToAmount="0x5", toChainId="0x1", returnRawCalls=True)

    quoted = client.rpc("wallet_requestQuote_v0", request)

    calls = [{"to": FRIEND, "value": "0x1", "data": "0x"}]
    assert quoted == {"quote": QUOTE, "chainId": hex(HERE), "callId": SWAP_ID, "rawCalls": True, "calls": calls}
    assert provider.requests == [("wallet_requestQuote_v0", [request])]


def test_raw_calls_end_with_the_post_calls(client: Client, provider: Provider) -> None:
    provider.quotes(transfer(7))
    quoted = client.rpc("wallet_requestQuote_v0", swap(ANYONE, returnRawCalls=True, postCalls=[{"to": FRIEND}]))
    assert [call["to"] for call in quoted["calls"]] == [transfer(7)["to"], FRIEND]


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        ({"minimumToAmount": "0x5", "fromAmount": "0x7"}, -32602, "swap_amount"),
        ({"fromAmount": None}, -32602, "swap_amount"),
        ({"slippage": "0x2711"}, -32602, "slippage_too_high"),
        ({"toChainId": "0x1", "postCalls": [{"to": FRIEND}]}, -32602, "post_calls_across_chains"),
        ({"chainId": "0x1"}, 5710, "unsupported_chain"),
        ({"toToken": "0x12"}, -32602, "invalid_params"),
        ({"returnRawCalls": "yes?"}, -32602, "invalid_params"),
        ({"capabilities": {"auxiliaryFunds": {}}}, 5700, "unsupported_capability"),
        ({"capabilities": {"paymasterService": {"policyID": POLICY}}}, -32602, "paymaster_service_unclear"),
    ],
)
def test_an_invalid_request_reaches_no_provider(
    client: Client, provider: Provider, more: dict[str, Any], code: int, reason: str
) -> None:
    error = catch_error(client, "wallet_requestQuote_v0", swap(ANYONE, **more))
    assert (error.code, error.reason) == (code, reason)
    assert error.message.startswith("params") or code == 5710
    assert provider.requests == []


def test_a_request_that_is_not_an_object_is_rejected(client: Client) -> None:
    error = catch_error(client, "wallet_requestQuote_v0", "0x12")
    assert (error.code, error.message[:26]) == (-32602, "params: expected an object")


@pytest.mark.parametrize(
    "more",
    [
        {"calls": []},
        {"calls": [{"to": FRIEND}] * 101},
        {"calls": [{"to": "0x12"}]},
        {"calls": [{"to": FRIEND}, {"to": ANYONE, "data": "0x01"}]},
        {"rawCalls": False},
        {"chainId": "0x1"},
        {"quote": {**QUOTE, "expiry": "soon"}},
        {"quote": None},
        {"callId": "0x" + "01" * 64},
        {"callId": "0x" + "01" * 1025},
    ],
)
def test_a_malformed_quote_is_reported_as_an_error_of_the_provider(
    client: Client, provider: Provider, more: dict[str, Any]
) -> None:
    provider.quotes(**{"calls": [{"to": FRIEND}], **more})
    error = catch_error(client, "wallet_requestQuote_v0", swap(ANYONE, returnRawCalls=True))
    assert (error.code, error.reason, error.data["part"]) == (-32603, "unavailable", "quote provider")
    assert error.message == "the quote provider returned a malformed response"


@pytest.mark.parametrize(
    ("provider_code", "code", "reason"),
    [
        (-32602, -32602, "quote_refused"),
        (-32000, -32000, "no_quote"),
        (5700, -32000, "no_quote"),
        (-32601, -32603, "unavailable"),
        (-32005, -32603, "unavailable"),
    ],
)
def test_a_providers_error_code_is_translated(
    client: Client, provider: Provider, provider_code: int, code: int, reason: str
) -> None:
    provider.fails(provider_code)
    error = catch_error(client, "wallet_requestQuote_v0", swap(ANYONE))
    assert (error.code, error.reason) == (code, reason)


def test_a_provider_without_a_response_is_unavailable(client: Client, provider: Provider) -> None:
    error = catch_error(client, "wallet_requestQuote_v0", swap(ANYONE))
    assert (error.code, error.message) == (-32603, "the quote provider does not answer")


def test_the_outcome_of_a_swap_comes_from_the_provider(client: Client, provider: Provider) -> None:
    word = "0x" + "ab" * 32
    receipt = {
        "logs": [{"address": ANYONE, "data": "0x", "topics": [word]}],
        "status": "0x1",
        "blockHash": word,
        "blockNumber": "0x10",
        "gasUsed": "0x5208",
        "transactionHash": word,
    }
    outcome = {
        "type": "cross-chain",
        "id": SWAP_ID,
        "status": 120,
        "originTransaction": {"chainId": hex(HERE), "status": 200, "receipt": receipt},
        "destinationTransaction": {"chainId": "0x1", "status": 100},
    }
    provider.answer = {"result": {**outcome, "internal": SECRET}}
    assert client.rpc("wallet_getCrossChainStatus_v0", SWAP_ID) == outcome
    assert client.rpc("wallet_getCrossChainStatus_v0", [SWAP_ID]) == outcome
    assert provider.requests == [("wallet_getCrossChainStatus_v0", [SWAP_ID])] * 2

    provider.answer = {"result": {"type": "same-chain", "id": "0x0101", "status": 410}}
    assert client.rpc("wallet_getCrossChainStatus_v0", "0x0101") == provider.answer["result"]


def test_an_unknown_swap_is_rejected(client: Client, provider: Provider) -> None:
    for provider_code, code in ((5730, 5730), (-32602, 5730), (-32000, -32603)):
        provider.fails(provider_code)
        assert catch_error(client, "wallet_getCrossChainStatus_v0", SWAP_ID).code == code
    provider.answer = {"result": {"type": "same-chain", "id": SWAP_ID, "status": 999}}
    assert catch_error(client, "wallet_getCrossChainStatus_v0", SWAP_ID).reason == "unavailable"
