"""The upstream proxy: the allow-list of forwarded methods, and the redaction of errors."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.upstream import KEY, URL, BrokenResponse, Upstream, UpstreamError, answer_in_turn
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES, UpstreamProxy
from wallet_rpc.errors import MethodNotFound, OutcomeUnknown, Unavailable


def request(method: str, *params: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params), **more}


def upstream_proxy(node: dict[str, Any] | None = None, bundler: dict[str, Any] | None = None) -> UpstreamProxy:
    return UpstreamProxy(
        Upstream(node or {}).client(), Upstream(bundler or {}).client(part="bundler"), [URL, "http://user:hunter22@b"]
    )


@pytest.mark.parametrize("method", sorted(NODE_READS | NODE_WRITES))
async def test_a_method_of_the_chain_goes_to_the_node(method: str) -> None:
    answer = await upstream_proxy(node={method: lambda *params: list(params)}).forward(request(method, "0x1", {}))

    assert answer == {"jsonrpc": "2.0", "id": 7, "result": ["0x1", {}]}


@pytest.mark.parametrize("method", sorted(BUNDLER_READS | BUNDLER_WRITES))
async def test_a_method_of_erc_4337_goes_to_the_bundler(method: str) -> None:
    assert (await upstream_proxy(bundler={method: "0x2"}).forward(request(method)))["result"] == "0x2"


@pytest.mark.parametrize(
    "method", ["eth_accounts", "eth_sendTransaction", "personal_sign", "anvil_setCode", "evm_mine"]
)
async def test_any_other_method_is_not_found(method: str) -> None:
    with pytest.raises(MethodNotFound):
        await upstream_proxy(node={method: 1}, bundler={method: 1}).forward(request(method))


def test_the_production_page_lists_the_forwarded_methods() -> None:
    page = (Path(__file__).parents[2] / "specs" / "production.md").read_text()
    rows = [set(re.findall(r"`(\w+)`", row)) for row in page.splitlines() if row.startswith("| the ")]

    assert rows == [NODE_READS | NODE_WRITES, BUNDLER_READS | BUNDLER_WRITES]


async def test_an_error_is_forwarded_unchanged() -> None:
    failure = answer_in_turn(UpstreamError(3, "execution reverted: no", "0x08c379a0"))

    answer = await upstream_proxy(node={"eth_call": failure}).forward(request("eth_call", {}, "latest"))

    assert answer["error"] == {"code": 3, "message": "execution reverted: no", "data": "0x08c379a0"}


async def test_an_error_does_not_contain_the_upstreams_address() -> None:
    leaky = UpstreamError(
        -32000, f"{URL}: key {KEY} has no credit", {KEY: ["see https://b/x", "user:hunter22@b", "hunter22"]}
    )

    answer = await upstream_proxy(bundler={"eth_sendUserOperation": answer_in_turn(leaky)}).forward(
        request("eth_sendUserOperation")
    )

    assert answer["error"]["code"] == -32000
    for secret in (KEY, "upstream.test", "hunter22", "://"):
        assert secret not in str(answer)


async def test_no_response_is_unavailable_and_leaves_a_writes_outcome_unknown() -> None:
    silent = {method: answer_in_turn(BrokenResponse(502)) for method in ("eth_chainId", "eth_sendRawTransaction")}

    with pytest.raises(Unavailable, match="the node does not answer"):
        await upstream_proxy(node=silent).forward(request("eth_chainId"))
    with pytest.raises(OutcomeUnknown):
        await upstream_proxy(node=silent).forward(request("eth_sendRawTransaction", "0x"))


@given(
    st.text("aZ9+.-:/ \t\"'(é", max_size=12),
    st.sampled_from(["http", "redis+unix", "9p", "-x", "a.b", "1http"]),
    st.text("aZ9+.-:/é", max_size=12),
)
async def test_a_url_at_any_position_is_redacted(before: str, scheme: str, after: str) -> None:
    text = f"{before}{scheme}://secret-host{after} bye"
    failure = answer_in_turn(UpstreamError(3, text, {text: [text]}))

    answer = await upstream_proxy(node={"eth_call": failure}).forward(request("eth_call"))

    assert "secret-host" not in str(answer)
    assert answer["error"]["message"].endswith(" bye")


async def _seconds(message: str) -> float:
    """Return the CPU time of forwarding an error with this text."""
    proxy = upstream_proxy(node={"eth_call": answer_in_turn(UpstreamError(3, message))})
    best = 9.0
    for _ in range(3):
        started = time.thread_time()
        answer = await proxy.forward(request("eth_call"))
        best = min(best, time.thread_time() - started)
        assert answer["error"]["message"] == message
    return best


@pytest.mark.parametrize("piece", ["a.", "a", "a b.", "+-", "0x12", "://"])
async def test_redaction_takes_linear_time(piece: str) -> None:
    """A contract chooses its revert text; a search that restarted at every word took 23 s."""
    assert await _seconds(piece * (240_000 // len(piece))) < 40 * await _seconds(piece * (24_000 // len(piece)))


@pytest.mark.parametrize("data", ["x" * 300_000, [[]] * 1001, {"x" * 200_000: "x" * 100_000}, ["x" * 200_000] * 2])
async def test_an_error_that_is_too_large_to_search_is_redacted_as_a_whole(data: Any) -> None:
    failure = answer_in_turn(UpstreamError(3, "reverted", data))

    answer = await upstream_proxy(node={"eth_call": failure}).forward(request("eth_call"))

    assert answer["error"] == {"code": 3, "message": "reverted", "data": "(not shown)"}
