"""Every command and every option as a user gives them, and the errors for invalid ones."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

import wallet_rpc
from tests.e2e.delegating import External
from tests.e2e.process import Server, run_wallet_rpc
from tests.golden.scenarios import DEPLOYMENTS
from tests.support.calls import transfer
from tests.support.constants import ENTRY_POINT, FRIEND, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.__main__ import main
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions, _config
from wallet_rpc.devchain.accounts import ACCOUNTS
from wallet_rpc.edge.api_documents import openrpc_yaml

ROOT = Path(wallet_rpc.__file__).parents[1]
FACTORY = "0x00000000000017c61b5bEe81050EC8eFc9c6fecd"
PAYMASTER = "0x7e57000000000000000000000000000000000002"
MAY_MOVE: tuple[dict[str, Any], ...] = (
    {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},
    {"type": "native-token-transfer", "data": {"allowance": hex(10**16)}},
)


def assert_session_moves_tokens_within_its_limit(wallet: Wallet) -> None:
    """Check the complete flow: a grant, two allowed calls, and a denied one."""
    before = wallet.client.token_balance(FRIEND)
    grant = wallet.grant(*MAY_MOVE)
    assert wallet.act(grant, transfer(40))["status"] == 200
    assert wallet.act(grant, transfer(60))["status"] == 200
    with pytest.raises(RpcError, match="erc20"):
        wallet.act(grant, transfer(1))
    assert wallet.client.token_balance(FRIEND) - before == 100


def code(client: Client, address: str) -> str:
    return str(client.rpc("eth_getCode", address, "latest"))


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server that other servers use as their chain."""
    with Server("dev", "--ephemeral", folder=tmp_path_factory.mktemp("dev")) as server:
        yield server


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PORT": "http"}, 'WALLET_RPC_PORT: expected a port from 0 to 65535 (0: any free one), got "http"'),
        ({"HOST": "8.8.8.8"}, 'WALLET_RPC_HOST: expected an address of this machine, got "8.8.8.8"'),
        ({"HOST": "a" * 70}, "WALLET_RPC_HOST: expected an address of this machine"),
        ({"HOST": "nowhere.invalid"}, 'WALLET_RPC_HOST: expected an address of this machine, got "nowhere.i'),
        ({"PROT": "1"}, "WALLET_RPC_PROT: no such setting; known: WALLET_RPC_HOST, "),
        ({"REDIS_URL": "unix:///nowhere/redis.sock"}, "WALLET_RPC_REDIS_URL: the store does not answer"),
        (
            {"REDIS_URL": "redis://localhost:port"},
            "WALLET_RPC_REDIS_URL: expected a well-formed URL starting with redis://",
        ),
        (
            {"REDIS_URL": "redis://localhost?paswd=x"},
            "WALLET_RPC_REDIS_URL: expected a well-formed URL starting with redis://",
        ),
        ({"DATA_DIR": "/proc/nowhere"}, "WALLET_RPC_DATA_DIR: cannot create /proc/nowhere: No such file or directory"),
        ({"DATA_DIR": "/dev/null"}, "WALLET_RPC_DATA_DIR: cannot create /dev/null: File exists"),
        (
            {"PAYMASTER_KEY": "0x" + "11" * 32},
            "WALLET_RPC_PAYMASTER_KEY: not for dev, whose paymasters accept only its",
        ),
        ({"CHAINS": "1=http://127.0.0.1:1"}, "WALLET_RPC_CHAINS: only for serve; choose the embedded chains of dev"),
    ],
)
def test_an_invalid_setting_stops_the_start_with_one_sentence_that_names_it(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    process = run_wallet_rpc("dev", folder=tmp_path, **settings)

    assert process.returncode == 2
    assert process.stderr.startswith(f"wallet-rpc: {message}")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dev", "--port", "70000"], "WALLET_RPC_PORT: expected a port from 0 to 65535"),
        (["dev", "--fork-url", "http://127.0.0.1:9"], "--fork-url, chain 31337: the forked chain's node does not"),
        (["dev", "--fork-url", "nonsense"], "--fork-url: expected a URL starting with http:// or https://"),
        (["dev", "--deployments", "nowhere.json"], "--deployments: no such file: nowhere.json"),
        (["serve"], "WALLET_RPC_REDIS_URL: required by serve, but not set"),
        (["demo", "--url", "http://127.0.0.1:9"], "--url: no server is ready at http://127.0.0.1:9"),
        (["demo", "--url", "http://127.0.0.1:9/v2/x"], "--url: expected a server's URL without a path, and none is"),
        (["sign", "0x12", "--key", "0x34"], "sign: expected a 32-byte digest and --key with a 32-byte private key"),
    ],
)
def test_an_invalid_option_is_named(tmp_path: Path, arguments: list[str], message: str) -> None:
    process = run_wallet_rpc(*arguments, folder=tmp_path)

    assert process.returncode == 2
    assert process.stderr.startswith(f"wallet-rpc: {message}")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["dev"], ["paymaster", "status"]])
@pytest.mark.parametrize("given", ["0", "0x0", "-1", "4294967296", "mainnet", "9" * 5000])
def test_an_invalid_chain_id_is_rejected(command: list[str], given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command, f"--chain={given}"])

    said = capsys.readouterr().err
    assert "argument --chain: expected a chain id such as 31337 or 0x7a69, a number from 1 to 4294967295, got" in said


def test_a_chain_logs_in_the_format_of_its_server() -> None:
    json_logs = [_config(Settings(log=log), DevOptions(), 1).json_log for log in ("json", "human", None)]

    assert json_logs == [True, False, False]


def test_the_configured_relayer_key_pays_for_removals(tmp_path: Path) -> None:
    payer = ACCOUNTS[5]
    with Server("dev", "--ephemeral", folder=tmp_path, RELAYER_KEY="0x" + payer.key.hex()) as server:
        eoa = External(server.client())
        eoa.fund()
        eoa.delegate()

        status = eoa.wait_until_final(eoa.submit(eoa.sign_authorization(eoa.prepare_removal())))

        paid = eoa.client.rpc("eth_getTransactionByHash", status["details"]["txHash"])
        assert paid["from"].lower() == payer.address.hex0x().lower()


def test_a_failed_fork_leaves_the_data_folder_usable(tmp_path: Path) -> None:
    run_wallet_rpc("dev", "--fork-url", "http://127.0.0.1:9", folder=tmp_path)

    with Server("dev", folder=tmp_path) as server:
        assert server.ready()[0] == 200


def test_a_missing_genesis_says_what_to_run(tmp_path: Path) -> None:
    unbuilt = shutil.ignore_patterns("build", "node_modules", "__pycache__")
    shutil.copytree(ROOT / "wallet_rpc", tmp_path / "wallet_rpc", ignore=unbuilt)

    process = run_wallet_rpc("dev", folder=tmp_path)

    assert process.returncode == 2
    assert process.stderr == "wallet-rpc: chain 31337: genesis.json is not built yet: run `make contracts`\n"


def test_two_chains_have_separate_endpoints_and_states(tmp_path: Path) -> None:
    with Server("dev", "--chain", "1", "--chain", "421614", folder=tmp_path) as server:
        first, second = server.client("/chain/1"), server.client("/chain/421614")
        assert [each.rpc("eth_chainId") for each in (server.client(), first, second)] == ["0x1", "0x1", "0x66eee"]
        wallet = Wallet(server.client(), chain_id="0x66eee")
        second.mint(wallet.account, 1000)

        assert wallet.act(wallet.grant(*MAY_MOVE), transfer(7))["status"] == 200

        assert (first.token_balance(FRIEND), second.token_balance(FRIEND)) == (0, 7)
        assert code(first, wallet.account) == "0x"
        assert code(second, wallet.account) != "0x"


def test_a_fork_starts_with_the_state_of_the_other_chain(tmp_path: Path, dev: Server) -> None:
    origin = Wallet(dev.client()).fund()
    assert origin.act(None, transfer(1))["status"] == 200

    with Server("dev", "--fork-url", dev.url, folder=tmp_path) as server:
        fork = Wallet(server.client(), owner=origin.owner)
        assert code(fork.client, fork.account) == code(origin.client, origin.account) != "0x"
        assert fork.client.token_balance(fork.account) == 999
        assert_session_moves_tokens_within_its_limit(fork)

    assert origin.client.token_balance(origin.account) == 999


@pytest.mark.skipif(not DEPLOYMENTS.is_file(), reason="the published deployment records are not on this machine")
def test_the_wallet_works_on_the_published_contracts(tmp_path: Path, dev: Server) -> None:
    with Server("dev", "--ephemeral", "--deployments", str(DEPLOYMENTS), folder=tmp_path) as server:
        client = server.client()
        for unchanged in (ENTRY_POINT, PAYMASTER, TOKEN):
            assert code(client, unchanged) == code(dev.client(), unchanged) != "0x"
        assert len(code(client, FACTORY)) > 2
        assert code(client, FACTORY) != code(dev.client(), FACTORY)

        assert_session_moves_tokens_within_its_limit(Wallet(client).fund())


def test_serve_works_with_an_external_redis_and_chain(tmp_path: Path, dev: Server, redis_server: RedisServer) -> None:
    chain = f"{dev.url}/chain/31337"
    settings = {"REDIS_URL": redis_server.url, "CHAINS": f"31337={chain},{chain},{chain}", "OPEN": "yes"}
    with Server("serve", folder=tmp_path, **settings) as server:
        wallet = Wallet(server.client())
        Wallet(dev.client(), owner=wallet.owner).fund()
        grant = wallet.grant(*MAY_MOVE)

        assert wallet.act(grant, transfer(100))["status"] == 200
        with pytest.raises(RpcError, match="erc20"):
            wallet.act(grant, transfer(1))

        assert dev.client().token_balance(wallet.account) == 900
        assert server.post("/", "eth_chainId")["result"] == "0x7a69"
        assert server.stop() == 0
    lines = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert {"wallet_createSession", "wallet_sendPreparedCalls"} <= {line.get("method") for line in lines}


@pytest.mark.parametrize(
    ("chains", "message"),
    [
        ("", "WALLET_RPC_CHAINS: required by serve, but not set"),
        ("1={url}/chain/31337", "WALLET_RPC_CHAINS: chain 1: the node serves chain 31337, expected chain 1"),
        ("31337=http://127.0.0.1:9", "WALLET_RPC_CHAINS: chain 31337: the node does not answer"),
        ("31337={url}/nowhere", "WALLET_RPC_CHAINS: chain 31337: the node returned an error"),
        ("31337={url},http://127.0.0.1:9", "WALLET_RPC_CHAINS: chain 31337: the bundler does not answer"),
    ],
)
def test_serve_does_not_start_in_front_of_an_unusable_chain(
    tmp_path: Path, dev: Server, redis_server: RedisServer, chains: str, message: str
) -> None:
    given = {"CHAINS": chains.format(url=dev.url)} if chains else {}
    process = run_wallet_rpc("serve", folder=tmp_path, REDIS_URL=redis_server.url, OPEN="yes", **given)

    assert process.returncode == 2
    assert process.stderr.startswith(f"wallet-rpc: {message}")
    assert process.stderr.count("\n") == 1


def test_openrpc_prints_the_committed_document(tmp_path: Path) -> None:
    printed = run_wallet_rpc("openrpc", folder=tmp_path)

    assert printed.returncode == 0
    assert printed.stdout == openrpc_yaml() == (ROOT / "openrpc.yaml").read_text()


def test_version(tmp_path: Path) -> None:
    assert run_wallet_rpc("--version", folder=tmp_path).stdout == f"wallet-rpc {wallet_rpc.__version__}\n"


def test_sign_signs_the_bare_digest(tmp_path: Path) -> None:
    digest, key = os.urandom(32), Account.create()

    signed = run_wallet_rpc("sign", f"0x{digest.hex()}", "--key", f"0x{bytes(key.key).hex()}", folder=tmp_path)

    assert signed.stdout == f"0x{key.unsafe_sign_hash(digest).signature.hex()}\n"


STORY = (
    "1. Two new keys",
    "2. The owner's smart account",
    "its address is derived; nothing is deployed yet",
    "the account now holds 1 ETH and 1000 test tokens",
    "4. A grant for the session key; the owner signs it once. It may",
    "5. The first call deploys the account, installs the session and sends 40 tokens, in one user operation",
    "included in transaction 0x",
    "the recipient has received 100 tokens; the allowance is used up",
    "7. Three calls that the contracts deny",
    "one token more than the limit:",
    "another function of the token:",
    "another contract:",
    "8. Another session, in which this server allows one call only. It may",
    "  pending, 10000000000000000 of 10000000000000000, 100 of 100",
    "  installed, 10000000000000000 of 10000000000000000, 0 of 100",
    "10. Calls explained before anything is sent\n   10 tokens: allowed",
    "   101 tokens: denied\n      denied by the session's permission erc20-token-transfer: the call spends 101 units",
    "11. The owner pauses the session\n   one unit more: params.capabilities.permissions: the session is paused",
    "then more than this server allows\n   one unit more: denied by the session's rule 0, calls",
    "13. The owner revokes the session: it is refused here at once\n   one unit more: Session revoked",
    "removes it from the chain; the modules, read back, have nothing of it",
    "the account holds 1 ETH and 890 tokens, the recipient ",
)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_demo_prints_the_whole_story(tmp_path: Path, dev: Server, fresh: bool) -> None:
    demo = run_wallet_rpc("demo", folder=tmp_path, PORT="0" if fresh else dev.url.rpartition(":")[2])

    begins = "No server is running; starting an ephemeral one" if fresh else f"Using the server at {dev.url}."
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.startswith(begins)
    assert [sentence for sentence in STORY if sentence not in demo.stdout] == []
    assert demo.stderr == ""
    assert list(tmp_path.iterdir()) == []
