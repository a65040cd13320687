"""The development contracts against the published ones: the same calls have the same effects on both.

Skipped where the published deployment records are not on the machine. Gas is not compared. The eight unused bytes after
the module entity in an error are not compared either, as the published contracts sometimes leave them dirty.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from eth_abi.abi import encode
from eth_abi.grammar import TupleType, parse
from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.published import published_contracts
from tests.golden.scenarios import our_contracts
from tests.support.keys import address_of, sign_hash
from wallet_rpc.devchain.chain import Blockchain, ChainConfig
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall
from wallet_rpc.devchain.genesis import Genesis, GenesisBuilder, genesis_values
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import (
    ACCOUNT_FACTORY,
    ALLOWLIST_MODULE,
    ENTRY_POINT,
    NATIVE_TOKEN_LIMIT_MODULE,
    SINGLE_SIGNER_MODULE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.primitives import Address

CHAIN_ID = 31337
OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
OWNER_KEY, SESSION_KEY = (PrivateKey(keccak(text=name)) for name in ("owner", "session"))
OWNER, SESSION = (address_of(key) for key in (OWNER_KEY, SESSION_KEY))
ELEMENT = "(address,uint256,bytes)"
TARGET, STRANGER = Address(b"\x07" * 20), Address(b"\x08" * 20)
HASH = keccak(text="what is signed")
EXECUTE, EXECUTE_BATCH, EXECUTE_USER_OP = (bytes.fromhex(text) for text in ("b61d27f6", "34fcd5be", "8dd7712f"))
WRAPPED_ERRORS = {
    bytes.fromhex(text)
    for text in "4db96e31 19aed90d a32d2f5d 4622c748 46cfe46d 5f85b3b4 74a1a72c f19fc593".split()  # noqa: SIM905  # a list to read
}
EXAMPLES = settings(max_examples=150, print_blob=True)


def call_data(signature: str, *arguments: object) -> bytes:
    inside = parse(signature[signature.index("(") :])
    assert isinstance(inside, TupleType)
    return keccak(text=signature)[:4] + encode([part.to_type_str() for part in inside.components], arguments)


@dataclass(frozen=True)
class Twin:
    """The same account on both sets of contracts."""

    account: Address
    development: Blockchain
    published: Blockchain

    def same(self, sender: Address, to: Address, data: bytes) -> None:
        call = MessageCall(sender=sender, to=to, data=data, gas=20_000_000)
        assert _comparable(self.development.call(call)) == _comparable(self.published.call(call))


def _comparable(outcome: ExecutionResult) -> object:
    output = outcome.output
    if not outcome.success and output[:4] in WRAPPED_ERRORS:
        output = output[:28] + bytes(8) + output[36:]
    return outcome.success, output, [(log.address, log.topics, log.data) for log in outcome.logs]


def _set_up_account(contracts: Genesis) -> tuple[Address, Blockchain]:
    """Create an account with sessions and with hooks of its owner.

    Session 1 is global, 2 has two validation hooks, 3 has execution hooks.
    """
    builder = GenesisBuilder(contracts)
    create = call_data("createSemiModularAccount(address,uint256)", OWNER, 0)
    account = Address(builder.call(ACCOUNT_FACTORY, create, sender=STRANGER).output[12:])
    times = TIME_RANGE_MODULE + bytes([0, 0, 0, 2, 1]) + encode(["uint32", "uint48", "uint48"], [2, 2**40, 1])
    gas = NATIVE_TOKEN_LIMIT_MODULE + bytes([0, 0, 0, 2, 1]) + encode(["uint32", "uint256"], [2, 10**30])
    value = NATIVE_TOKEN_LIMIT_MODULE + bytes([0, 0, 0, 3, 4]) + encode(["uint32", "uint256"], [3, 100])
    inputs = [(TARGET, True, True, 50, [bytes.fromhex("a9059cbb")])]
    spent = ALLOWLIST_MODULE + bytes([0, 0, 0, 3, 4])
    spent += encode(["uint32", "(address,bool,bool,uint256,bytes4[])[]"], [3, inputs])
    bare = [TIME_RANGE_MODULE + bytes([0, 0, 0, 9, 1]), NATIVE_TOKEN_LIMIT_MODULE + bytes([0, 0, 0, 9, 1])]
    for module, entity, hooks in [
        (SINGLE_SIGNER_MODULE, 1, []),
        (SINGLE_SIGNER_MODULE, 2, [times, gas]),
        (SINGLE_SIGNER_MODULE, 3, [value, spent]),
        (OWNER, 2**32 - 1, bare),
    ]:
        config = module + entity.to_bytes(4) + b"\x07"
        signer = encode(["uint32", "address"], [entity, SESSION]) if module == SINGLE_SIGNER_MODULE else b""
        install = call_data("installValidation(bytes25,bytes4[],bytes,bytes[])", config, [EXECUTE], signer, hooks)
        builder.call(account, install, sender=ENTRY_POINT)
    chain = Blockchain(genesis_values(builder.accounts()), ChainConfig(chain_id=CHAIN_ID, timestamp=1_800_000_000))
    return account, chain


@pytest.fixture(scope="module")
def twin() -> Twin:
    account, development = _set_up_account(our_contracts().contracts)
    same, published = _set_up_account(published_contracts().contracts)
    assert account == same
    return Twin(account, development, published)


def mangle(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Generate mostly intact data, sometimes cut or with one changed byte."""

    def cut(data: bytes) -> st.SearchStrategy[bytes]:
        return st.integers(0, len(data)).map(lambda end: data[:end])

    def other(data: bytes) -> st.SearchStrategy[bytes]:
        positions = st.integers(0, max(len(data) - 1, 0))
        return st.builds(lambda at, byte: data[:at] + bytes([byte]) + data[at + 1 :], positions, st.integers(0, 255))

    return st.one_of(*[whole] * 8, whole.flatmap(cut), whole.flatmap(other))


def signatures_of(digest: bytes) -> st.SearchStrategy[bytes]:
    """Generate a type byte and a body: mostly signatures of both keys, sometimes others."""
    good = [b"\x00" + sign_hash(key, digest) for key in (OWNER_KEY, SESSION_KEY)]
    return st.one_of(*[st.sampled_from(good)] * 4, st.binary(max_size=70))


LENGTHS = st.sampled_from([2**32 - 1, 2**32 - 5, 2**32 - 6, 300])
SEGMENT = st.builds(
    lambda index, data, length: bytes([index]) + (length or len(data)).to_bytes(4) + data,
    st.sampled_from([0, 0, 1, 1, 2, 254, 255]),
    st.binary(max_size=3),
    st.one_of(st.none(), st.none(), st.none(), LENGTHS),
)
ENTITIES = st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 2**32 - 1])
DIRECT = st.sampled_from([OWNER, STRANGER, SINGLE_SIGNER_MODULE, Address(bytes(20))])
NAMED = st.tuples(st.sampled_from([0, 1, 1, 1, 1, 1, 0xF9]), ENTITIES.map(lambda entity: entity.to_bytes(4)))
LOCATOR = st.one_of(NAMED, NAMED, NAMED, st.tuples(st.sampled_from([4, 5]), DIRECT))


def add_segments(body: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    segments = st.lists(SEGMENT, max_size=3).map(b"".join)
    return st.builds(lambda head, end: head + b"\xff" + end, st.one_of(*[st.just(b"")] * 3, segments), body)


TRANSFER = call_data("transfer(address,uint256)", STRANGER, 5)
INNER = st.sampled_from([b"", b"\x00", b"abcd", TRANSFER, TRANSFER + b"more", TRANSFER[:67]])


def calls(account: Address) -> st.SearchStrategy[bytes]:
    """Generate call data for the account: execute, executeBatch and others, some wrapped, some malformed."""
    target = st.sampled_from([TARGET, TARGET, TARGET, STRANGER, account])
    owner_change = call_data("updateFallbackSignerData(address,bool)", STRANGER, False)
    data = st.one_of(INNER, st.just(owner_change))
    element = st.tuples(target, st.sampled_from([0, 0, 0, 1, 99, 2**255]), data)
    single = element.map(lambda call: EXECUTE + encode(["address", "uint256", "bytes"], call))
    batch = st.lists(element, max_size=3).map(lambda all_: EXECUTE_BATCH + encode([f"{ELEMENT}[]"], [all_]))
    plain = st.one_of(single, single, single, batch, batch, st.just(owner_change), st.binary(max_size=6))
    return mangle(st.one_of(plain, plain, plain.map(lambda inner: EXECUTE_USER_OP + inner)))


def operation(account: Address, nonce: int, data: bytes, signature: bytes) -> tuple[object, ...]:
    return (account, nonce, b"", data, (7).to_bytes(16) + (9).to_bytes(16), 5, (1).to_bytes(16) * 2, b"", signature)


@EXAMPLES
@given(data=st.data())
def test_signatures_of_the_account_are_judged_alike(twin: Twin, data: st.DataObject) -> None:
    options, name = data.draw(LOCATOR)
    domain = keccak(text="EIP712Domain(uint256 chainId,address verifyingContract)")
    separator = keccak(encode(["bytes32", "uint256", "address"], [domain, CHAIN_ID, twin.account]))
    replay_safe = keccak(b"\x19\x01" + separator + keccak(keccak(text="ReplaySafeHash(bytes32 hash)") + HASH))
    body = data.draw(add_segments(st.one_of(signatures_of(replay_safe), signatures_of(HASH))))
    signature = data.draw(mangle(st.just(bytes([options]) + name + body)))
    twin.same(STRANGER, twin.account, call_data("isValidSignature(bytes32,bytes)", HASH, signature))


@EXAMPLES
@given(data=st.data())
def test_operations_are_validated_alike(twin: Twin, data: st.DataObject) -> None:
    options, name = data.draw(LOCATOR)
    parallel = data.draw(st.sampled_from([0, 0, 7])) << (184 if options & 4 else 40)
    nonce = (parallel | int.from_bytes(name) << 8 | options) << 64 | data.draw(st.integers(0, 3))
    signature = data.draw(mangle(add_segments(signatures_of(abi.keccak(b"\x19Ethereum Signed Message:\n32" + HASH)))))
    op = operation(twin.account, nonce, data.draw(calls(twin.account)), signature)
    twin.same(ENTRY_POINT, twin.account, call_data(f"validateUserOp({OPERATION},bytes32,uint256)", op, HASH, 0))


@EXAMPLES
@given(data=st.data())
def test_deferred_actions_are_performed_alike(twin: Twin, data: st.DataObject) -> None:
    entity = data.draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3, 1 << 40]))
    options, deadline = data.draw(st.sampled_from([0, 1, 1, 1, 1, 1, 5])), data.draw(st.sampled_from([0, 5, 2**48 - 1]))
    action, nonce = data.draw(calls(twin.account)), (1 << 8 | 3) << 64
    typed = keccak(text="DeferredAction(uint256 nonce,uint48 deadline,bytes call)")
    domain = keccak(text="EIP712Domain(uint256 chainId,address verifyingContract)")
    separator = keccak(encode(["bytes32", "uint256", "address"], [domain, CHAIN_ID, twin.account]))
    inside = keccak(encode(["bytes32", "uint256", "uint48", "bytes32"], [typed, nonce, deadline, keccak(action)]))
    allowed = data.draw(signatures_of(keccak(b"\x19\x01" + separator + inside)))
    encoded = (entity << 8 | options).to_bytes(21) + deadline.to_bytes(6) + action
    body = data.draw(add_segments(signatures_of(abi.keccak(b"\x19Ethereum Signed Message:\n32" + HASH))))
    whole = len(encoded).to_bytes(4) + encoded + len(allowed).to_bytes(4) + allowed + body
    op = operation(twin.account, nonce, data.draw(calls(twin.account)), data.draw(mangle(st.just(whole))))
    twin.same(ENTRY_POINT, twin.account, call_data(f"validateUserOp({OPERATION},bytes32,uint256)", op, HASH, 0))


@EXAMPLES
@given(data=st.data())
def test_calls_are_executed_alike(twin: Twin, data: st.DataObject) -> None:
    inner = data.draw(calls(twin.account))
    options, name = data.draw(LOCATOR)
    nonce = (int.from_bytes(name) << 8 | options) << 64
    authorization = data.draw(mangle(st.just(bytes([options]) + name + data.draw(add_segments(st.just(b""))))))
    wrapped = operation(twin.account, nonce, EXECUTE_USER_OP + inner, b"")
    outer = data.draw(
        st.sampled_from(
            [
                inner,
                call_data("executeWithRuntimeValidation(bytes,bytes)", inner, authorization),
                call_data(f"executeUserOp({OPERATION},bytes32)", wrapped, HASH),
            ]
        )
    )
    sender = data.draw(st.sampled_from([ENTRY_POINT, OWNER, SESSION, STRANGER, twin.account]))
    twin.same(sender, twin.account, outer)
