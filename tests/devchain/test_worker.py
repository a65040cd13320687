"""The worker's request loop and the dispatcher, in this process."""

from __future__ import annotations

import asyncio
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.devchain.sample import Node
from wallet_rpc.devchain import worker
from wallet_rpc.devchain.config import FRAME_HEADER, TIME, DevChainConfig
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


def without_times(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the frames that answer a request."""
    return [(number, body) for number, body in frames if number != TIME]


def test_every_frame_is_answered_until_the_input_ends() -> None:
    sink = BytesIO()
    source = frames(b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', b'{"jsonrpc":"2.0","method":"evm_mine"}', b"{")
    assert worker._serve(DevChainConfig(chain_id=7), source, sink) == 0
    ready, chain_id, mined, broken = without_times(read_answers(sink))
    assert {"eth_chainId", "evm_mine"} < set(json.loads(ready[1])["methods"])
    assert json.loads(chain_id[1])["result"] == "0x7"
    assert mined == (2, b"")
    assert json.loads(broken[1])["error"]["code"] == -32700


def request(method: str, *params: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_a_change_of_the_time_is_announced_before_the_answer_that_made_it() -> None:
    start = {"newest": 1000, "offset": 0, "chosen": None, "every": None}
    controls: list[tuple[bytes, dict[str, int | None]]] = [
        (request("eth_blockNumber"), {}),
        (request("evm_setNextBlockTimestamp", 1 << 40), {"chosen": 1 << 40}),
        (request("evm_mine"), {"chosen": None, "newest": 1 << 40}),
        (request("anvil_setBlockTimestampInterval", 7), {"every": 7}),
        (request("anvil_mine", 2, 10), {"newest": (1 << 40) + 27}),
        (request("anvil_removeBlockTimestampInterval"), {"every": None}),
        (request("evm_revert", 1), {}),
        (request("anvil_reset"), {"newest": 1000}),
    ]
    sink, (reading, writing) = BytesIO(), os.pipe()
    with open(reading, "rb", buffering=0) as source:
        os.write(writing, frames(*(body for body, _ in controls)).getvalue())
        os.close(writing)
        assert worker._serve(DevChainConfig(chain_id=7, timestamp=1000), source, sink) == 0

    (first, rule), (ready, _), *rest = read_answers(sink)
    assert (first, ready) == (TIME, 0)
    known = {**json.loads(rule), "offset": 0}
    assert known == start
    for number, (_, changes) in enumerate(controls, 1):
        if changes:
            announced, rule = rest.pop(0)
            assert announced == TIME
            before, known = known, {**json.loads(rule), "offset": 0}
            assert known == {**before, **changes}
        assert rest.pop(0)[0] == number
    assert rest == []


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
