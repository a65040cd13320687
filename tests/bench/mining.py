"""CPU time and memory for each block of the embedded chain. Run: python -m tests.bench.mining [--blocks 20000]

Each number is measured in a process of its own. To compare two versions, run it alternately in both.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.devchain.sample import ALICE, ENTRY_POINT_TEXT, GENESIS_TIME, SINK, Actor, Node, on_wire
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.domain.account import Call

WARM_UP = 1000
"""Blocks before the measurement: more than the chain keeps in memory."""
ROUNDS = 20
"""The rounds of a measurement; the fastest one counts, since other processes slow the others down."""
_AT_ONCE = 500


def _mine(node: Node, blocks: int) -> None:
    for _ in range(blocks // _AT_ONCE):
        node.rpc("anvil_mine", hex(_AT_ONCE))


def _transfer(node: Node, blocks: int) -> None:
    payment = {"from": ALICE.address.hex0x(), "to": SINK.hex0x(), "value": "0x1", "gas": "0x5208"}
    for _ in range(blocks):
        node.rpc("eth_sendTransaction", payment)


def _operate(node: Node, blocks: int) -> None:
    actor = Actor(node)
    actor.fund(10**20)
    call = Call(to=SINK)
    if node.dev.chain.code(actor.address) == b"":
        actor.send([call])
    op = actor.estimate(actor.operation([call]))
    for _ in range(blocks):
        node.rpc("eth_sendUserOperation", on_wire(actor.sign(op)), ENTRY_POINT_TEXT)
        op = replace(op, nonce=op.nonce + 1)


KINDS: dict[str, Callable[[Node, int], None]] = {"empty": _mine, "transfer": _transfer, "operation": _operate}


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _measure(kind: str, folder: Path | None, blocks: int) -> None:
    node = Node(DevChainConfig(folder=folder, timestamp=GENESIS_TIME))
    work = KINDS[kind]
    work(node, WARM_UP)
    gc.collect()
    before, rounds = _resident_bytes(), []
    for _ in range(ROUNDS):
        started = time.process_time()
        work(node, blocks // ROUNDS)
        rounds.append(time.process_time() - started)
    gc.collect()
    grown = (_resident_bytes() - before) / blocks
    spent = min(rounds) * ROUNDS
    where = "temporary" if folder is None else "in a folder"
    print(f"{kind:10} {where:12} {spent / blocks * 1e6:9.1f} µs of CPU   {grown:8.0f} bytes of memory", flush=True)


def main() -> None:
    """Measure each kind of block in its own process, without a folder and in one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--kind", choices=KINDS, help="one kind only")
    parser.add_argument("--folder", type=Path, help="measure in this process, in a folder")
    parser.add_argument("--temporary", action="store_true", help="measure in this process, without a folder")
    options = parser.parse_args()
    if options.folder is not None or options.temporary:
        _measure(options.kind, options.folder, options.blocks)
        return
    for kind in KINDS if options.kind is None else [options.kind]:
        with tempfile.TemporaryDirectory() as folder:
            for where in (["--temporary"], ["--folder", folder]):
                command = [sys.executable, "-m", "tests.bench.mining", f"--kind={kind}", f"--blocks={options.blocks}"]
                subprocess.run([*command, *where], check=True)  # noqa: S603  # this module


if __name__ == "__main__":
    main()
