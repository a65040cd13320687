"""The process of one development chain: `python -m wallet_rpc.devchain.worker`, started by `process.ChainProcess`.

The rule: a reply for every frame, and nothing else, goes to standard output.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from wallet_rpc.devchain.config import HEAD, READY, DevChainConfig
from wallet_rpc.devchain.dispatch import DevChainDispatcher
from wallet_rpc.devchain.factory import open_devchain
from wallet_rpc.devchain.node import OPERATIONS, READ_METHODS
from wallet_rpc.edge import observe

_MAX_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1
_READS_SECONDS = 0.02
"""The CPU time for reads at one tick of a run."""
_Frame: TypeAlias = tuple[int, bytes]
"""A request's number and its body."""


def main() -> int:
    """The worker's side: open the chain that the first frame describes, then answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to handle
    _end_with_parent()
    source, sink = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
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
    dispatcher, requests = DevChainDispatcher(OPERATIONS, context), _Requests(source)
    context.chain.limit.on_tick = partial(_answer_reads, dispatcher, requests, sink)
    gc.freeze()  # the libraries' objects live as long as the process
    _put(sink, READY, b"{}")
    with contextlib.suppress(BrokenPipeError):
        while (frame := requests.next()) is not None:
            number, body = frame
            _put(sink, number, dispatcher.answer(body) or b"")
    context.chain.close()
    return 0


def _answer_reads(dispatcher: DevChainDispatcher, requests: _Requests, sink: BinaryIO) -> None:
    """Answer the reads that have arrived; the rest waits for its turn."""
    ends = time.thread_time() + _READS_SECONDS
    for frame in requests.read_available():
        number, body = frame
        if dispatcher.calls_only(READ_METHODS, body):
            _put(sink, number, dispatcher.answer(body) or b"")
        else:
            requests.put_off(frame)
        if time.thread_time() > ends:
            return


class _Requests:
    """The frames of an unbuffered input: the next one, or those that are there already."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._put_off: deque[_Frame] = deque()
        self._ended = False

    def next(self) -> _Frame | None:
        """The next frame, waiting for it; None when the input has ended, or is no frame."""
        if self._put_off:
            return self._put_off.popleft()
        return None if self._ended else _next_frame(self._source)

    def read_available(self) -> Iterator[_Frame]:
        """The frames that are there already, without those that were put off."""
        while not self._ended and select.select([self._source], [], [], 0)[0]:
            frame = _next_frame(self._source)
            if frame is None:
                self._ended = True
            else:
                yield frame

    def put_off(self, frame: _Frame) -> None:
        """Let `next` give the frame, after all that were put off before."""
        self._put_off.append(frame)


def _next_frame(source: BinaryIO) -> _Frame | None:
    head = _read_exactly(source, HEAD.size)
    if head is None:
        return None
    length, number = HEAD.unpack(head)
    body = _read_exactly(source, length) if length <= _MAX_BYTES else None
    return None if body is None else (number, body)


def _read_exactly(source: BinaryIO, size: int) -> bytes | None:
    """So many bytes; None when the input ends before."""
    found = source.read(size)
    while len(found) < size:
        piece = source.read(size - len(found))
        if not piece:
            return None
        found += piece
    return found


def _put(sink: BinaryIO, number: int, body: bytes) -> None:
    sink.write(HEAD.pack(len(body), number) + body)
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
