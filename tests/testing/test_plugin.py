"""The fixtures for pytest: isolation, one server for each worker, and the server's log in reports."""

from __future__ import annotations

import os
from hashlib import sha256

import pytest
from eth_account import Account

from tests.e2e.pages import ROOT, blocks

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "wallet_rpc.testing.plugin")
PAGE = (ROOT / "specs/testing.md").read_text("utf-8")
FAULTS = (ROOT / "specs/faults.md").read_text("utf-8")
SUITE = """
import pytest
from eth_account.signers.local import LocalAccount
from wallet_rpc.client import Address, Call, Owner, RpcError, WalletClient, types
from wallet_rpc.testing import WalletServer

@pytest.mark.parametrize("_", range(4))
def test_each_test_finds_the_first_state(
    wallet: WalletClient, funded_owner: Owner, session_key: LocalAccount, wallet_server: WalletServer, _: int
) -> None:
    friend = Address(bytes(19) + b"1")
    assert wallet.request("eth_blockNumber") == "0x0"
    for chain_id in wallet_server.chain_ids:
        assert wallet.request("eth_getBalance", str(friend), "latest", chain_id=chain_id) == "0x0"
        wallet.request("anvil_setBalance", str(friend), "0x5", chain_id=chain_id)
    grant = wallet.grant(funded_owner, session_key, types.Root(type="root"))
    assert wallet.wait(wallet.send(grant, Call(to=friend, value=1))).status == 200
    wallet.request("evm_increaseTime", 7200)
    with pytest.raises(RpcError, match="expired"):
        wallet.send(grant, Call(to=friend, value=1))
    wallet.send(wallet.grant(funded_owner, session_key, types.Root(type="root")), Call(to=friend, value=1))

@pytest.mark.parametrize("_", range(2))
def test_no_fault_outlives_its_test(wallet: WalletClient, _: int) -> None:
    assert wallet.test_list_faults(types.ListFaults()).faults == ()
    wallet.test_fail_next(types.FailNext(code=-32603, count=1000))

def test_a_pause_of_redis_outlives_the_test_that_asked_for_it(wallet: WalletClient, funded_owner: Owner) -> None:
    wallet.test_pause_redis(types.PauseRedis(milliseconds=2500))

def test_the_next_test_finds_a_redis_that_answers(wallet: WalletClient, funded_owner: Owner) -> None:
    assert wallet.request("eth_blockNumber") == "0x0"

@pytest.mark.parametrize("_", range(2))
def test_a_test_may_close_its_client(wallet: WalletClient, funded_owner: Owner, _: int) -> None:
    with wallet:
        assert wallet.request("eth_blockNumber") == "0x0"

def test_failing(wallet: WalletClient) -> None:
    with pytest.raises(RpcError):
        wallet.request("wallet_noSuchMethod")
    assert wallet is None

def test_keys(session_key: LocalAccount) -> None:
    print("KEYS", session_key.address)

@pytest.mark.parametrize("how", ["evm_revert", "anvil_reset", "anvil_loadState"])
def test_a_test_that_ends_its_snapshot_is_an_error(wallet: WalletClient, how: str) -> None:
    later = int(wallet.request("evm_snapshot"), 16)
    values = {"evm_revert": [hex(later - 1)], "anvil_reset": [], "anvil_loadState": [wallet.request("anvil_dumpState")]}
    wallet.request(how, *values[how])
    wallet.request("anvil_setBalance", str(Address(bytes(19) + b"2")), "0x5")

def test_the_next_test_finds_the_first_state(wallet: WalletClient) -> None:
    assert wallet.request("eth_getBalance", str(Address(bytes(19) + b"2")), "latest") == "0x0"

@pytest.fixture
def broken(wallet: WalletClient) -> None:
    wallet.request("eth_noSuchMethod")

def test_a_broken_fixture(broken: None) -> None: ...
"""


@pytest.fixture
def plain(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Return an empty project whose pytest runs without the options of this one."""
    for name in [name for name in os.environ if name.startswith(("PYTEST_", "COV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # those of this project import for seconds
    return pytester


def test_each_test_gets_a_fresh_state_and_a_failure_shows_the_log(plain: pytest.Pytester) -> None:
    plain.makepyfile(test_suite=SUITE, test_page=blocks(PAGE, "python")[0], test_faults=blocks(FAULTS, "python")[0])
    result = plain.runpytest_subprocess(*PLUGIN, "-rP")

    result.assert_outcomes(passed=18, failed=1, errors=4)
    key = Account.from_key(sha256(b"session of test_suite.py::test_keys").digest())
    result.stdout.fnmatch_lines([f"KEYS {key.address}"])  # the same in each run
    result.stdout.fnmatch_lines(["*chain 31337 has lost the snapshot of before this test*"])
    report = result.stdout.str().partition("___ test_failing ___")[2].partition("___ test_")[0]
    assert "reason=method_not_found" in report
    assert "method=wallet_createSession" not in report
    assert "=log-" not in report  # the mark of the last line
    setup = result.stdout.str().partition("___ ERROR at setup of test_a_broken_fixture ___")[2].partition("\n___")[0]
    assert "method=evm_snapshot" in setup
    assert "Available accounts" not in setup  # the log of earlier times


def test_each_worker_has_its_own_server(plain: pytest.Pytester) -> None:
    plain.makepyfile("""
        def test_where(wallet_server):
            print("SERVER", wallet_server.url)
    """)
    result = plain.runpytest_subprocess(*PLUGIN, "-p", "xdist", "-n", "2", "--dist", "each", "-rP")

    result.assert_outcomes(passed=2)
    assert len({line for line in result.outlines if line.startswith("SERVER http://127.0.0.1:")}) == 2


def test_the_plugin_starts_nothing_for_tests_that_need_no_server(plain: pytest.Pytester) -> None:
    plain.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            assert "wallet_rpc.testing.plugin" in sys.modules
            assert not {"wallet_rpc.client", "eth_account", "pydantic"} & set(sys.modules)
        """
    )
    plain.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


def test_a_fixture_of_another_kind_may_have_the_name(plain: pytest.Pytester) -> None:
    plain.makeconftest(
        """
        import pytest

        @pytest.fixture
        def wallet_server():
            return "http://127.0.0.1:4337"
        """
    )
    plain.makepyfile("def test_failing(wallet_server): assert wallet_server == ''")
    result = plain.runpytest_subprocess(*PLUGIN)

    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*Log of the wallet server*")


def test_a_server_that_does_not_start_is_an_error_with_its_output(plain: pytest.Pytester) -> None:
    plain.makeconftest(
        blocks(PAGE, "python")[1].replace("extra_chains=(42161,)", 'settings={"WALLET_RPC_LOG": "loud"}')
    )
    plain.makepyfile("def test_nothing(wallet): ...")
    result = plain.runpytest_subprocess(*PLUGIN)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ServerNotStarted: `-m wallet_rpc dev *` ended with 2; its output:"])
    result.stdout.fnmatch_lines(['*WALLET_RPC_LOG: expected "human" or "json", got "loud"*'])
