"""A process that owns a private Redis: writes one record, says so, and waits to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.contract.sample import a_session
from wallet_rpc.adapters.redis_binary import RedisNotStarted
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore


async def main(folder: Path) -> None:
    try:
        async with RedisServer(folder) as server, RedisStore.open(server.url) as store:
            await store.sessions.put(a_session(), forget_at=None)
            print(server.process_id, flush=True)
            await asyncio.Event().wait()
    except RedisNotStarted as error:
        sys.exit(f"refused: {error}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
