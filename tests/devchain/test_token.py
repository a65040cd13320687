"""The test token: minted by anyone, moved by its holder, and approved by permit."""

from __future__ import annotations

from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from tests.devchain.our_contracts import (
    CHAIN_ID,
    KEY,
    NOW,
    OWNER,
    STRANGER,
    World,
    call_data,
    error,
)
from tests.support.keys import sign_hash
from wallet_rpc.devchain.dev_constants import PAYMASTER_KEY, TEST_TOKEN


def test_the_token_can_be_minted_and_moved(world: World) -> None:
    world.change(STRANGER, TEST_TOKEN, call_data("mint", ["address", "uint256"], OWNER, 10))
    world.change(OWNER, TEST_TOKEN, call_data("transfer", ["address", "uint256"], STRANGER, 4))
    world.change(OWNER, TEST_TOKEN, call_data("approve", ["address", "uint256"], STRANGER, 3))
    world.change(STRANGER, TEST_TOKEN, call_data("transferFrom", ["address"] * 2 + ["uint256"], OWNER, STRANGER, 3))
    balances = [
        int.from_bytes(world.look(OWNER, TEST_TOKEN, call_data("balanceOf", ["address"], holder)).output)
        for holder in (OWNER, STRANGER)
    ]
    assert balances == [3, 7]
    more = call_data("transferFrom", ["address", "address", "uint256"], OWNER, STRANGER, 1)
    assert world.look(STRANGER, TEST_TOKEN, more).output[:4] == error("InsufficientAllowance(uint256,uint256)")


def permit(key: PrivateKey, *, deadline: int) -> bytes:
    domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    name, version = keccak(text="Test Token"), keccak(text="1")
    words = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    domain = keccak(encode(words, [keccak(text=domain_type), name, version, CHAIN_ID, TEST_TOKEN]))
    typed = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    words = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    inside = keccak(encode(words, [keccak(text=typed), OWNER, STRANGER, 9, 0, deadline]))
    signature = sign_hash(key, keccak(b"\x19\x01" + domain + inside))
    types = ["address", "address", "uint256", "uint256", "uint8", "bytes32", "bytes32"]
    body = (signature[64], signature[:32], signature[32:64])
    return call_data("permit", types, OWNER, STRANGER, 9, deadline, *body)


def test_a_permit_of_the_owner_in_time_is_an_approval(world: World) -> None:
    outcome = world.look(STRANGER, TEST_TOKEN, permit(KEY, deadline=NOW))
    assert outcome.success
    assert outcome.logs[0].topics[0] == keccak(text="Approval(address,address,uint256)")
    assert int.from_bytes(outcome.logs[0].data) == 9


def test_a_late_permit_and_one_of_another_key_are_refused(world: World) -> None:
    late = world.look(STRANGER, TEST_TOKEN, permit(KEY, deadline=NOW - 1))
    assert late.output[:4] == error("PermitExpired(uint256)")
    other = world.look(STRANGER, TEST_TOKEN, permit(PrivateKey(PAYMASTER_KEY), deadline=NOW))
    assert other.output[:4] == error("PermitSignerMismatch(address,address)")
