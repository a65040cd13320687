"""Decoding of calls: bundled functions, given ABIs, values as eth-abi decodes them, and hostile data."""

from __future__ import annotations

import time
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_rpc.domain.abi_reader import AbiDecodeError
from wallet_rpc.domain.decoding.calls import MAX_DECODED, Abis, CallDecoder, DecodedCall, TokenAmount
from wallet_rpc.domain.decoding.functions import AbiFunction, parse_signature
from wallet_rpc.domain.decoding.given import GivenAbi, parse_abis
from wallet_rpc.domain.decoding.table import SIGNATURES, bundled_functions
from wallet_rpc.domain.decoding.values import MAX_DECODED_VALUES, decode_arguments
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, NonZeroAddress, Selector

TOKEN, OTHER = Address(b"\xa1" * 20), Address(b"\xb2" * 20)
FIRST, LAST = str(TOKEN), str(OTHER)


def call_data(signature: str, *values: Any) -> bytes:
    function = parse_signature(signature, "test")
    return function.selector + encode([one.type.text for one in function.inputs], values)


def decode(data: bytes, abis: Abis | None = None, to: Address = TOKEN) -> DecodedCall:
    found = CallDecoder(Abis() if abis is None else abis).decode(to, data)
    assert found is not None
    return found


def test_every_bundled_function_has_its_own_selector_and_its_marks_name_parameters() -> None:
    functions = bundled_functions()

    assert len(functions) == sum(map(len, SIGNATURES.values()))
    for function in functions.values():
        zero = b"\0" * 32
        decoded = decode(function.selector + zero * 40)
        assert decoded.function is function


@pytest.mark.parametrize(
    ("signature", "selector"),
    [
        ("transfer(address,uint256)", "a9059cbb"),
        ("multicall(bytes[])", "ac9650d8"),
        ("exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))", "04e45aaf"),
        ("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", "38ed1739"),
        ("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", "d505accf"),
        ("safeTransferFrom(address,address,uint256,uint256,bytes)", "f242432a"),
        ("aggregate3((address,bool,bytes)[])", "82ad56cb"),
        ("executeBatch((address,uint256,bytes)[])", "34fcd5be"),
        ("execute(bytes,bytes[],uint256)", "3593564c"),
    ],
)
def test_functions_of_the_standards_are_bundled(signature: str, selector: str) -> None:
    """Selectors from the deployed contracts' ABIs."""
    assert bundled_functions()[Selector(bytes.fromhex(selector))].signature == signature


def test_amounts_name_their_tokens() -> None:
    swap = decode(
        call_data("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", 5, 6, [FIRST, LAST], LAST, 9)
    )
    single = decode(
        call_data(
            "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))",
            (FIRST, LAST, 500, LAST, 7, 8, 0),
        )
    )
    empty = decode(call_data("swapExactTokensForTokens(uint256,uint256,address[],address,uint256)", 5, 6, [], LAST, 9))

    assert swap.amounts == (
        TokenAmount(token=TOKEN, argument="amountIn", amount=5),
        TokenAmount(token=OTHER, argument="amountOutMin", amount=6),
    )
    assert [(one.token, one.argument, one.amount) for one in single.amounts] == [
        (TOKEN, "params.amountIn", 7),
        (OTHER, "params.amountOutMinimum", 8),
    ]
    assert empty.amounts == ()


def test_calls_inside_of_calls_are_decoded_with_their_own_targets() -> None:
    move = call_data("transfer(address,uint256)", LAST, 5)
    both = decode(call_data("multicall(bytes[])", [move, b"\x12\x34"]))
    elsewhere = decode(call_data("aggregate3((address,bool,bytes)[])", [(LAST, True, move)]))
    deep = move
    for _ in range(5):
        deep = call_data("multicall(bytes[])", [deep])
    depths = []
    found: DecodedCall | None = decode(deep)
    while found is not None:
        depths.append(found.function.name)
        found = found.calls[0] if found.calls else None

    assert [(one.to, one.function.name) for one in both.calls] == [(TOKEN, "transfer")]
    assert [(one.to, one.amounts[0].token) for one in elsewhere.calls] == [(OTHER, OTHER)]
    assert depths == ["multicall"] * 4
    many = decode(call_data("multicall(bytes[])", [move] * 300))
    assert len(many.calls) == MAX_DECODED - 1


values = st.one_of(
    st.tuples(st.just("uint256"), st.integers(0, 2**256 - 1)),
    st.tuples(st.just("int8"), st.integers(-128, 127)),
    st.tuples(st.just("bool"), st.booleans()),
    st.tuples(st.just("address"), st.binary(min_size=20, max_size=20)),
    st.tuples(st.just("bytes4"), st.binary(min_size=4, max_size=4)),
    st.tuples(st.just("bytes"), st.binary(max_size=70)),
    st.tuples(st.just("string"), st.text(max_size=20)),
)


def combine(inner: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    tuples = st.lists(inner, min_size=1, max_size=3).map(
        lambda parts: (f"({','.join(kind for kind, _ in parts)})", tuple(value for _, value in parts))
    )
    arrays = st.tuples(inner, st.integers(0, 3)).map(lambda pair: (f"{pair[0][0]}[]", [pair[0][1]] * pair[1]))
    fixed = st.tuples(inner, st.integers(1, 3)).map(lambda pair: (f"{pair[0][0]}[{pair[1]}]", [pair[0][1]] * pair[1]))
    return st.one_of(tuples, arrays, fixed)


def to_json(value: Any) -> Any:
    match value:
        case bool() | str():
            return value
        case int():
            return str(value)
        case bytes():
            return "0x" + value.hex()
        case tuple():
            return {str(index): to_json(one) for index, one in enumerate(value)}
        case _:
            return [to_json(one) for one in value]


def fold(value: Any) -> Any:
    """Return a value with hex in lower case, as addresses have letters of both."""
    match value:
        case dict():
            return {name: fold(one) for name, one in value.items()}
        case list():
            return [fold(one) for one in value]
        case str() if value.startswith("0x"):
            return value.lower()
        case _:
            return value


@settings(max_examples=60)
@given(st.lists(st.recursive(values, combine, max_leaves=5), max_size=4))
def test_values_are_those_that_were_encoded(arguments: list[tuple[str, Any]]) -> None:
    kinds = [kind for kind, _ in arguments]
    function = parse_signature(f"f({','.join(kinds)})", "test")
    data = encode(kinds, [value for _, value in arguments])

    decoded = decode_arguments(function.inputs, data)

    assert fold(decoded) == {str(index): fold(to_json(value)) for index, (_, value) in enumerate(arguments)}


@given(st.sampled_from(sorted(bundled_functions().values(), key=lambda one: one.signature)), st.binary(max_size=600))
def test_any_data_decodes_or_is_left_out(function: AbiFunction, data: bytes) -> None:
    decoded = decode(function.selector + data)

    assert decoded.arguments is None or set(decoded.arguments) <= {one.name for one in function.inputs} | set(
        "0123456789"
    )


@pytest.mark.parametrize(
    ("kind", "word"),
    [("uint8", 256), ("int8", 128), ("bool", 2), ("address", 1 << 160), ("bytes4", 1), ("bytes", 1 << 255)],
)
def test_a_word_that_does_not_fit_is_no_argument(kind: str, word: int) -> None:
    function = parse_signature(f"f({kind} x)", "test")

    with pytest.raises(AbiDecodeError):
        decode_arguments(function.inputs, word.to_bytes(32))


def test_overlapping_and_huge_arrays_are_bounded() -> None:
    """All offsets of each array lead to the same next one; the others have more items than are decoded."""
    nested = parse_signature("f(uint256[][][][][] x)", "test")
    data = b"".join(word.to_bytes(32) for word in [32, *([90] + [90 * 32] * 90) * 4, 1, 7])
    many = parse_signature("f(uint256[] x)", "test")
    fixed = parse_signature("f(uint256[1000000] x)", "test")
    started = time.process_time()

    for function, encoded in ((nested, data), (many, (32).to_bytes(32) + (10**6).to_bytes(32)), (fixed, bytes(64))):
        with pytest.raises(AbiDecodeError):
            decode_arguments(function.inputs, encoded)
    assert time.process_time() - started < 1
    full = encode(["uint256[]"], [[1] * (MAX_DECODED_VALUES - 1)])
    assert len(decode_arguments(many.inputs, full)["x"]) == MAX_DECODED_VALUES - 1


def test_abis_of_a_request_come_first_those_of_the_contract_before_others() -> None:
    pair = {"name": "pair", "type": "tuple[]", "components": [{"name": "a", "type": "uint"}, {"type": "bool"}]}
    given = [
        GivenAbi(
            abi=({"name": "f", "inputs": [pair]}, {"type": "error", "name": "E"}, "transfer(address who, uint256 n)")
        ),
        GivenAbi(address=NonZeroAddress(TOKEN), abi=("transfer(address own, uint256 x)",)),
    ]
    abis = parse_abis(given, at="params.abis")
    move = call_data("transfer(address,uint256)", LAST, 5)

    assert list(decode(move, abis).arguments or {}) == ["own", "x"]
    assert list(decode(move, abis, OTHER).arguments or {}) == ["who", "n"]
    assert decode(call_data("f((uint256,bool)[])", [(5, True)]), abis).arguments == {"pair": [{"a": "5", "1": True}]}


@pytest.mark.parametrize("entry", [7, None, ["f()"], "f", {"name": "f"}])
def test_a_malformed_entry_is_named(entry: Any) -> None:
    with pytest.raises(InvalidParams) as refused:
        parse_abis([GivenAbi(abi=("f()", entry))], at="params.abis")
    assert (refused.value.reason, refused.value.field) == ("abi_malformed", "params.abis[0].abi[1]")


def test_too_many_entries_are_refused() -> None:
    for abis in ([GivenAbi(abi=())] * 21, [GivenAbi(abi=("f()",) * 501)]):
        with pytest.raises(InvalidParams) as refused:
            parse_abis(abis, at="params.abis")
        assert refused.value.reason == "too_many"


def test_unknown_functions_and_short_data_are_not_decoded() -> None:
    decoder = CallDecoder(Abis())

    assert decoder.decode(TOKEN, b"\xa9\x05\x9c") is None
    assert decoder.decode(TOKEN, bytes.fromhex("deadbeef")) is None
    assert decode(bytes.fromhex("a9059cbb")).arguments is None
