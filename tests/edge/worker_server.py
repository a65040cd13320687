"""Two worker processes of a small server, each of which starts as the text of a file says."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.types import ASGIApp

from wallet_rpc.config.settings import SettingError
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.listener import serve_until_shutdown
from wallet_rpc.edge.observe import log
from wallet_rpc.edge.worker_pipe import ParentPipe
from wallet_rpc.edge.worker_processes import WorkerProcesses

STATUS = 7
"""Exit status of a worker that exits at its start."""


@asynccontextmanager
async def _open_app() -> AsyncIterator[ASGIApp]:
    yield Starlette()


def main() -> int:
    """Run the workers; a worker serves unless the file names another start."""
    log_lines.configure(json=True, has_thread=False)
    start = Path(sys.argv[1])

    def run_worker(pipe: ParentPipe) -> None:
        log_lines.configure(json=True, worker=pipe.worker)
        log.info("worker_starts")
        match start.read_text():
            case "bug":
                raise RuntimeError("a bug at the start")
            case "exit":
                sys.exit(STATUS)
            case "setting":
                raise SettingError("SETTING: expected another value")
        serving = serve_until_shutdown(
            _open_app(), at, drain_seconds=0.1, on_ready=pipe.report_ready, watch=pipe.watch, share=pipe.share
        )
        asyncio.run(serving)

    with socket.create_server(("127.0.0.1", 0)) as at:
        workers = WorkerProcesses(
            2, run_worker, at, drain_seconds=0.1, on_ready=lambda: print("ready", flush=True), late_seconds=0.5
        )
        try:
            return workers.run()
        except SettingError as error:
            print(error, flush=True)
            return 2


if __name__ == "__main__":
    sys.exit(main())
