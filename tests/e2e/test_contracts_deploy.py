"""`wallet-rpc contracts deploy` on anvil: what it installs, what it leaves as it is, and which nodes it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.golden.scenarios import DEPLOYMENTS
from tests.stack.installing import install
from tests.stack.parts import anvil, ask, private_key
from tests.support.http_stub import Answer, serve_stub
from wallet_rpc.__main__ import main
from wallet_rpc.devchain.contract_names import CONTRACT_NAMES, SENDER_CREATOR
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER
from wallet_rpc.devchain.genesis import Genesis, load_deployments, load_genesis
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, CREATE2_DEPLOYER, ENTRY_POINT, TIME_RANGE_MODULE
from wallet_rpc.primitives import Address, Data

CHAIN = 31337
GENESIS = load_genesis()
DEPOSIT = 10**24
OTHER_CODE = "0x5f5ffd"
WRITES = ("anvil_", "hardhat_", "eth_send")


@dataclass
class Proxy:
    """A node in front of another that rejects some methods, and may stop to answer after some writes."""

    upstream: str
    rejects: tuple[str, ...] = ()
    allowed_writes: int = 1_000
    writes: list[str] = field(default_factory=list)

    def answer(self, body: bytes) -> Answer:
        entries = json.loads(body)
        methods = [entry["method"] for entry in (entries if isinstance(entries, list) else [entries])]
        if methods[0].startswith(self.rejects or "no method"):
            error = {"code": -32601, "message": f"the method {methods[0]} does not exist"}
            return Answer(json.dumps({"jsonrpc": "2.0", "id": entries["id"], "error": error}).encode())
        self.writes += [method for method in methods if method.startswith(WRITES)]
        if len(self.writes) > self.allowed_writes:
            return Answer(b"", status=503)
        return Answer(httpx2.post(self.upstream, content=body, headers={"content-type": "application/json"}).content)


@contextmanager
def in_front_of(upstream: str, **options: Any) -> Iterator[tuple[str, Proxy]]:
    proxy = Proxy(upstream, **options)
    with serve_stub(proxy.answer) as url:
        yield url, proxy


@pytest.fixture(scope="module")
def empty_anvil(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    install()
    with anvil({}, CHAIN, tmp_path_factory.mktemp("anvil")) as url:
        yield url


@pytest.fixture
def node(empty_anvil: str) -> Iterator[str]:
    """Return the URL of a chain without contracts, which is restored after the test."""
    before = ask(empty_anvil, "evm_snapshot")
    yield empty_anvil
    assert ask(empty_anvil, "evm_revert", before)


Deploy = Callable[..., tuple[int, str, str]]


@pytest.fixture
def deploy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Deploy:
    """Return a function that runs the command and returns its exit status, output and error output."""

    def run(*arguments: str, key: str | None = None) -> tuple[int, str, str]:
        if key is not None:
            monkeypatch.setenv("WALLET_RPC_DEPLOYER_KEY", key)
        try:
            status = main(["contracts", "deploy", *arguments])
        except SystemExit as system_exit:  # argparse
            status = int(str(system_exit.code))
        printed = capsys.readouterr()
        assert key is None or key[2:] not in printed.out + printed.err
        return status, printed.out, printed.err

    return run


def states(table: str) -> dict[str, str]:
    """Return the state of each contract in a table, by address."""
    return {line[31:73]: line[75:] for line in table.splitlines()[1:-1]}


def differences(node: str, genesis: Genesis) -> list[str]:
    """Compare every account on the chain with the genesis."""
    found = []
    for address, account in genesis.items():
        text = address.hex0x()
        if ask(node, "eth_getCode", text, "latest") != Data(account.code).hex0x():
            found.append(f"code of {address}")
        if (
            address != CREATE2_DEPLOYER
            and int(ask(node, "eth_getTransactionCount", text, "latest"), 16) != account.nonce
        ):
            found.append(f"nonce of {address}")
        if int(ask(node, "eth_getBalance", text, "latest"), 16) != account.balance:
            found.append(f"balance of {address}")
        found += [
            f"slot {slot} of {address}"
            for slot, word in account.storage.items()
            if int(ask(node, "eth_getStorageAt", text, hex(slot), "latest"), 16) != word
        ]
    return found


def deposit(node: str, paymaster: Address) -> int:
    data = Data(abi.selector_of("balanceOf(address)") + abi.address(paymaster)).hex0x()
    return int(ask(node, "eth_call", {"to": ENTRY_POINT.hex0x(), "data": data}, "latest"), 16)


def test_every_contract_of_the_genesis_is_installed_with_its_storage(node: str, deploy: Deploy) -> None:
    status, table, errors = deploy("--rpc-url", node)

    assert (status, errors) == (0, "")
    assert differences(node, GENESIS) == []
    assert {deposit(node, each) for each in (PAYMASTER, ERC20_PAYMASTER)} == {DEPOSIT}
    expected = {str(address): "installed by anvil_setCode" for address in GENESIS}
    assert states(table) == expected | {str(CREATE2_DEPLOYER): "already there"}  # anvil starts with it
    assert f"chain {CHAIN} (anvil/" in table.splitlines()[-1]
    assert table.splitlines()[-1].endswith(": 14 changed, 1 unchanged")


def test_a_second_run_changes_nothing(node: str, deploy: Deploy) -> None:
    deploy("--rpc-url", node)
    slot = next(slot for slot, word in GENESIS[ENTRY_POINT].storage.items() if word == DEPOSIT)
    ask(node, "anvil_setStorageAt", ENTRY_POINT.hex0x(), hex(slot), f"0x{7:064x}")  # a deposit that was spent

    with in_front_of(node) as (url, proxy):
        status, table, errors = deploy("--rpc-url", url)

    assert (status, errors, proxy.writes) == (0, "", [])
    assert set(states(table).values()) == {"already there"}
    assert differences(node, GENESIS) == [f"slot {slot} of {ENTRY_POINT}"]


@pytest.mark.parametrize(("writes", "balance"), [(2, 3 * DEPOSIT), (35, 2 * DEPOSIT)])
def test_an_interrupted_run_is_completed_by_the_next(node: str, deploy: Deploy, writes: int, balance: int) -> None:
    """A run that ends between EntryPoint's balance and the deposit in its storage leaves a surplus."""
    with in_front_of(node, allowed_writes=writes) as (url, _):
        status, table, errors = deploy("--rpc-url", url)
    assert (status, table) == (1, "")
    assert "--rpc-url: the node does not answer" in errors

    status, table, errors = deploy("--rpc-url", node)

    assert (status, errors) == (0, "")
    assert [each for each in differences(node, GENESIS) if not each.startswith("balance")] == []
    assert int(ask(node, "eth_getBalance", ENTRY_POINT.hex0x(), "latest"), 16) == balance


def test_other_code_is_left_as_it_is_unless_it_shall_be_replaced(node: str, deploy: Deploy) -> None:
    ask(node, "anvil_setCode", TIME_RANGE_MODULE.hex0x(), OTHER_CODE)

    with in_front_of(node) as (url, proxy):
        status, table, errors = deploy("--rpc-url", url)

    assert (status, table, proxy.writes) == (1, "", [])
    assert f"other code at the addresses of TimeRangeModule ({TIME_RANGE_MODULE}); nothing was changed" in errors
    assert "--replace" in errors

    status, table, errors = deploy("--rpc-url", node, "--replace")

    assert (status, errors) == (0, "")
    assert states(table)[str(TIME_RANGE_MODULE)] == "replaced by anvil_setCode"
    assert differences(node, GENESIS) == []


def test_a_node_with_the_methods_of_hardhat_only_gets_the_contracts_by_them(node: str, deploy: Deploy) -> None:
    with in_front_of(node, rejects=("anvil_",)) as (url, proxy):
        status, table, errors = deploy("--rpc-url", url)

    assert (status, errors) == (0, "")
    assert {method.partition("_")[0] for method in proxy.writes} == {"hardhat"}
    assert states(table)[str(ENTRY_POINT)] == "installed by hardhat_setCode"
    assert differences(node, GENESIS) == []


def test_a_node_that_cannot_set_code_is_refused_by_name(node: str, deploy: Deploy) -> None:
    with in_front_of(node, rejects=("anvil_", "hardhat_")) as (url, proxy):
        status, table, errors = deploy("--rpc-url", url)

    assert (status, table, proxy.writes) == (1, "", [])
    assert f"chain {CHAIN} (anvil/" in errors
    assert "accepts neither anvil_setCode nor hardhat_setCode; nothing was changed" in errors
    assert "--print-genesis-alloc" in errors
    assert "--deployments FILE and WALLET_RPC_DEPLOYER_KEY" in errors


@pytest.mark.skipif(not DEPLOYMENTS.is_file(), reason="the published deployment records are not on this machine")
def test_published_contracts_are_deployed_by_transactions(node: str, deploy: Deploy) -> None:
    published = load_deployments(DEPLOYMENTS)
    with in_front_of(node, rejects=("anvil_", "hardhat_")) as (url, proxy):
        arguments = ("--rpc-url", url, "--deployments", str(DEPLOYMENTS))
        status, table, errors = deploy(*arguments, key=private_key(0))

        assert status == 1  # the records lack a contract that wallet-rpc needs
        assert "still missing" in errors
        assert CONTRACT_NAMES[ALLOWLIST_MODULE] in errors
        assert len(proxy.writes) == len(published) - 1 + 1  # without the deployer, with EntryPoint
        shown = states(table)
        assert {shown[str(each)] for each in (ENTRY_POINT, *published) if each != CREATE2_DEPLOYER} == {
            "deployed by a transaction"
        }
        assert shown[str(SENDER_CREATOR)] == "created by EntryPoint"
        assert differences(node, published) == []
        assert ask(node, "eth_getCode", ENTRY_POINT.hex0x(), "latest") == Data(GENESIS[ENTRY_POINT].code).hex0x()

        proxy.writes.clear()
        ask(node, "anvil_setCode", ALLOWLIST_MODULE.hex0x(), Data(GENESIS[ALLOWLIST_MODULE].code).hex0x())
        status, table, errors = deploy(*arguments, key=private_key(0))

        assert (status, errors, proxy.writes) == (0, "", [])


def test_the_printed_alloc_is_a_genesis_with_all_contracts(deploy: Deploy) -> None:
    status, printed, errors = deploy("--print-genesis-alloc")

    assert (status, errors) == (0, "")
    alloc = json.loads(printed)
    assert set(alloc) == {address.hex0x() for address in GENESIS}
    entry_point = alloc[ENTRY_POINT.hex0x()]
    assert int(entry_point["balance"], 16) == 2 * DEPOSIT
    assert Data.parse(entry_point["code"]) == GENESIS[ENTRY_POINT].code
    assert {int(slot, 16): int(word, 16) for slot, word in entry_point["storage"].items()} == GENESIS[
        ENTRY_POINT
    ].storage


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        ([], 2, "one of the arguments --rpc-url --print-genesis-alloc is required"),
        (["--rpc-url", "127.0.0.1:8545"], 2, "--rpc-url: expected a URL starting with http:// or https://"),
        (["--rpc-url", "http://127.0.0.1:1"], 1, "--rpc-url: the node does not answer"),
        (["--print-genesis-alloc", "--deployments", "/nowhere.json"], 2, "--deployments: /nowhere.json: No such file"),
        (["--print-genesis-alloc", "--deployments", __file__], 2, "contains no deployment records"),
    ],
)
def test_invalid_options_are_named(deploy: Deploy, arguments: list[str], status: int, error: str) -> None:
    found, printed, errors = deploy(*arguments)

    assert (found, printed) == (status, "")
    assert error in errors
    assert "Traceback" not in errors


def test_every_contract_of_the_genesis_has_a_name() -> None:
    assert set(GENESIS) <= set(CONTRACT_NAMES)
