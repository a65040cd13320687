"""Sessions from the grant to the settled call, over real HTTP, Redis and EVM."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.permissions import CASES, PLAIN, Case
from tests.e2e.stacks import on_every_stack
from tests.support.calls import transfer
from tests.support.constants import FRIEND, POLICY, ROOT
from tests.support.keys import sign_digest
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = on_every_stack


def blob_of(wallet: Wallet, grant: Grant) -> str:
    """Return the local context of a grant, encoded by hand from the typed data that the owner signed."""
    message = grant.created["signatureRequest"]["data"]["message"]
    call = bytes.fromhex(message["call"][2:])
    nonce = int(message["nonce"], 16)
    encoded = (1).to_bytes(21, "big") + message["deadline"].to_bytes(6, "big") + call
    signature = b"\0" + bytes.fromhex(grant.signature[2:])
    parts = [
        b"\0",
        nonce.to_bytes(32, "big"),
        len(encoded).to_bytes(4, "big"),
        encoded,
        len(signature).to_bytes(4, "big"),
        signature,
    ]
    return "0x01" + b"".join(parts).hex()


def wait_until_rejected(act: Callable[[], object]) -> RpcError:
    """Repeat `act` until it fails, and return the error: a gas limit is used up only after a few operations."""
    for _ in range(20):
        try:
            act()
        except RpcError as error:
            return error
    raise AssertionError("no call was rejected")


@pytest.mark.parametrize("kind", CASES)
def test_each_permission_allows_its_calls_and_denies_others(wallet: Wallet, kind: str) -> None:
    case: Case = CASES[kind]
    sponsored = kind != "gas-limit"
    grant = wallet.grant(*case.permissions)
    status = wallet.act(grant, case.allowed(wallet.account), sponsored=sponsored)
    assert status["status"] == 200
    error = wait_until_rejected(lambda: wallet.act(grant, case.denied(wallet.account), sponsored=sponsored))
    assert error.code in {-32500, -32521}
    assert case.error in error.data["errors"]
    assert error.data.get("permissions") == (None if case.by is None else [case.by])


def test_one_operation_deploys_installs_and_calls(wallet: Wallet) -> None:
    assert wallet.client.rpc("eth_getCode", wallet.account, "latest") == "0x"
    grant = wallet.grant(*CASES["erc20-token-transfer"].permissions)
    before = wallet.client.token_balance(FRIEND)
    status = wallet.act(grant, transfer(40))
    assert status["status"] == 200
    assert wallet.client.token_balance(FRIEND) == before + 40
    assert wallet.client.rpc("eth_getCode", wallet.account, "latest") != "0x"
    assert len(status["receipts"]) == 1


def test_later_operations_need_no_installation(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    first = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    wallet.wait_until_final(wallet.send(first, grant.key, grant.permissions))
    second = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    assert int(first["data"]["nonce"], 16) == 0x103 << 64
    assert int(second["data"]["nonce"], 16) == 0x101 << 64
    assert "factory" in first["data"]
    assert "factory" not in second["data"]


def test_a_remote_session_is_used_by_its_id_or_by_its_context(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    by_id = wallet.prepare({"to": FRIEND}, permissions=grant.permissions)
    by_context = wallet.prepare({"to": FRIEND}, permissions=grant.context)
    assert by_id["data"]["callData"] == by_context["data"]["callData"]
    call_id = wallet.send(by_context, grant.key, grant.context)
    assert wallet.wait_until_final(call_id)["status"] == 200


def test_a_local_context_needs_no_server_state(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    local = {"context": blob_of(wallet, grant)}
    for _ in range(2):  # installing, then installed
        prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, permissions=local)
        assert wallet.wait_until_final(wallet.send(prepared, grant.key, local))["status"] == 200


def test_an_installed_session_is_used_by_its_entity_id(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant)
    installed = {"context": "0x020100000001"}
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, permissions=installed)
    assert wallet.wait_until_final(wallet.send(prepared, grant.key, installed))["status"] == 200


def test_an_installed_session_with_execution_hooks_is_wrapped(wallet: Wallet) -> None:
    grant = wallet.grant({"type": "native-token-transfer", "data": {"allowance": "0x64"}}, PLAIN)
    wallet.act(grant)
    installed = {"context": "0x020000000001"}
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, permissions=installed)
    assert prepared["data"]["callData"].startswith("0x8dd7712f")
    assert wallet.wait_until_final(wallet.send(prepared, grant.key, installed))["status"] == 200


def test_an_empty_batch_installs_the_session(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    assert wallet.act(grant)["status"] == 200
    assert wallet.client.nonce(wallet.account, 0x103) == (0x103 << 64) + 1


def test_a_batch_is_one_operation(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    before = wallet.client.token_balance(FRIEND)
    status = wallet.act(grant, transfer(1), transfer(2), {"to": FRIEND, "value": "0x5"})
    assert status["status"] == 200
    assert status["atomic"] is True
    assert wallet.client.token_balance(FRIEND) == before + 3
    assert [call["to"] for call in status["details"]["data"]["calls"]][2].lower() == FRIEND.lower()


def test_the_account_pays_for_itself_without_a_policy(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    before = wallet.client.balance(wallet.account)
    prepared = wallet.prepare({"to": FRIEND, "value": "0x1"}, sponsored=False, permissions=grant.permissions)
    assert prepared["feePayment"]["sponsored"] is False
    assert "paymaster" not in prepared["data"]
    assert wallet.wait_until_final(wallet.send(prepared, grant.key, grant.permissions))["status"] == 200
    assert wallet.client.balance(wallet.account) < before - 1


def test_a_sponsored_call_costs_the_account_nothing(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    assert wallet.act(grant, {"to": FRIEND, "value": "0x1"})["status"] == 200
    assert wallet.client.balance(wallet.account) == 10**18 - 1


def test_the_owner_acts_without_a_session(wallet: Wallet) -> None:
    before = wallet.client.balance(FRIEND)
    assert wallet.act(None, {"to": FRIEND, "value": "0x7"})["status"] == 200
    assert wallet.act(None, {"to": FRIEND, "value": "0x7"}, sponsored=False)["status"] == 200
    assert wallet.client.balance(FRIEND) == before + 14


def test_parallel_nonce_keys_do_not_wait_for_each_other(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    wallet.act(grant)
    keys = ["0x7", "0x8", hex(2**152 - 1)]
    prepared = [
        wallet.prepare({"to": FRIEND}, permissions=grant.permissions, nonceOverride={"nonceKey": key}) for key in keys
    ]
    for one in reversed(prepared):
        assert wallet.wait_until_final(wallet.send(one, grant.key, grant.permissions))["status"] == 200


def test_a_caller_can_override_gas_parameters(wallet: Wallet) -> None:
    override = {"callGasLimit": "0x186a0", "verificationGasLimit": {"multiplier": 1.5}, "maxFeePerGas": "0x77359400"}
    limits = []
    for _ in range(10):  # two estimates of Alto may differ by a tenth
        plain = wallet.prepare({"to": FRIEND})["data"]
        changed = wallet.prepare({"to": FRIEND}, gasParamsOverride=override)["data"]
        assert changed["callGasLimit"] == "0x186a0"
        assert changed["maxFeePerGas"] == "0x77359400"
        limits.append((-(-int(plain["verificationGasLimit"], 16) * 3 // 2), int(changed["verificationGasLimit"], 16)))
        if limits[-1][0] == limits[-1][1]:
            return
    raise AssertionError(limits)


def test_raw_payload_is_the_hash_for_a_raw_signer(wallet: Wallet) -> None:
    created, key = wallet.create_session(ROOT)
    signature = sign_digest(wallet.owner, created["signatureRequest"]["rawPayload"])
    permissions = {"sessionId": created["sessionId"], "signature": signature}
    prepared = wallet.prepare({"to": FRIEND}, permissions=permissions)
    signed = wallet.sign(prepared, key, permissions)
    signed["signature"]["data"] = sign_digest(key, prepared["signatureRequest"]["rawPayload"])
    assert len(wallet.client.rpc("wallet_sendPreparedCalls", signed)["preparedCallIds"]) == 1


def test_an_estimate_requests_no_signature(wallet: Wallet) -> None:
    service = {"policyId": POLICY, "onlyEstimation": True}
    prepared = wallet.prepare({"to": FRIEND}, paymasterService=service)
    assert "signatureRequest" not in prepared
    assert int(prepared["data"]["callGasLimit"], 16) > 0


def test_two_chains_are_served_at_once(client: Client) -> None:
    first = Wallet(client)
    second = Wallet(client, owner=first.owner, chain_id="0x66eee")
    assert first.account == second.account
    for wallet in (first, second):
        assert wallet.act(wallet.grant(ROOT), {"to": FRIEND})["status"] == 200
