"""Parts of the development contracts that scenarios do not reach: paymaster, delegate v1.1.0, omitted functions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import decode, encode
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
from wallet_rpc.devchain.dev_constants import PAYMASTER, PAYMASTER_KEY, PAYMASTER_SIGNER
from wallet_rpc.devchain.evm import ExecutionResult
from wallet_rpc.devchain.genesis import GenesisAccount
from wallet_rpc.domain.contracts import (
    ACCOUNT_FACTORY,
    ENTRY_POINT,
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
    TIME_RANGE_MODULE,
)
from wallet_rpc.primitives import Address

OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
HASH = keccak(text="a document")
MAGIC = bytes.fromhex("1626ba7e")
SPONSORED_UNTIL, SPONSORED_FROM = NOW + 60, NOW - 60


def sponsorship(operation: tuple[object, ...]) -> bytes:
    """Compute the digest from the contract's specification, independently of the package's code."""
    sender, nonce, init_code, data, gas_limits, verification, fees, paymaster, _ = operation
    assert isinstance(init_code, bytes)
    assert isinstance(data, bytes)
    assert isinstance(paymaster, bytes)
    types = [
        "uint256",
        "address",
        "address",
        "uint256",
        "bytes32",
        "bytes32",
        "bytes32",
        "uint256",
        "bytes32",
        "bytes32",
    ]
    values = [CHAIN_ID, PAYMASTER, sender, nonce, keccak(init_code), keccak(data), gas_limits, verification, fees]
    window = [SPONSORED_UNTIL, SPONSORED_FROM]
    inside = keccak(encode([*types, "uint48", "uint48"], [*values, paymaster[20:52], *window]))
    return keccak(b"\x19Ethereum Signed Message:\n32" + inside)


def sponsor_operation(key: bytes, **changed: object) -> tuple[object, ...]:
    """Return an operation with a sponsorship, changed after it was signed."""
    head = PAYMASTER + (50_000).to_bytes(16) + (0).to_bytes(16)
    fields = {
        "sender": STRANGER,
        "nonce": 5,
        "init_code": b"",
        "data": b"call",
        "gas_limits": (7).to_bytes(32),
        "verification": 8,
        "fees": (9).to_bytes(32),
        "paymaster": head,
        "signature": b"",
    }
    signature = sign_hash(PrivateKey(key), sponsorship(tuple(fields.values())))
    fields["paymaster"] = head + SPONSORED_UNTIL.to_bytes(6) + SPONSORED_FROM.to_bytes(6) + signature
    return tuple((fields | changed).values())


def validation(world: World, operation: tuple[object, ...], *, sender: Address = ENTRY_POINT) -> ExecutionResult:
    types = [OPERATION, "bytes32", "uint256"]
    return world.look(sender, PAYMASTER, call_data("validatePaymasterUserOp", types, operation, bytes(32), 0))


def test_a_sponsored_operation_is_paid_for_within_its_window(world: World) -> None:
    outcome = validation(world, sponsor_operation(PAYMASTER_KEY))
    context, word = decode(["bytes", "uint256"], outcome.output)
    assert context == b""
    assert word == SPONSORED_UNTIL << 160 | SPONSORED_FROM << 208


@pytest.mark.parametrize(
    "changed",
    [
        {"sender": OWNER},
        {"nonce": 6},
        {"init_code": b"x"},
        {"data": b"other"},
        {"gas_limits": (8).to_bytes(32)},
        {"verification": 9},
        {"fees": (8).to_bytes(32)},
    ],
)
def test_a_sponsorship_is_valid_for_no_other_operation(world: World, changed: dict[str, object]) -> None:
    word = decode(["bytes", "uint256"], validation(world, sponsor_operation(PAYMASTER_KEY, **changed)).output)[1]
    assert word & 1 == 1


def test_a_dummy_sponsorship_is_a_failed_signature_and_no_revert(world: World) -> None:
    head = PAYMASTER + bytes(32)
    for data in (b"", bytes(12) + b"\xff" * 65, bytes(76), bytes(78), b"\xff" * 77):
        outcome = validation(world, sponsor_operation(PAYMASTER_KEY, paymaster=head + data))
        assert outcome.success
        assert decode(["bytes", "uint256"], outcome.output)[1] & (2**160 - 1) == 1


def test_another_key_cannot_sponsor(world: World) -> None:
    assert decode(["bytes", "uint256"], validation(world, sponsor_operation(KEY.to_bytes())).output)[1] & 1 == 1


def test_only_entry_point_calls_the_paymaster(world: World) -> None:
    assert validation(world, sponsor_operation(PAYMASTER_KEY), sender=STRANGER).output == error("NotEntryPoint()")


def test_the_paymaster_has_a_deposit_that_only_its_owner_moves(world: World) -> None:
    assert int.from_bytes(world.look(STRANGER, PAYMASTER, call_data("getDeposit", [])).output) == 10**24
    withdraw = call_data("withdrawTo", ["address", "uint256"], OWNER, 10**18)
    assert world.look(STRANGER, PAYMASTER, withdraw).output == error("NotOwner()")
    world.change(PAYMASTER_SIGNER, PAYMASTER, withdraw)
    assert world.genesis[OWNER].balance == 10**18


# Version 1.1.0 of the delegate


def delegate(world: World, implementation: Address) -> None:
    world.genesis = {**world.genesis, OWNER: GenesisAccount(code=b"\xef\x01\x00" + implementation, nonce=1)}


def check_signature(world: World, signature: bytes) -> ExecutionResult:
    return world.look(STRANGER, OWNER, call_data("isValidSignature", ["bytes32", "bytes"], HASH, signature))


def compact(signature: bytes) -> bytes:
    """Return the 64-byte form of EIP-2098: the parity is the top bit of s."""
    s = int.from_bytes(signature[32:64]) | (signature[64] - 27) << 255
    return signature[:32] + s.to_bytes(32)


BARE = sign_hash(KEY, HASH)


def test_version_1_1_accepts_bare_signatures_of_the_owner(world: World) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702_V1_1)
    assert check_signature(world, BARE).output[:4] == MAGIC
    assert check_signature(world, compact(BARE)).output[:4] == MAGIC
    assert check_signature(world, sign_hash(PrivateKey(PAYMASTER_KEY), HASH)).output[:4] == b"\xff" * 4
    world.change(OWNER, OWNER, call_data("updateFallbackSignerData", ["address", "bool"], OWNER, False))
    assert check_signature(world, BARE).output[:4] == MAGIC


def test_version_1_0_does_not(world: World) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702)
    assert not check_signature(world, BARE).success


@pytest.mark.parametrize(("signer", "disabled"), [(OWNER, True), (STRANGER, False)])
def test_bare_signatures_end_with_the_owner(world: World, signer: Address, disabled: bool) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702_V1_1)
    world.change(OWNER, OWNER, call_data("updateFallbackSignerData", ["address", "bool"], signer, disabled))
    assert not check_signature(world, BARE).success


def test_bare_signatures_do_not_pass_by_a_hook(world: World) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702_V1_1)
    types = ["bytes25", "bytes4[]", "bytes", "bytes[]"]
    hook = TIME_RANGE_MODULE + bytes([0, 0, 0, 1, 1])
    world.change(OWNER, OWNER, call_data("installValidation", types, bytes(25), [], b"", [hook]))
    assert not check_signature(world, BARE).success


def test_the_versions_say_which_they_are(world: World) -> None:
    for implementation, name in [
        (SEMI_MODULAR_ACCOUNT_7702, "alchemy.sma-7702.1.0.0"),
        (SEMI_MODULAR_ACCOUNT_7702_V1_1, "alchemy.sma-7702.1.1.0"),
    ]:
        delegate(world, implementation)
        outcome = world.look(STRANGER, OWNER, call_data("accountId", []))
        assert decode(["string"], outcome.output) == (name,)


# Omitted functions


def test_omitted_functions_revert_with_not_included(world: World) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702)
    manifest = "((bytes4,bool,bool)[],(bytes4,uint32,bool,bool)[],bytes4[])"
    for name in ("installExecution", "uninstallExecution"):
        data = call_data(name, ["address", manifest, "bytes"], TIME_RANGE_MODULE, ([], [], []), b"")
        assert world.look(OWNER, OWNER, data).output == error("NotIncluded(bytes4)") + data[:4] + bytes(28)
        rejection = world.look(STRANGER, OWNER, data).output
        assert rejection[:4] == error("ValidationFunctionMissing(bytes4)")
    for data in (
        call_data("createAccount", ["address", "uint256", "uint32"], OWNER, 0, 1),
        call_data("createWebAuthnAccount", ["uint256", "uint256", "uint256", "uint32"], 1, 2, 0, 1),
    ):
        assert world.look(STRANGER, ACCOUNT_FACTORY, data).output[:8] == error("NotIncluded(bytes4)") + data[:4]


def test_an_account_without_execution_modules_knows_its_own_functions_only(world: World) -> None:
    delegate(world, SEMI_MODULAR_ACCOUNT_7702)
    outcome = world.look(OWNER, OWNER, bytes.fromhex("12345678"))
    assert outcome.output[:8] == error("UnrecognizedFunction(bytes4)") + bytes.fromhex("12345678")
    rich = replace(world.genesis[OWNER], balance=10)
    world.genesis = {**world.genesis, OWNER: rich}
    assert world.look(STRANGER, OWNER, b"").success
