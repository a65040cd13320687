"""Program that starts `wallet-rpc` in a thread that ends, as a test runner may, and waits to be killed.

`python -m tests.e2e.starter ARGUMENT…` keeps the pipes of the server's output, which break when it is killed.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time


def start() -> None:
    process = subprocess.Popen(  # noqa: S603  # wallet-rpc, with arguments that the tests state
        [sys.executable, "-m", "wallet_rpc", *sys.argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _running.append(process)


_running: list[subprocess.Popen[bytes]] = []
if __name__ == "__main__":
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    while True:
        time.sleep(60)
