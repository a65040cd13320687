"""Worker process of one development chain: `python -m wallet_rpc.devchain.worker`, started by `process.ChainProcess`.

Standard output carries one reply for every frame, the notifications of subscriptions after it, and nothing else.
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
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.chain_time import NextTime
from wallet_rpc.devchain.config import FRAME_HEADER, NOTIFICATION_BIT, READY, TIME, DevChainConfig
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.dispatch import DevChainDispatcher
from wallet_rpc.devchain.factory import open_devchain
from wallet_rpc.devchain.node import OPERATIONS, READ_METHODS
from wallet_rpc.edge import log_lines

_MAX_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1
_READS_SECONDS = 0.02
"""The CPU time for reads at one tick of a run, in seconds."""
_Frame: TypeAlias = tuple[int, bytes]
"""A request's number and its body."""


def main() -> int:
    """Open the chain that the first frame describes, then answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles a Ctrl-C
    _end_with_parent()
    source, sink = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # no other output may get between the frames
    configuration_frame = _next_frame(source)
    if configuration_frame is None:
        return 0
    fields = json.loads(configuration_frame[1])
    for name in ("folder", "deployments"):
        fields[name] = None if fields[name] is None else Path(fields[name])
    config = DevChainConfig(**fields)
    log_lines.configure(json=config.json_log, level=config.log_level)
    return _serve(config, source, sink)


def _end_with_parent() -> None:
    """End this process when its parent dies, even in a long call: it would lock the folder. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(config: DevChainConfig, source: BinaryIO, sink: BinaryIO) -> int:
    try:
        context = open_devchain(config)
    except Exception as error:  # every failure is reported to the parent
        _put(sink, READY, json.dumps({"failed": f"{error}" or type(error).__name__}).encode())
        return 1
    dispatcher = DevChainDispatcher(OPERATIONS, context)
    requests, clock, times = _Requests(source), _MiningClock(), _Times(context.chain, sink)
    context.chain.limit.on_tick = partial(_answer_reads, dispatcher, requests, sink)
    gc.freeze()  # the libraries' objects live as long as the process
    times.announce()
    _put(sink, READY, json.dumps({"methods": sorted(dispatcher.methods)}).encode())
    with contextlib.suppress(BrokenPipeError):
        while requests.has_more:
            dispatcher.release()
            times.announce()
            _notify(context, sink)
            interval, left = context.chain.settings.mining_interval, context.bundler.held.seconds_left
            if left is not None and interval == 0 and not requests.wait(left):
                continue
            if clock.wait(interval, requests):
                dispatcher.mine()
            elif (frame := requests.next()) is not None:
                number, body = frame
                answer = dispatcher.answer(body) or b""
                times.announce()
                _put(sink, number, answer)
    context.chain.close()
    return 0


def _notify(context: DevChain, sink: BinaryIO) -> None:
    """Write what subscriptions are to be notified of."""
    for number, result in context.subscriptions.take(context.chain.base_fee):
        _put(sink, NOTIFICATION_BIT | number, json.dumps(result, separators=(",", ":")).encode())


def _answer_reads(dispatcher: DevChainDispatcher, requests: _Requests, sink: BinaryIO) -> None:
    """Answer the reads that have arrived; postpone the other requests."""
    ends = time.thread_time() + _READS_SECONDS
    for frame in requests.read_available():
        number, body = frame
        if dispatcher.calls_only(READ_METHODS, body):
            _put(sink, number, dispatcher.answer(body) or b"")
        else:
            requests.postpone(frame)
        if time.thread_time() > ends:
            return


class _Times:
    """Announcements of the rule for the next block's time, so that the server needs no request to know the time."""

    def __init__(self, chain: Blockchain, sink: BinaryIO) -> None:
        self._chain = chain
        self._sink = sink
        self._announced: NextTime | None = None

    def announce(self) -> None:
        """Announce the rule if it has changed."""
        rule = self._chain.next_time
        if rule != self._announced:
            _put(self._sink, TIME, json.dumps(asdict(rule)).encode())
            self._announced = rule


class _MiningClock:
    """Time of the next block of interval mining."""

    def __init__(self) -> None:
        self._interval = 0
        self._deadline = 0.0

    def wait(self, interval: int, requests: _Requests) -> bool:
        """Wait for a request, and return False; or True when a block is due first. An interval of 0 has no blocks."""
        if interval != self._interval:
            self._interval, self._deadline = interval, time.monotonic() + interval
        if interval == 0:
            return False
        left = self._deadline - time.monotonic()
        if left > 0 and requests.wait(left):
            return False
        self._deadline = time.monotonic() + interval
        return True


class _Requests:
    """The frames of an unbuffered input: the next one, or those that have arrived."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._postponed: deque[_Frame] = deque()
        self._ended = False

    @property
    def has_more(self) -> bool:
        """False once the input has ended."""
        return not self._ended or len(self._postponed) > 0

    def wait(self, seconds: float) -> bool:
        """Wait until a frame has arrived or the input has ended; False after `seconds` without either."""
        return bool(self._postponed) or self._ended or bool(select.select([self._source], [], [], seconds)[0])

    def next(self) -> _Frame | None:
        """Return the next frame, waiting for it; None when the input has ended or is malformed."""
        if self._postponed:
            return self._postponed.popleft()
        frame = None if self._ended else _next_frame(self._source)
        self._ended = frame is None
        return frame

    def read_available(self) -> Iterator[_Frame]:
        """Iterate over the frames that have arrived, without the postponed ones."""
        while not self._ended and select.select([self._source], [], [], 0)[0]:
            frame = _next_frame(self._source)
            if frame is None:
                self._ended = True
            else:
                yield frame

    def postpone(self, frame: _Frame) -> None:
        """Queue the frame for `next`, after all frames postponed before."""
        self._postponed.append(frame)


def _next_frame(source: BinaryIO) -> _Frame | None:
    head = _read_exactly(source, FRAME_HEADER.size)
    if head is None:
        return None
    length, number = FRAME_HEADER.unpack(head)
    body = _read_exactly(source, length) if length <= _MAX_BYTES else None
    return None if body is None else (number, body)


def _read_exactly(source: BinaryIO, size: int) -> bytes | None:
    """Read `size` bytes; None when the input ends earlier."""
    found = source.read(size)
    while len(found) < size:
        piece = source.read(size - len(found))
        if not piece:
            return None
        found += piece
    return found


def _put(sink: BinaryIO, number: int, body: bytes) -> None:
    sink.write(FRAME_HEADER.pack(len(body), number) + body)
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
