"""Forwarding to the selected chain: which request reaches it, and which is answered before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wallet_rpc.edge.chain_choice import route_by_chain
from wallet_rpc.edge.request_context import RequestContext, set_context
from wallet_rpc.errors import UnsupportedChain

pytestmark = pytest.mark.anyio


class Chains:
    """Two chains that answer each request with its method, and what they and the record were given."""

    def __init__(self) -> None:
        self.forwarded: list[tuple[int, str]] = []
        self.recorded: list[tuple[int, str]] = []
        self.answer = route_by_chain(
            {5: self._chain(5), 1 << 31: self._chain(1 << 31)}, reads=frozenset(), record=self._record
        )

    def _chain(self, chain_id: int) -> Any:
        async def answer(request: dict[str, Any]) -> dict[str, Any]:
            self.forwarded.append((chain_id, request["method"]))
            return {"jsonrpc": "2.0", "id": request.get("id"), "result": request["method"]}

        return answer

    async def _record(self, chain_id: int, request: Mapping[str, Any]) -> None:
        self.recorded.append((chain_id, request["method"]))


def request(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": list(params), "id": "a"}


@pytest.mark.parametrize(("selected", "chain_id"), [(None, "0x5"), ("5", "0x5"), ("0x80000000", "0x80000000")])
async def test_the_id_of_the_selected_chain_is_known_without_asking_it(selected: str | None, chain_id: str) -> None:
    chains = Chains()
    set_context(RequestContext(chain=selected))

    assert await chains.answer(request("eth_chainId")) == {"jsonrpc": "2.0", "id": "a", "result": chain_id}
    assert chains.forwarded == chains.recorded == []


async def test_no_id_is_given_for_a_chain_that_is_not_served() -> None:
    set_context(RequestContext(chain="6"))

    with pytest.raises(UnsupportedChain):
        await Chains().answer(request("eth_chainId"))


@pytest.mark.parametrize(
    "forwarded_request", [request("eth_chainId", 1), request("eth_blockNumber")], ids=["params", "other"]
)
async def test_every_other_request_is_recorded_and_forwarded(forwarded_request: dict[str, Any]) -> None:
    chains = Chains()
    set_context(RequestContext(chain="5"))

    await chains.answer(forwarded_request)
    assert chains.forwarded == chains.recorded == [(5, forwarded_request["method"])]
