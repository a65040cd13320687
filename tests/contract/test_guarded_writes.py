"""Writes under the undo log: one that fails, before or after it was sent, holds back no later snapshot."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.contract.sample import ACCOUNT, CHAIN
from tests.support.constants import LONGEST_SECONDS
from wallet_rpc.adapters.redis_link import Link
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_undo import UndoLog
from wallet_rpc.errors import Unavailable


def entities_key(link: Link) -> str:
    return link.key(f"account:{ACCOUNT.hex()}:{CHAIN}", "entities")


async def test_an_error_reply_to_a_write_holds_back_no_snapshot(link: Link) -> None:
    undo = UndoLog(link, [CHAIN])
    await undo.load(keeps_snapshots=False)
    await link.command("SET", entities_key(link), "text")

    with pytest.raises(Unavailable):
        await link.command("HSET", entities_key(link), "open", 1)

    await asyncio.wait_for(undo.add_snapshot(CHAIN, 1), LONGEST_SECONDS)
    assert undo.has_snapshot(CHAIN, 1)


async def test_a_write_whose_old_value_cannot_be_saved_holds_back_no_snapshot(own: RedisServer, link: Link) -> None:
    undo = UndoLog(link, [CHAIN])
    await undo.load(keeps_snapshots=False)
    await link.command("SET", entities_key(link), "before")
    await undo.add_snapshot(CHAIN, 1)
    assert own.process_id is not None
    os.kill(own.process_id, signal.SIGSTOP)
    try:
        with pytest.raises(Unavailable):
            await link.command("SET", entities_key(link), "after")
    finally:
        os.kill(own.process_id, signal.SIGCONT)

    assert await link.command("GET", entities_key(link)) == b"before"
    await asyncio.wait_for(undo.add_snapshot(CHAIN, 2), LONGEST_SECONDS)
    assert undo.has_snapshot(CHAIN, 2)
