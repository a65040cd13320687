"""A recorder and a replay in threads of this process, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.support.thread_context import run_in_thread
from wallet_rpc.config.settings import Settings
from wallet_rpc.edge.listener import bind_socket, serve_in_background
from wallet_rpc.recording.exchanges import read_recording
from wallet_rpc.recording.recording_file import open_recording_file
from wallet_rpc.recording.replayer import Replayer
from wallet_rpc.recording.serving import build_replay_app, open_recorder


@contextmanager
def run_recorder(upstream: str, file: Path) -> Iterator[str]:
    """Record the exchanges with `upstream` in a new file, and yield the recorder's URL."""
    with run_in_thread(_record(upstream, file)) as url:
        yield url


@contextmanager
def run_replay(file: Path, *, is_exact: bool = False) -> Iterator[tuple[str, Replayer]]:
    """Answer from a recording, and yield the URL and the state of the replay."""
    replayer = Replayer(read_recording(file), is_exact=is_exact)
    with run_in_thread(_replay(replayer)) as url:
        yield url, replayer


@asynccontextmanager
async def _record(upstream: str, file: Path) -> AsyncIterator[str]:
    settings = Settings(port=0)
    with bind_socket(settings) as listener, open_recording_file(file) as opened:
        async with open_recorder(settings, upstream, opened) as (app, _), serve_in_background(app, listener) as url:
            yield url


@asynccontextmanager
async def _replay(replayer: Replayer) -> AsyncIterator[str]:
    settings = Settings(port=0)
    with bind_socket(settings) as listener:
        async with serve_in_background(build_replay_app(settings, replayer), listener) as url:
            yield url
