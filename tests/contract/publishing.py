"""Process that ends by SIGKILL during a change, run by `python -m tests.contract.publishing URL PREFIX STEP`.

The step names the write that was the last one: `announced`, `changed` or `claimed`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from typing import Any, cast

from tests.contract.sample import ACCOUNT, CHAIN, NOW, SIGNED, a_call
from tests.support.clocks import FixedClock
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemEntropy
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.ports import Ports
from wallet_rpc.services.events import publishing

EVENT = Event(type=EventType.SESSION_REVOKED, time=NOW, account=ACCOUNT, chain_id=CHAIN)


@dataclass
class _Ports:
    """The ports that the publication uses."""

    store: RedisStore
    clock: FixedClock
    entropy: SystemEntropy


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _die_on_append(*_: object) -> None:
    _die()


async def change(url: str, prefix: str, step: str) -> None:
    async with RedisStore.open(url, prefix=prefix) as store:
        cast("Any", store.events).append_texts = _die_on_append
        if step == "claimed":
            await store.calls.claim(a_call(), SIGNED)
        async with publishing(cast("Ports", _Ports(store, FixedClock(NOW), SystemEntropy())), EVENT):
            if step == "announced":
                _die()
            await store.sessions.revoke(ACCOUNT, CHAIN, 1)


if __name__ == "__main__":
    asyncio.run(change(*sys.argv[1:]))
