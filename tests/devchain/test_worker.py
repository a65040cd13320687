"""The worker's request loop and the dispatcher, in this process."""

from __future__ import annotations

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.devchain.sample import Node
from wallet_rpc.devchain import worker
from wallet_rpc.devchain.config import FRAME_HEADER, DevChainConfig
from wallet_rpc.devchain.dispatch import DevChainDispatcher
from wallet_rpc.devchain.node import OPERATIONS
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.operations.operation import Operation


def frames(*bodies: bytes) -> BytesIO:
    return BytesIO(b"".join(FRAME_HEADER.pack(len(body), number) + body for number, body in enumerate(bodies, 1)))


def read_answers(sink: BytesIO) -> list[tuple[int, bytes]]:
    sink.seek(0)
    found = []
    while head := sink.read(FRAME_HEADER.size):
        length, number = FRAME_HEADER.unpack(head)
        found.append((number, sink.read(length)))
    return found


def test_every_frame_is_answered_until_the_input_ends() -> None:
    sink = BytesIO()
    source = frames(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', b'{"jsonrpc":"2.0","method":"evm_mine"}', b"{")
    assert worker._serve(DevChainConfig(chain_id=7), source, sink) == 0
    ready, chain_id, mined, broken = read_answers(sink)
    assert {"eth_chainId", "evm_mine"} < set(json.loads(ready[1])["methods"])
    assert json.loads(chain_id[1])["result"] == "0x7"
    assert mined == (2, b"")
    assert json.loads(broken[1])["error"]["code"] == -32700


def test_chain_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    sink = BytesIO()
    (tmp_path / "file").write_bytes(b"")
    assert worker._serve(DevChainConfig(folder=tmp_path / "file"), frames(), sink) == 1
    assert "failed" in json.loads(read_answers(sink)[0][1])


def test_frame_that_is_cut_off_ends_the_work() -> None:
    assert worker._next_frame(BytesIO(FRAME_HEADER.pack(10, 1) + b"short")) is None
    assert worker._next_frame(BytesIO(b"")) is None


def operation(name: str, run: Any) -> Operation[Any, Any, Any]:
    return Operation(name, NoParams, Any, run, positional=True)


async def wait_forever(context: Any, request: NoParams) -> None:
    await asyncio.sleep(0)


async def raise_error(context: Any, request: NoParams) -> None:
    raise KeyError("SECRET")


@pytest.mark.parametrize("run", [wait_forever, raise_error])
def test_bug_is_an_incident_without_its_words(run: Any) -> None:
    dispatcher = DevChainDispatcher([operation("bug", run)], Node().dev)
    answer = dispatcher.answer(b'{"jsonrpc":"2.0","id":1,"method":"bug"}') or b""
    assert json.loads(answer)["error"]["code"] == -32603
    assert b"SECRET" not in answer


def test_two_operations_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two operations"):
        DevChainDispatcher([*OPERATIONS, OPERATIONS[0]], Node().dev)
