"""`wallet-rpc dev --seed N`: every run gives the same bytes, and nothing but `dev` has it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.process import InstalledServer, Server, run_wallet_rpc
from tests.e2e.seeded_walk import Recorder, walk
from wallet_rpc.cli.option_types import parse_seed
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.devchain.dev_constants import API_KEY

SEED = "20260101"


def walk_in(start: Callable[..., Server], folder: Path) -> Recorder:
    folder.mkdir()
    with start("dev", "--seed", SEED, folder=folder) as server:
        recorder = walk(server.url, API_KEY)
        assert f"Warning:     with --seed {SEED}, ids, keys and tokens are predictable" in server.output()
        assert server.stop() == 0
    assert not (folder / "data").exists(), "a seeded run stores nothing"
    return recorder


def test_the_same_run_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """The processes of the two runs have different hash seeds, so that the order of a set shows."""
    one, two = walk_in(InstalledServer, tmp_path / "one"), walk_in(Server, tmp_path / "two")

    assert len(one.exchanges) > 80
    for first, second in zip(one.exchanges, two.exchanges, strict=True):
        assert first == second
    assert '"2026-01-01T00:00:' in one.text(), "times follow from the chain's first block"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("serve", "--seed", "7"), "--seed: only for dev"),
        (
            ("dev", "--seed", "18446744073709551616"),
            "argument --seed: expected a number from 0 to 18446744073709551615",
        ),
    ],
    ids=" ".join,
)
def test_a_command_that_takes_no_such_seed_says_so(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    done = run_wallet_rpc(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert text in done.stderr


@pytest.mark.parametrize("text", ["-1", "x", "", "1.5", "0x7", "٧", "1" * 21])
def test_a_seed_is_a_decimal_number(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="expected a number"):
        parse_seed(text)
    assert parse_seed("007") == 7


@pytest.mark.parametrize(
    ("settings", "options", "text"),
    [
        (Settings(), {"fork_url": "http://127.0.0.1:1"}, "--seed: not with --fork-url"),
        (Settings(redis_url="redis://127.0.0.1:1"), {}, "no WALLET_RPC_REDIS_URL"),
        (Settings(dev_clock="wall"), {}, "WALLET_RPC_DEV_CLOCK: expected chain with --seed"),
        (Settings(), {"ephemeral": False}, "expected --ephemeral"),
    ],
    ids=["fork", "Redis", "wall clock", "stored data"],
)
async def test_what_may_differ_in_each_run_is_rejected(settings: Settings, options: dict[str, Any], text: str) -> None:
    with pytest.raises(SettingError, match=text):
        async with open_dev_server(settings, DevOptions(seed=7, **{"ephemeral": True, **options})):
            pass
