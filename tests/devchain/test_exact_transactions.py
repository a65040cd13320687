"""`eth_sendTransaction` signs exactly the requested fields or fails; invalid transactions fail with a named reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keys.datatypes import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.devchain import contracts
from tests.devchain.asking import CODE_ADDRESS, failure, set_code
from tests.devchain.sample import ALICE, BOB, FEE, SINK, Node, RpcFailure
from wallet_rpc.devchain.config import DevChainConfig
from wallet_rpc.devchain.ledger import encode_integer, encode_raw
from wallet_rpc.domain.abi import keccak

ALICE_TEXT, BOB_TEXT, SINK_TEXT = ALICE.address.hex0x(), BOB.address.hex0x(), SINK.hex0x()
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ACCESS = [{"address": SINK_TEXT.lower(), "storageKeys": ["0x" + "00" * 32]}]
CHAIN = 31337


def authorization(nonce: int = 0) -> dict[str, str]:
    signed = Account.sign_authorization({"chainId": CHAIN, "address": CODE_ADDRESS, "nonce": nonce}, BOB.key)
    numbers = {"chainId": signed.chain_id, "nonce": signed.nonce, "yParity": signed.y_parity}
    return {name: hex(value) for name, value in {**numbers, "r": signed.r, "s": signed.s}.items()} | {
        "address": CODE_ADDRESS.lower()
    }


AUTHORIZATION = authorization()


@pytest.fixture(scope="module")
def shared() -> Node:
    """A chain shared by all tests of the module."""
    return Node()


def answer(node: Node, method: str, *params: Any) -> Any:
    """Return the result, or the error as a value."""
    try:
        return node.rpc(method, *params)
    except RpcFailure as error:
        return error


FIELDS = {
    "type": st.sampled_from(["0x0", "0x1", "0x2", "0x3", "0x4", "0x5", None]),
    "chainId": st.sampled_from(["0x7a69", "0x1", None]),
    "gasPrice": st.sampled_from([hex(FEE), hex(10**9), None]),
    "maxFeePerGas": st.sampled_from([hex(FEE), hex(10**9), None]),
    "maxPriorityFeePerGas": st.sampled_from(["0x0", "0x7", hex(3 * FEE), None]),
    "accessList": st.sampled_from([[], ACCESS, None]),
    "authorizationList": st.sampled_from([[], [AUTHORIZATION], None]),
    "value": st.sampled_from(["0x0", "0x5", None]),
    "data": st.sampled_from(["0x", "0x1234", None]),
    "input": st.sampled_from(["0x1234", None]),
    "to": st.sampled_from([SINK_TEXT, None]),
    "gas": st.sampled_from(["0x30000", None]),
    "maxFeePerBlobGas": st.sampled_from(["0x1", None, None, None]),
}
MINED = ("type", "chainId", "gas", "value", "maxFeePerGas", "maxPriorityFeePerGas", "accessList", "authorizationList")


@settings(max_examples=150)
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_every_requested_field_is_in_the_signed_transaction(shared: Node, fields: dict[str, Any]) -> None:
    height = shared.rpc("eth_blockNumber")
    identity = answer(shared, "eth_sendTransaction", {"from": ALICE_TEXT, **fields})
    if isinstance(identity, RpcFailure):
        assert identity.code in (-32000, -32602)
        assert shared.rpc("eth_blockNumber") == height
        return
    mined = shared.rpc("eth_getTransactionByHash", identity)
    expected = {name: value for name, value in fields.items() if value is not None}
    assert "maxFeePerBlobGas" not in expected
    assert {name: mined.get(name) for name in MINED if name in expected} == {
        name: expected[name] for name in MINED if name in expected
    }
    if "gasPrice" in expected:
        assert (mined["gasPrice"], "maxFeePerGas" in mined) == (expected["gasPrice"], False)
    assert mined["input"] == expected.get("input", expected.get("data", "0x"))
    assert mined["to"] == (expected["to"].lower() if "to" in expected else None)
    assert ("authorizationList" in mined) == ("authorizationList" in expected)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "0x2"),
        ({"type": "0x0"}, "0x0"),
        ({"type": "0x1"}, "0x1"),
        ({"type": "0x1", "gasPrice": hex(FEE)}, "0x1"),
        ({"type": "0x2"}, "0x2"),
        ({"accessList": ACCESS}, "0x2"),
        ({"accessList": ACCESS, "gasPrice": hex(FEE)}, "0x1"),
        ({"authorizationList": [AUTHORIZATION]}, "0x4"),
        ({"type": "0x4", "authorizationList": [AUTHORIZATION], "accessList": ACCESS}, "0x4"),
    ],
    ids=str,
)
def test_type_is_the_named_one_or_follows_from_the_fields(shared: Node, fields: Any, kind: str) -> None:
    identity = shared.rpc("eth_sendTransaction", {"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x30000", **fields})
    mined = shared.rpc("eth_getTransactionByHash", identity)
    assert mined["type"] == shared.receipt(identity)["type"] == kind
    if "accessList" in fields:
        assert mined["accessList"] == ACCESS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chainId": "0x1"}, "invalid chain id for signer: have 1 want 31337"),
        ({"type": "0x3"}, "transaction type not supported: 3 (blobs, EIP-4844)"),
        ({"maxFeePerBlobGas": "0x1"}, "transaction type not supported: 3 (blobs, EIP-4844)"),
        ({"blobVersionedHashes": []}, "transaction type not supported: 3 (blobs, EIP-4844)"),
        ({"blobs": ["0x00"]}, "transaction type not supported: 3 (blobs, EIP-4844)"),
        ({"type": "0x5"}, "transaction type not supported: 5"),
        ({"type": "0x4"}, "params.transaction.authorizationList: required"),
        ({"authorizationList": []}, "EIP-7702 transaction with empty auth list"),
        ({"authorizationList": [AUTHORIZATION], "to": None}, "EIP-7702 transaction cannot be used to create contract"),
        ({"authorizationList": [AUTHORIZATION], "gasPrice": hex(FEE)}, "params.transaction.gasPrice: expected to be"),
        (
            {"authorizationList": [{**AUTHORIZATION, "yParity": "0x5"}]},
            "params.transaction.authorizationList: expected a yParity",
        ),
        ({"type": "0x2", "gasPrice": hex(FEE)}, "params.transaction.gasPrice: expected to be absent"),
        ({"type": "0x0", "maxFeePerGas": hex(FEE)}, "params.transaction.maxFeePerGas: expected to be absent"),
        ({"type": "0x0", "accessList": []}, "params.transaction.accessList: expected to be absent"),
        ({"gasPrice": hex(FEE), "maxFeePerGas": hex(FEE)}, "params.transaction.maxFeePerGas: expected to be absent"),
        ({"maxFeePerGas": hex(FEE), "maxPriorityFeePerGas": hex(FEE + 1)}, "max priority fee per gas higher than max"),
        ({"to": None, "data": "0x" + "00" * 49_153}, "max initcode size exceeded: code size 49153, limit 49152"),
        ({"data": "0x12", "input": "0x13"}, 'params.transaction: "data" and "input" are both set and differ'),
    ],
    ids=lambda one: str(one)[:60],
)
def test_request_that_cannot_be_signed_exactly_is_rejected(shared: Node, fields: Any, message: str) -> None:
    height = shared.rpc("eth_blockNumber")
    rejection = failure(
        shared, "eth_sendTransaction", {"from": ALICE_TEXT, "to": SINK_TEXT, "gas": "0x30000", **fields}
    )
    assert rejection.message.startswith(message)
    assert rejection.code in (-32000, -32602)
    assert shared.rpc("eth_blockNumber") == height


# raw transactions


def sign_transfer(node: Node, kind: int, change: Any = lambda fields: fields, *, high: bool = False) -> str:
    """Sign a transfer of Alice's; `change` its RLP fields before signing, mirror s to the upper half when `high`."""
    tail: list[Any] = [encode_integer(100_000), bytes(SINK), encode_integer(1), b""]
    nonce = encode_integer(node.dev.chain.nonce(ALICE.address))
    fields: list[Any] = [nonce, encode_integer(FEE), *tail]
    if kind > 0:
        fees = [encode_integer(FEE)] if kind == 1 else [b"", encode_integer(FEE)]
        fields = [encode_integer(CHAIN), nonce, *fees, *tail, []]
    if kind == 4:
        numbers = [encode_integer(int(AUTHORIZATION[name], 16)) for name in ("chainId", "nonce", "yParity", "r", "s")]
        fields.append([[numbers[0], bytes.fromhex(CODE_ADDRESS[2:]), *numbers[1:]]])
    fields = change(fields)
    prefix = bytes([kind]) if kind else b""
    hashed = fields if kind else [*fields, encode_integer(CHAIN), b"", b""]
    made = PrivateKey(ALICE.key).sign_msg_hash(keccak(prefix + encode_raw(hashed)))
    parity, s = (1 - made.v, ORDER - made.s) if high else (made.v, made.s)
    v = parity if kind else 2 * CHAIN + 35 + parity
    return "0x" + (prefix + encode_raw([*fields, encode_integer(v), encode_integer(made.r), encode_integer(s)])).hex()


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_signature_in_the_upper_half_is_refused(shared: Node, kind: int) -> None:
    rejection = failure(shared, "eth_sendRawTransaction", sign_transfer(shared, kind, high=True))
    assert (rejection.code, rejection.message) == (-32000, "invalid transaction v, r, s values: s is in the upper half")
    assert shared.receipt(shared.rpc("eth_sendRawTransaction", sign_transfer(shared, kind)))["status"] == "0x1"


def at(*path: int, value: int) -> Any:
    """Return a function that sets the field at a path in the RLP."""

    def change(fields: list[Any]) -> list[Any]:
        here = fields
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = encode_integer(value)
        return fields

    return change


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (0, at(0, value=1 << 64)),
        (0, at(1, value=1 << 256)),
        (0, at(2, value=1 << 64)),
        (0, at(4, value=1 << 256)),
        (2, at(2, value=1 << 256)),
        (2, at(3, value=1 << 256)),
        (4, at(9, 0, 0, value=1 << 256)),
        (4, at(9, 0, 2, value=1 << 64)),
        (4, at(9, 0, 3, value=1 << 8)),
        (4, at(9, 0, 4, value=1 << 256)),
        (4, at(9, 0, 5, value=1 << 256)),
    ],
)
def test_number_wider_than_its_field_is_refused(shared: Node, kind: int, change: Any) -> None:
    rejection = failure(shared, "eth_sendRawTransaction", sign_transfer(shared, kind, change))
    assert rejection.code == -32000
    assert rejection.message.startswith("rlp: ")


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (4, lambda fields: [*fields[:5], b"", *fields[6:]], "EIP-7702 transaction cannot be used to create contract"),
        (4, lambda fields: [*fields[:9], []], "EIP-7702 transaction with empty auth list"),
        (0, lambda fields: [*fields[:3], b"", b"", b"\x00" * 49_153], "max initcode size exceeded: code size 49153"),
        (0, at(0, value=(1 << 64) - 1), "nonce has max value"),
    ],
)
def test_transaction_that_no_block_may_contain_is_rejected(shared: Node, kind: int, change: Any, message: str) -> None:
    rejection = failure(shared, "eth_sendRawTransaction", sign_transfer(shared, kind, change))
    assert (rejection.code, rejection.message[: len(message)]) == (-32000, message)


@pytest.mark.parametrize("parity", [2, 27, 255])
def test_authorization_with_an_invalid_signature_is_mined_and_skipped(shared: Node, parity: int) -> None:
    identity = shared.rpc("eth_sendRawTransaction", sign_transfer(shared, 4, at(9, 0, 3, value=parity)))
    assert shared.receipt(identity)["status"] == "0x1"
    authorizations = shared.rpc("eth_getTransactionByHash", identity)["authorizationList"]
    assert authorizations[0]["yParity"] == hex(parity)


@pytest.mark.parametrize("kind", [0x03, 0x05, 0x7F])
def test_unknown_type_is_refused_by_name(shared: Node, kind: int) -> None:
    rejection = failure(shared, "eth_sendRawTransaction", f"0x{kind:02x}c0")
    assert rejection.message.startswith(f"transaction type not supported: {kind}")


# receipts and balances


def test_failed_creation_has_the_address_it_would_have_had(tmp_path: Path) -> None:
    config = DevChainConfig(folder=tmp_path)
    node = Node(config)
    made, failed = (
        node.receipt(node.send(data=data, gas=100_000)) for data in ("0x" + contracts.creation(b"\x00").hex(), "0xfe")
    )
    assert (made["status"], failed["status"]) == ("0x1", "0x0")
    assert made["contractAddress"] == "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    assert failed["contractAddress"] == "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512"  # nonce 1; hardhat's addresses
    node.dev.chain.close()
    again = Node(config)
    assert again.receipt(failed["transactionHash"]) == failed
    again.dev.chain.close()


def test_balance_that_would_overflow_fails_the_transfer_alone(node: Node) -> None:
    rich = (1 << 256) - 1
    node.rpc("anvil_setBalance", SINK_TEXT, hex(rich))
    assert node.receipt(node.send(to=SINK_TEXT, value=1))["status"] == "0x0"
    inner = bytes.fromhex("5f5f5f5f600173") + bytes(SINK) + bytes.fromhex("5af15f5260205ff3")
    set_code(node, inner)
    node.rpc("anvil_setBalance", CODE_ADDRESS, "0x5")
    assert int(node.rpc("eth_call", {"to": CODE_ADDRESS}), 16) == 0
    node.rpc("anvil_setBalance", "0x" + "00" * 20, hex(rich))  # the recipient of priority fees
    assert node.receipt(node.send(to=BOB_TEXT, value=1))["status"] == "0x1"
    assert int(node.rpc("eth_getBalance", SINK_TEXT), 16) == rich
