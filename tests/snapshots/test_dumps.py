"""Dumps that hold chain and wallet, and a server of two chains, of which a revert changes one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from eth_account import Account

from tests.snapshots.conftest import FRIEND, TRANSFERS, fund
from wallet_rpc.adapters.state_rows import StateRow, format_section
from wallet_rpc.client import Call, Owner, RpcError, WalletClient
from wallet_rpc.devchain.state_file import decode_state, encode_state
from wallet_rpc.primitives import Data
from wallet_rpc.testing import WalletServer

FIRST, SECOND = 31337, 4242


@pytest.fixture(scope="module")
def double_server() -> Iterator[WalletServer]:
    with WalletServer(extra_chains=(SECOND,)) as running:
        yield running


@pytest.fixture
def both(double_server: WalletServer) -> Iterator[WalletClient]:
    with WalletClient(double_server.url, api_key=double_server.api_key) as client:
        yield client


def list_sessions(wallet: WalletClient, owner: Owner) -> list[str]:
    query = {"account": str(owner.account), "chainId": hex(owner.chain_id)}
    return sorted(each["sessionId"] for each in wallet.request("wallet_listSessions", query)["sessions"])


def use(wallet: WalletClient, owner: Owner) -> tuple[Any, str]:
    """Grant a session and send a call with it, and return the call's id."""
    grant = wallet.grant(owner, Account.create(), *TRANSFERS)
    call_id = wallet.send(grant, Call(to=FRIEND, value=10))
    assert wallet.wait(call_id).status == 200
    return grant, str(call_id)


def get_status(wallet: WalletClient, call_id: str) -> int | None:
    with suppress(RpcError):  # it has none, or no longer
        return int(wallet.request("wallet_getCallsStatus", call_id)["status"])
    return None


def test_a_revert_leaves_the_other_chain_and_accounts(both: WalletClient) -> None:
    owners = [fund(both, chain_id=chain) for chain in (FIRST, SECOND)]
    snapshots = [both.request("evm_snapshot", chain_id=chain) for chain in (FIRST, SECOND)]
    calls = [use(both, owner)[1] for owner in owners]
    sessions = list_sessions(both, owners[1])
    assert both.request("evm_revert", snapshots[0], chain_id=FIRST) is True
    assert [get_status(both, call_id) for call_id in calls] == [None, 200]
    assert (list_sessions(both, owners[0]), list_sessions(both, owners[1])) == ([], sessions)
    listed = both.request("wallet_listAccounts", {"signerAddress": owners[0].key.address})["accounts"]
    assert [each["accountAddress"].lower() for each in listed] == [str(owners[0].account).lower()]
    use(both, owners[0])
    assert both.request("evm_revert", snapshots[1], chain_id=SECOND) is True
    assert list_sessions(both, owners[1]) == []
    assert len(list_sessions(both, owners[0])) == 1


def test_a_dump_of_one_server_is_loaded_by_another(
    both: WalletClient, wallet: WalletClient, server: WalletServer
) -> None:
    owner = fund(both)
    grant, call_id = use(both, owner)
    sessions, dump = list_sessions(both, owner), both.request("anvil_dumpState")
    assert "wallet" in decode_state(Data.parse(dump))
    snapshot = wallet.request("evm_snapshot")
    assert wallet.request("anvil_loadState", dump) is True
    assert list_sessions(wallet, owner) == sessions
    assert get_status(wallet, call_id) == 200
    assert wallet.wait(wallet.send(grant, Call(to=FRIEND, value=90))).status == 200
    with pytest.raises(RpcError, match="native-token-transfer"):
        wallet.send(grant, Call(to=FRIEND, value=1))
    assert wallet.request("evm_revert", snapshot) is False
    wallet.request("anvil_reset")
    assert list_sessions(wallet, owner) == []
    assert get_status(wallet, call_id) is None
    assert wallet.request("eth_blockNumber") == "0x0"
    with WalletClient(f"{server.url}/chain/{FIRST}", api_key=server.api_key) as chain:
        padded = encode_state({**decode_state(Data.parse(dump)), "padding": "".join(map(str, range(400_000)))})
        assert len(padded) > 1 << 20
        assert chain.request("hardhat_loadState", padded) is True
    assert list_sessions(wallet, owner) == sessions


def test_a_dump_without_the_wallet_loads_the_chain_alone(wallet: WalletClient, owner: Owner) -> None:
    sections = decode_state(Data.parse(wallet.request("anvil_dumpState")))
    _, call_id = use(wallet, owner)
    snapshot = wallet.request("evm_snapshot")
    del sections["wallet"]
    assert wallet.request("anvil_loadState", encode_state(sections)) is True
    assert get_status(wallet, call_id) == 200
    assert wallet.request("evm_revert", snapshot) is False


def test_a_dump_of_something_else_changes_nothing(wallet: WalletClient, owner: Owner) -> None:
    sections = decode_state(Data.parse(wallet.request("anvil_dumpState")))
    use(wallet, owner)
    before = list_sessions(wallet, owner)
    key = StateRow(name="{key:stolen}", kind="hash", ends="", values=(b"record", b"{}"))
    accounts = StateRow(name="{signer:" + 20 * "aa" + "}:accounts", kind="string", ends="", values=(b"x",))
    for section, expected in (
        (format_section(FIRST, [accounts]), 'complete and state of this chain, got "{signer:aaaa'),
        (format_section(FIRST, [key]), "a wallet section whose keys are complete and state of this chain"),
        (format_section(SECOND, []), "a wallet section of format 1 with keys of chain 31337"),
        (["rows"], "a wallet section of format 1"),
    ):
        with pytest.raises(RpcError, match=expected) as rejected:
            wallet.request("anvil_loadState", encode_state({**sections, "wallet": section}))
        assert rejected.value.reason == "unreadable_state"
    of_another = {**sections, "chain": {**sections["chain"], "identity": "chain 1"}}
    with pytest.raises(RpcError, match="got one of another chain"):
        wallet.request("anvil_loadState", encode_state(of_another))
    for malformed in ("0x", "0x00", "state", None, json.dumps({})):
        with pytest.raises(RpcError, match=r"params\.state: failed to decode the state dump"):
            wallet.request("anvil_loadState", malformed)
    assert list_sessions(wallet, owner) == before
