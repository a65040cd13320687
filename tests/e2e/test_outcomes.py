"""The status of a failed call contains the same error as wallet_prepareCalls would return."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from tests.devchain.contracts import revert_with
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import transfer
from tests.support.constants import FRIEND
from tests.support.wallet import Wallet

STOP = "0x00"
REVERTED = -32521


def send_reverting(wallet: Wallet, data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Send a call that reverts with `data` and that was estimated with other code; return its status and error."""
    target = to_checksum_address(secrets.token_bytes(20))
    wallet.client.chain("anvil_setCode", target, "0x" + revert_with(data).hex())
    prepared = wallet.prepare({"to": target}, stateOverride={target: {"code": STOP}})
    status = wallet.wait_until_final(wallet.send(prepared, wallet.owner))
    return status, status["details"]["data"]["error"]


@on_both_stacks
@pytest.mark.parametrize(
    ("data", "message", "errors"),
    [
        (keccak(text="Error(string)")[:4] + encode(["string"], ["no luck"]), "no luck", ["Error"]),
        (
            keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [0x11]),
            "panic 0x11: arithmetic underflow or overflow",
            ["Panic"],
        ),
        (b"\xde\xad\xbe\xef" + bytes(32), "0xdeadbeef()", ["0xdeadbeef"]),
        (b"\x01\x02", "0x0102()", ["0x0102"]),
    ],
    ids=["error", "panic", "custom", "short"],
)
def test_the_status_of_a_reverted_call_has_the_reason(
    wallet: Wallet, data: bytes, message: str, errors: list[str]
) -> None:
    status, error = send_reverting(wallet, data)

    assert (status["status"], status["receipts"][0]["status"]) == (500, "0x0")
    assert (error["code"], error["message"]) == (REVERTED, f"execution reverted: {message}")
    assert error["data"] == {"reason": "execution_reverted", "revert": "0x" + data.hex(), "errors": errors}


def test_the_status_of_a_call_that_reverts_without_data_says_so(wallet: Wallet) -> None:
    status, error = send_reverting(wallet, b"")

    assert (status["status"], error["code"]) == (500, REVERTED)
    assert error["message"].startswith("execution reverted without a reason")
    assert error["data"] == {"reason": "execution_reverted"}


@on_both_stacks
def test_a_call_that_fails_after_another_has_the_error_of_preparing_it(wallet: Wallet) -> None:
    wallet.act(None)
    prepared = [wallet.prepare(transfer(700), nonceOverride={"nonceKey": hex(key)}) for key in (1, 2)]
    first, second = [wallet.wait_until_final(wallet.send(each, wallet.owner)) for each in prepared]

    assert first["status"] == 200
    assert "error" not in first["details"]["data"]
    error = second["details"]["data"]["error"]
    assert error["message"] == "execution reverted: InsufficientBalance(300, 700)"
    assert error["data"]["errors"] == ["InsufficientBalance"]


def test_a_sessions_call_above_a_limit_used_up_by_another_names_the_limit(wallet: Wallet) -> None:
    """The execution hook reverts, for calls that the account runs by executeUserOp."""
    permissions = [
        {"type": "native-token-transfer", "data": {"allowance": "0xa"}},
        {"type": "contract-access", "data": {"address": FRIEND}},
    ]
    grant = wallet.grant(*permissions)
    wallet.act(grant)
    call = {"to": FRIEND, "value": "0x7"}
    prepared = [
        wallet.prepare(call, permissions=grant.permissions, nonceOverride={"nonceKey": hex(key)}) for key in (1, 2)
    ]
    first, second = [wallet.wait_until_final(wallet.send(each, grant.key, grant.permissions)) for each in prepared]

    assert (first["status"], second["status"]) == (200, 500)
    error = second["details"]["data"]["error"]
    assert error["data"]["errors"] == ["PreExecHookReverted", "ExceededNativeTokenLimit"]
    assert "ExceededNativeTokenLimit" in error["message"]
