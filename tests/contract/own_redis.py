"""Process that owns a private Redis: it writes one record, prints the Redis's process id, and waits to be killed.

`python -m tests.contract.own_redis FOLDER [thread]` runs it in the main thread, or in another one.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

from tests.contract.sample import a_session
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore


async def main(folder: Path) -> None:
    try:
        async with RedisServer(folder) as server, RedisStore.open(server.url) as store:
            await store.sessions.activate(a_session(), forget_at=None)
            print(server.process_id, flush=True)
            await asyncio.Event().wait()
    except RedisNotStarted as error:
        sys.exit(f"not started: {error}")


if __name__ == "__main__":
    if sys.argv[2:] == ["thread"]:
        thread = threading.Thread(target=asyncio.run, args=[main(Path(sys.argv[1]))])
        thread.start()
        thread.join()
    else:
        asyncio.run(main(Path(sys.argv[1])))
