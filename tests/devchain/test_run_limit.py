"""The limit on the run time of code, and answers to other requests during a run."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from tests.devchain.asking import CODE_ADDRESS, failure, set_code
from tests.devchain.sample import ALICE, ENTRY_POINT_TEXT, SINK, Actor, Node, on_wire
from tests.devchain.test_worker import read_answers, without_times
from wallet_rpc.devchain import worker
from wallet_rpc.devchain.config import FRAME_HEADER, DevChainConfig
from wallet_rpc.devchain.node import OPERATIONS, READ_METHODS
from wallet_rpc.devchain.process import ChainProcess
from wallet_rpc.domain.account import Call
from wallet_rpc.primitives import Address, Data

SECONDS = 0.15
LOOP = bytes.fromhex("5b5f56")
LONG_HASH = bytes.fromhex("6298968060e01b5f525f5f60d55f60095afa00")
"""Code that runs ten million rounds of BLAKE2 for as much gas, which takes far longer than any limit."""
LONG_HASH_AFTER_A_WRITE = bytes.fromhex("60075f55") + LONG_HASH
RECURSION = bytes.fromhex("5b5f5f5f5f5f305af1505f56")
"""Code that calls itself with all gas, without end."""
SHORT_MODEXP = bytes.fromhex(
    "60015f52623d09006020526001604052600360605360ff60615360fb623d0961535f5f623d09625f60055afa00"
)
"""Code that computes 3 ** (255, then four million zero bytes) % 251: numbers so short that Python never checks signals.
"""
WORD = 32
ALICE_TEXT, SINK_TEXT = ALICE.address.hex0x(), SINK.hex0x()
ABORTED = f"execution aborted (timeout = {SECONDS:g}s)"


def new_limited_node() -> Node:
    """Return a chain with a very short run limit."""
    return Node(DevChainConfig(timestamp=1_800_000_000, run_seconds=SECONDS))


@pytest.fixture(scope="module")
def limited_node() -> Node:
    """A chain shared by the tests that change no state."""
    return new_limited_node()


def precompile(number: int, data: bytes) -> dict[str, str]:
    return {"to": "0x" + number.to_bytes(20).hex(), "data": "0x" + data.hex()}


def lengths(*sizes: int) -> bytes:
    return b"".join(size.to_bytes(WORD) for size in sizes)


G1 = lengths(1, 2)
G2 = bytes.fromhex(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c21800deef121f1e76426a00665e5c4479"
    "674322d4f75edadd46debd5cd992f6ed090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
)
BLS_G1 = bytes(16) + bytes.fromhex(
    "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
BLS_G1 += bytes(16) + bytes.fromhex(
    "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1"
)


@pytest.mark.parametrize(
    "call",
    [
        {"to": "0x" + "c2" * 20},
        precompile(5, lengths(WORD, 300_000, WORD) + b"\xfe" * WORD + b"\xff" * 300_000 + b"\xfd" * WORD),
        precompile(5, lengths(1024, 1300, 1024) + b"\xfe" * 1024 + b"\xff" * 1300 + b"\xfd" * 1024),
        precompile(8, (G1 + G2) * 20),
        precompile(9, (1 << 24).to_bytes(4) + bytes(208) + b"\x01"),
        precompile(0x0C, (BLS_G1 + b"\xff" * WORD) * 64),
        {"to": CODE_ADDRESS},
        {"to": "0x" + "c1" * 20},
        {"data": "0x" + LOOP.hex()},
    ],
    ids=["short modexp", "modexp", "long modexp", "pairing", "blake2", "msm", "loop", "recursion", "creation"],
)
@pytest.mark.parametrize("method", ["eth_call", "eth_estimateGas"])
def test_code_that_runs_for_ever_is_aborted(limited_node: Node, method: str, call: dict[str, str]) -> None:
    set_code(limited_node, LOOP)
    limited_node.rpc("anvil_setCode", "0x" + "c1" * 20, "0x" + RECURSION.hex())
    limited_node.rpc("anvil_setCode", "0x" + "c2" * 20, "0x" + SHORT_MODEXP.hex())
    started = time.thread_time()
    aborted = failure(limited_node, method, call)
    assert time.thread_time() - started < 20 * SECONDS  # with the longest uninterruptible step
    assert (aborted.code, aborted.message, aborted.data) == (-32000, ABORTED, None)


def test_transaction_that_runs_for_ever_is_refused_and_changes_nothing() -> None:
    limited_node = new_limited_node()
    set_code(limited_node, LONG_HASH_AFTER_A_WRITE)
    before = [limited_node.rpc("eth_getBlockByNumber", "latest", True), limited_node.rpc("eth_getBalance", ALICE_TEXT)]
    raw = limited_node.sign(to=CODE_ADDRESS, gas=60_000_000)
    assert failure(limited_node, "eth_sendRawTransaction", raw).message == ABORTED
    transaction = {"from": ALICE_TEXT, "to": CODE_ADDRESS, "gas": hex(60_000_000)}
    assert failure(limited_node, "eth_sendTransaction", transaction).message == ABORTED
    assert failure(limited_node, "eth_sendTransaction", {"from": ALICE_TEXT, "to": CODE_ADDRESS}).message == ABORTED
    after = [limited_node.rpc("eth_getBlockByNumber", "latest", True), limited_node.rpc("eth_getBalance", ALICE_TEXT)]
    assert after == before
    assert limited_node.rpc("eth_getTransactionCount", ALICE_TEXT) == "0x0"
    assert limited_node.rpc("eth_getStorageAt", CODE_ADDRESS, "0x0") == "0x" + "00" * 32
    limited_node.send(to=SINK_TEXT, value=1)  # the chain still works


def test_operation_that_runs_for_ever_is_refused_and_not_mined() -> None:
    node = Node(DevChainConfig(timestamp=1_800_000_000, run_seconds=0.6))
    actor = Actor(node)
    actor.fund()
    calls = [Call(to=Address.parse(CODE_ADDRESS), data=Data())]
    op = actor.sign(replace(actor.estimate(actor.operation(calls)), call_gas_limit=20_000_000))
    set_code(node, LONG_HASH)
    height = node.rpc("eth_blockNumber")
    for method in ("eth_estimateUserOperationGas", "eth_sendUserOperation"):
        aborted = failure(node, method, on_wire(op), ENTRY_POINT_TEXT)
        assert (aborted.code, aborted.message) == (-32521, "execution aborted (timeout = 0.6s)")
        assert aborted.data["reason"] == "execution_timeout"
    assert node.rpc("eth_blockNumber") == height


def test_entries_of_a_batch_have_the_time_together(limited_node: Node) -> None:
    set_code(limited_node, LOOP)
    call = {"jsonrpc": "2.0", "method": "eth_call", "params": [{"to": CODE_ADDRESS}]}
    batch = [{**call, "id": number} for number in range(20)]
    batch.append({**call, "id": 20, "method": "eth_chainId", "params": []})
    started = time.thread_time()
    answers = json.loads(limited_node.dispatcher.answer(json.dumps(batch).encode()) or b"")
    spent = time.thread_time() - started
    assert [answer["error"]["message"] for answer in answers[:20]] == [ABORTED] * 20
    assert answers[20]["result"] == "0x7a69"
    assert spent < 3 * SECONDS  # not twenty times as long
    assert limited_node.rpc("eth_call", {"to": SINK_TEXT}) == "0x"  # the next request has its own limit


@pytest.mark.anyio
async def test_reads_are_answered_while_code_runs_and_the_rest_in_its_turn() -> None:
    chain = await ChainProcess.start(DevChainConfig(run_seconds=1))

    async def rpc(method: str, *params: Any) -> Any:
        return await chain.request({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})

    try:
        await rpc("anvil_setCode", CODE_ADDRESS, "0x" + LONG_HASH_AFTER_A_WRITE.hex())
        sent = (await rpc("eth_sendTransaction", {"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x5208"}))["result"]
        head = (await rpc("eth_getBlockByNumber", "latest", False))["result"]
        looping = asyncio.create_task(
            rpc("eth_sendTransaction", {"from": ALICE_TEXT, "to": CODE_ADDRESS, "gas": hex(60_000_000)})
        )
        queued = asyncio.create_task(rpc("evm_mine"))
        ordered = asyncio.create_task(rpc("evm_mine"))
        reads: list[tuple[str, list[Any], Any]] = [
            ("eth_chainId", [], "0x7a69"),
            ("eth_blockNumber", [], "0x1"),
            ("eth_getStorageAt", [CODE_ADDRESS, "0x0"], "0x" + "00" * 32),
            ("eth_getTransactionCount", [ALICE_TEXT, "pending"], "0x1"),
            ("eth_getBlockByNumber", ["latest", False], head),
            ("eth_getLogs", [{"fromBlock": "0x0"}], []),
            ("eth_getUserOperationReceipt", ["0x" + "12" * 32], None),
        ]
        for method, params, expected in reads:
            assert (await rpc(method, *params))["result"] == expected
        assert (await rpc("eth_getTransactionReceipt", sent))["result"]["status"] == "0x1"
        batch = await chain.request([{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}] * 2)
        assert [answer["result"] for answer in batch] == ["0x7a69"] * 2
        assert [task.done() for task in (looping, queued, ordered)] == [False] * 3
        assert (await looping)["error"]["message"] == "execution aborted (timeout = 1s)"
        await asyncio.gather(queued, ordered)
        assert (await rpc("eth_blockNumber"))["result"] == "0x3"
    finally:
        await chain.stop()


def test_reads_are_answered_while_many_blocks_are_mined() -> None:
    (reading, writing), sink = os.pipe(), BytesIO()
    bodies = [b'{"jsonrpc":"2.0","id":1,"method":"%s"}' % method for method in (b"anvil_mine", b"eth_blockNumber")]
    bodies[0] = bodies[0][:-1] + b',"params":["0x3e8"]}'
    for number, body in enumerate(bodies):
        os.write(writing, FRAME_HEADER.pack(len(body), number) + body)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as source:
        worker._serve(DevChainConfig(), source, sink)
    _, *answers = without_times(read_answers(sink))
    assert [number for number, _ in answers] == [1, 0]
    assert json.loads(answers[0][1])["result"] == "0x1"  # after the first block


def test_methods_that_change_state_or_run_code_are_no_reads() -> None:
    names = {operation.name for operation in OPERATIONS}
    changing = {name for name in names if name.startswith(("evm_", "anvil_", "hardhat_", "pm_", "dev_"))}
    subscribing = {"eth_subscribe", "eth_unsubscribe"}
    running = {
        "debug_traceCall",
        "debug_traceTransaction",
        "eth_call",
        "eth_createAccessList",
        "eth_estimateGas",
        "eth_estimateUserOperationGas",
        "eth_sendRawTransaction",
        "eth_sendTransaction",
        "eth_sendUnsignedTransaction",
        "eth_sendUserOperation",
        "eth_simulateV1",
    }
    assert names - changing - running - subscribing == READ_METHODS


@pytest.mark.parametrize("target", [3, 0xFFFE])
def test_jump_over_many_pushes_is_distinguished_from_their_data(node: Node, target: int) -> None:
    set_code(node, b"\x61" + target.to_bytes(2) + b"\x56" + b"\x60" * (0xFFFE - 4) + b"\x5b" + b"\x00")
    if target == 3:
        assert failure(node, "eth_call", {"to": CODE_ADDRESS}).message == "invalid jump destination"
    else:
        assert node.rpc("eth_call", {"to": CODE_ADDRESS}) == "0x"
