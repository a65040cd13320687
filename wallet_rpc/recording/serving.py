"""Applications for recording and replay, which accept requests of this machine only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from wallet_rpc.config.settings import Settings
from wallet_rpc.edge.guard import ErrorMiddleware
from wallet_rpc.edge.http import build_app, with_cors
from wallet_rpc.edge.request_sources import Origins, Sources
from wallet_rpc.edge.rpc_endpoint import jsonrpc_error_response
from wallet_rpc.recording.recorder import Recorder
from wallet_rpc.recording.recording_file import RecordingFile
from wallet_rpc.recording.replay_app import ReplayApp
from wallet_rpc.recording.replayer import Replayer
from wallet_rpc.recording.upstream import open_upstream

_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@asynccontextmanager
async def open_recorder(settings: Settings, url: str, file: RecordingFile) -> AsyncIterator[tuple[ASGIApp, Recorder]]:
    """Yield the application that records the server at `url`, with its recorder."""
    async with open_upstream(url) as upstream:
        recorder = Recorder(upstream, file)
        yield accept_local(recorder, settings), recorder


def build_replay_app(settings: Settings, replayer: Replayer) -> ASGIApp:
    """Build the application that answers from a recording."""
    return accept_local(ReplayApp(replayer), settings)


def accept_local(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Accept requests as an open server does: from this machine's clients and pages, and from origins of the settings.

    A page of another origin could otherwise use the key in the recorded server's URL.
    """
    origins = Origins(allowed=settings.cors_origins or (), has_local=True)
    sources = Sources(hosts=settings.allowed_hosts, origins=origins)
    handled = with_cors(ErrorMiddleware(app, jsonrpc_error_response), origins, methods=_VERBS)
    return build_app({}, mounts={"": handled}, sources=sources)
