"""The process of one development chain: `python -m wallet_rpc.devchain.worker`, started by `process.ChainProcess`.

The rule: a reply for every frame, and nothing else, goes to standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from wallet_rpc.devchain.config import HEAD, READY, DevChainConfig
from wallet_rpc.devchain.dispatch import Dispatcher
from wallet_rpc.devchain.node import OPERATIONS
from wallet_rpc.devchain.opening import open_devchain
from wallet_rpc.edge import observe

_MOST_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """The worker's side: open the chain that the first frame describes, then answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to handle
    _end_with_parent()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get between the frames
    first = _next_frame(source)
    if first is None:
        return 0
    config = json.loads(first[1])
    for name in ("folder", "deployments"):
        config[name] = None if config[name] is None else Path(config[name])
    told = DevChainConfig(**config)
    observe.configure(json=told.json_log)
    return _serve(told, source, sink)


def _end_with_parent() -> None:
    """In the middle of a long call too, which would keep the folder from the next server. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(config: DevChainConfig, source: BinaryIO, sink: BinaryIO) -> int:
    try:
        context = open_devchain(config)
    except Exception as error:  # the seam: whatever went wrong, the parent is told
        _put(sink, READY, json.dumps({"failed": f"{error}" or type(error).__name__}).encode())
        return 1
    dispatcher = Dispatcher(OPERATIONS, context)
    gc.freeze()  # the libraries' objects live as long as the process
    _put(sink, READY, b"{}")
    with contextlib.suppress(BrokenPipeError):
        while (frame := _next_frame(source)) is not None:
            number, body = frame
            _put(sink, number, dispatcher.answer(body) or b"")
    context.chain.close()
    return 0


def _next_frame(source: BinaryIO) -> tuple[int, bytes] | None:
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    length, number = HEAD.unpack(head)
    body = source.read(length)
    return (number, body) if len(body) == length <= _MOST_BYTES else None


def _put(sink: BinaryIO, number: int, body: bytes) -> None:
    sink.write(HEAD.pack(len(body), number) + body)
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
