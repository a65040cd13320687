"""Rejected calls: their error code and reason, and that they send nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.delegating import external
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import transfer
from tests.support.constants import FRIEND, POLICY, ROOT, TOKEN
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks


@contextmanager
def assert_rejected(
    wallet: Wallet, code: int, reason: str, *, keys: tuple[int, ...] = (0x1, 0x101, 0x103)
) -> Iterator[None]:
    """Check that the block fails with this code and reason, and that no nonce of the account changes."""
    before = [wallet.client.nonce(wallet.account, key) for key in keys]
    with pytest.raises(RpcError) as error_info:
        yield
    assert (error_info.value.code, error_info.value.reason) == (code, reason), error_info.value.message
    assert [wallet.client.nonce(wallet.account, key) for key in keys] == before


def test_a_grant_signed_by_another_key_is_rejected(wallet: Wallet) -> None:
    stranger = Wallet(wallet.client)
    forged = replace_owner(wallet, stranger).grant(ROOT)
    with assert_rejected(wallet, -32507, "session_signature_invalid"):
        wallet.prepare({"to": FRIEND}, permissions=forged.permissions)


def replace_owner(wallet: Wallet, other: Wallet) -> Wallet:
    """Return a wallet with the account of `wallet` that signs with the other's key."""
    made = Wallet(wallet.client, owner=other.owner)
    made.account = wallet.account
    return made


def test_an_operation_signed_by_another_key_is_rejected(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    prepared = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    with assert_rejected(wallet, -32507, "signature_invalid"):
        wallet.send(prepared, wallet.owner, grant.permissions)
    with assert_rejected(wallet, -32507, "signature_invalid"):
        wallet.send(wallet.prepare({"to": FRIEND}), grant.key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("callData", "0x34fcd5be"),
        ("callGasLimit", "0x5000000"),
        ("maxFeePerGas", "0x1"),
        ("preVerificationGas", "0x0"),
        ("paymasterData", "0x"),
    ],
)
def test_an_operation_altered_after_signing_is_rejected(wallet: Wallet, name: str, value: str) -> None:
    grant = wallet.grant(ROOT)
    prepared = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    request = wallet.sign(prepared, grant.key, grant.permissions)
    request["data"] = {**request["data"], name: value}
    with assert_rejected(wallet, -32507, "signature_invalid"):
        wallet.client.rpc("wallet_sendPreparedCalls", request)


def test_another_accounts_session_is_not_found(wallet: Wallet) -> None:
    other = Wallet(wallet.client)
    foreign = other.grant(ROOT)
    with assert_rejected(wallet, -32602, "session_not_found"):
        wallet.prepare({"to": FRIEND}, permissions=foreign.permissions)
    grant = wallet.grant(ROOT)
    prepared = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    with assert_rejected(wallet, -32602, "session_not_found"):
        wallet.send(prepared, grant.key, foreign.permissions)


def test_a_session_of_another_chain_is_not_found(wallet: Wallet) -> None:
    elsewhere = Wallet(wallet.client, owner=wallet.owner, chain_id="0x66eee")
    grant = elsewhere.grant(ROOT)
    with assert_rejected(wallet, -32602, "session_not_found"):
        wallet.prepare({"to": FRIEND}, permissions=grant.permissions)


def test_an_unknown_session_is_not_found(wallet: Wallet) -> None:
    permissions = {"sessionId": "0x" + "ab" * 16, "signature": "0x" + "01" * 65}
    with assert_rejected(wallet, -32602, "session_not_found"):
        wallet.prepare({"to": FRIEND}, permissions=permissions)


def test_an_expired_session_is_rejected(wallet: Wallet) -> None:
    end = int(time.time()) + 5
    soon = wallet.grant(ROOT, expirySec=end)
    prepared = wallet.prepare({"to": FRIEND}, permissions=soon.permissions)
    time.sleep(end + 1.1 - time.time())
    with assert_rejected(wallet, -32602, "session_expired"):
        wallet.prepare({"to": FRIEND}, permissions=soon.permissions)
    with assert_rejected(wallet, -32602, "session_expired"):
        wallet.send(prepared, soon.key, soon.permissions)


@pytest.mark.dev_only("Alto uses its own clock, which the test cannot set")
def test_the_chain_rejects_an_expired_session_whose_end_the_server_does_not_know(wallet: Wallet) -> None:
    wallet.act(wallet.grant(ROOT))
    installed = {"context": "0x020100000001"}
    snapshot = wallet.client.chain("evm_snapshot")
    wallet.client.chain("evm_increaseTime", 7200)
    wallet.client.chain("evm_mine")
    try:
        with assert_rejected(wallet, -32503, "session_expired"):
            wallet.prepare({"to": FRIEND}, sponsored=False, permissions=installed)
    finally:
        wallet.client.chain("evm_revert", snapshot)


def test_a_session_call_sent_without_its_permissions_is_rejected(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    prepared = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    with assert_rejected(wallet, -32602, "nonce_mismatch"):
        wallet.send(prepared, grant.key)


def test_another_session_of_the_same_account_cannot_send_a_call(wallet: Wallet) -> None:
    first, second = wallet.grant(ROOT), wallet.grant(ROOT)
    prepared = wallet.prepare({"to": FRIEND}, permissions=first.permissions)
    with assert_rejected(wallet, -32602, "nonce_mismatch"):
        wallet.send(prepared, second.key, second.permissions)


def test_an_uninstalled_session_is_rejected(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant)
    entity = bytes.fromhex("00000000000099DE0BF6fA90dEB851E2A2df7d83") + (1).to_bytes(4, "big")
    arguments = entity.ljust(32, b"\0") + (96).to_bytes(32, "big") + (128).to_bytes(32, "big") + bytes(64)
    wallet.act(None, {"to": wallet.account, "data": "0xb6b1ccfe" + arguments.hex()})
    with assert_rejected(wallet, -32602, "session_not_on_chain"):
        wallet.prepare({"to": FRIEND}, permissions=grant.permissions)


def test_a_grant_whose_nonce_was_incremented_is_rejected(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    burn = "0x0bd28e3b" + (0x103).to_bytes(32, "big").hex()
    wallet.act(None, {"to": "0x0000000071727De22E5E9d8BAf0edAc6f37da032", "data": burn})
    with assert_rejected(wallet, -32602, "session_not_on_chain"):
        wallet.prepare({"to": FRIEND}, permissions=grant.permissions)


def test_the_owner_cannot_pay_without_funds(client: Client) -> None:
    poor = Wallet(client).fund(tokens=0)
    prepared = poor.prepare({"to": FRIEND}, sponsored=False)
    client.chain("anvil_setBalance", poor.account, "0x0")
    with assert_rejected(poor, -32000, "insufficient_funds"):
        poor.send(prepared, poor.owner)
    poor.fund(tokens=0)
    with assert_rejected(poor, -32000, "insufficient_funds"):
        poor.send(prepared, poor.owner)  # its status was final
    prepared = poor.prepare({"to": FRIEND}, sponsored=False)
    assert poor.wait_until_final(poor.send(prepared, poor.owner))["status"] == 200


def test_a_call_that_reverts_is_rejected_when_it_is_prepared(wallet: Wallet) -> None:
    with assert_rejected(wallet, -32521, "execution_reverted"):
        wallet.prepare(transfer(10**6))


@pytest.mark.parametrize("data", ["0x", "0x123456"])
def test_a_call_to_the_account_itself_must_name_a_function(wallet: Wallet, data: str) -> None:
    session: dict[str, Any] = {"permissions": wallet.grant(ROOT).permissions}
    by_owner: dict[str, Any] = {}
    for own, capabilities in ((wallet, by_owner), (wallet, session), (external(wallet), by_owner)):
        with pytest.raises(RpcError, match="itself") as error_info:
            own.prepare({"to": own.account, "data": data}, **capabilities)
        assert (error_info.value.code, error_info.value.reason) == (-32602, "self_call_without_function")
        assert error_info.value.data["field"] == "params.calls[0].data"


def test_a_contract_that_is_not_an_account_is_rejected(client: Client) -> None:
    wallet = Wallet(client)
    wallet.account = TOKEN
    with assert_rejected(wallet, -32602, "not_an_account"):
        wallet.prepare({"to": FRIEND})


def test_a_malformed_policy_id_is_rejected_by_name(wallet: Wallet) -> None:
    with pytest.raises(RpcError, match="policyId"):
        wallet.prepare({"to": FRIEND}, paymasterService={"policyId": "not-a-uuid"})


@pytest.mark.parametrize(
    ("capability", "value"),
    [
        ("auxiliaryFunds", {}),
        ("anythingElse", {"optional": False}),
        ("anythingElse", {}),
        ("paymaster", {"policyId": POLICY}),
        ("paymasterService", {"url": "https://paymaster.example"}),
    ],
)
def test_an_unsupported_capability_is_rejected_by_name(wallet: Wallet, capability: str, value: Any) -> None:
    with assert_rejected(wallet, 5700, "unsupported_capability"):
        wallet.prepare({"to": FRIEND}, **{capability: value})


def test_an_unconfigured_chain_is_rejected(wallet: Wallet) -> None:
    wallet.chain_id = "0x2105"
    with assert_rejected(wallet, 5710, "unsupported_chain"):
        wallet.prepare({"to": FRIEND})


@pytest.mark.parametrize(
    "call_id", ["0x", "0x1234", "0x" + "00" * 64, "0x" + (31337).to_bytes(32, "big").hex() + "ab" * 32]
)
def test_an_unknown_call_id_is_error_5730(wallet: Wallet, call_id: str) -> None:
    with assert_rejected(wallet, 5730, "unknown_call_id"):
        wallet.status(call_id)


def test_a_malformed_context_is_rejected(wallet: Wallet) -> None:
    for context in ("0x", "0x01", "0x0100", "0x02", "0x03" + "00" * 20, "0x02010000000"[:-1], "0x00" + "11" * 16):
        with pytest.raises(RpcError) as error_info:
            wallet.prepare({"to": FRIEND}, permissions={"context": context})
        assert error_info.value.code == -32602, (context, error_info.value.message)
