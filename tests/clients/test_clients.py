"""The vendor's clients, viem, ethers and the code blocks of the pages work unchanged with this server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import npm
from tests.e2e.server import run_dev_server
from tests.support.recording import run_recorder, run_replay
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.devchain import dev_constants


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server whose first chain is one that Account Kit supports; the second is the default of `dev`."""
    npm.prepare()
    with run_dev_server(DevOptions(chains=(421614, 31337), ephemeral=True)) as url:
        yield url


@pytest.fixture(scope="module")
def player(server: str) -> Iterator[npm.Player]:
    with npm.Player(server, server, dev_constants.API_KEY) as running_player:
        yield running_player


@pytest.mark.parametrize("scenario", npm.scenarios())
def test_a_client_works_unchanged(scenario: str, player: npm.Player) -> None:
    player.play(scenario)


def test_viem_repeats_requests_after_faults(player: npm.Player) -> None:
    player.play("faults/retries.ts")


def test_a_client_with_new_keys_runs_against_a_recording_of_itself(
    server: str, player: npm.Player, tmp_path: Path
) -> None:
    file = tmp_path / "recording.jsonl"
    with run_recorder(server, file) as url:
        player.play(f"recorded/wallet.ts?url={url}")
    with run_replay(file) as (url, replayer):
        player.play(f"recorded/wallet.ts?again&url={url}")
        report = replayer.report()

    assert (report.not_recorded, report.not_sent) == ((), ())
    assert len(report.renamed) == 3  # the keys are random


@pytest.mark.parametrize("number", range(len(npm.page_blocks())))
def test_a_block_of_a_page_runs(number: int, player: npm.Player) -> None:
    assert npm.DEFAULT_URL in npm.page_blocks()[number]

    assert "0x" in player.play(f"pages/{number}.ts")


def test_the_packages_are_pinned_and_come_from_no_particular_host() -> None:
    lock = (npm.HERE / "package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert lock.count('"integrity"') >= lock.count('"node_modules/')
