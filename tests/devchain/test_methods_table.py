"""The table of anvil's methods on the page is that of the chain's dispatcher, and of anvil."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.devchain.asking import failure
from tests.devchain.sample import Node
from tests.devchain.side_by_side import Pair
from wallet_rpc.devchain.node import OPERATIONS

PAGE = Path(__file__).parents[2] / "specs" / "devchain.md"
_ROW = re.compile(r"^\| (`\w+_\w+`(?:, `\w+_\w+`)*) \| (\w+)[^|]* \| (\w+)[^|]* \|$", re.MULTILINE)
_NOT_FOUND = -32601
MINING = "eth_mining"
"""A method that neither has; viem calls it in another mode."""

OVER_WEBSOCKET = {"eth_subscribe", "eth_unsubscribe"}
"""The methods that anvil has over WebSockets only."""


def read_rows() -> Iterator[tuple[str, bool, bool]]:
    """Iterate over (method, available here, available in anvil); a rejected method is available."""
    section = PAGE.read_text("utf-8").split("## Anvil's methods")[1].split("\n## ")[0]
    for names, here, anvil in _ROW.findall(section):
        for name in re.findall(r"\w+", names):
            yield name, here != "no", anvil != "no" and name != MINING


def test_the_table_lists_each_method_once() -> None:
    names = [name for name, _, _ in read_rows()]

    assert len(names) > 150
    assert sorted(names) == sorted(set(names))


def test_the_table_has_exactly_the_chains_methods() -> None:
    assert {name for name, is_here, _ in read_rows() if is_here} == {operation.name for operation in OPERATIONS}


def test_anvil_has_exactly_the_methods_that_the_table_says(chains: Pair) -> None:
    batch: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": number, "method": name, "params": []}
        for number, (name, _, _) in enumerate(read_rows())
    ]
    answers = httpx2.post(chains.url, json=batch, timeout=60).json()
    with connect(chains.url.replace("http", "ws", 1)) as client:
        for entry in (entry for entry in batch if entry["method"] in OVER_WEBSOCKET):
            client.send(json.dumps(entry))
            answers[entry["id"]] = json.loads(client.recv(timeout=60))
    codes = {answer["id"]: answer["error"]["code"] for answer in answers if "error" in answer}

    for number, (name, _, is_in_anvil) in enumerate(read_rows()):
        assert (codes.get(number) != _NOT_FOUND) == is_in_anvil, name


@pytest.mark.parametrize("method", ["eth_getProof", MINING])
def test_an_absent_method_is_not_found(method: str, node: Node) -> None:
    assert failure(node, method).code == _NOT_FOUND
