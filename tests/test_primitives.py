"""Tests of the wire's scalars: accepted input, rejected input, and the one form of the output."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wallet_rpc import wire
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import (
    NATIVE_TOKEN,
    ZERO_ADDRESS,
    Address,
    BlockNumber,
    ChainId,
    Data,
    Gas,
    Hash32,
    Nonce,
    NonZeroAddress,
    Selector,
    SessionId,
    TransactionCount,
    Uint256,
    UnixSeconds,
    Wei,
    WeiPerGas,
    preview,
)

SIZES: dict[type[Data], int] = {Address: 20, Hash32: 32, Selector: 4, SessionId: 16}
BITS: list[tuple[Any, int]] = [
    (Uint256, 256),
    (Wei, 256),
    (WeiPerGas, 128),
    (Gas, 128),
    (Nonce, 256),
    (TransactionCount, 64),
    (ChainId, 32),
    (BlockNumber, 64),
]
CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
"""Source: ERC-55."""


def decode_error(kind: Any, value: Any) -> str:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(kind, value, at="it")
    assert error_info.value.data == {"reason": "invalid_params", "field": "it"}
    return error_info.value.message


@pytest.mark.parametrize(("kind", "size"), SIZES.items())
@given(data=st.data())
def test_bytes_of_a_fixed_length_come_back_and_have_no_other_length(
    kind: type[Data], size: int, data: st.DataObject
) -> None:
    value = kind(data.draw(st.binary(min_size=size, max_size=size)))
    other = data.draw(st.binary(max_size=40).filter(lambda raw: len(raw) != size))

    assert wire.decode(kind, wire.encode(kind, value)) == value
    assert type(wire.decode(kind, wire.encode(kind, value))) is kind
    assert decode_error(kind, "0x" + other.hex()).startswith(
        f"it: expected 0x and {size} hex bytes ({kind.noun}), got "
    )
    with pytest.raises(ValueError, match=f"takes {size} bytes, got {len(other)}"):
        kind(other)


@given(st.binary(max_size=200))
def test_bytes_of_any_length_come_back_in_either_letter_case(raw: bytes) -> None:
    assert wire.encode(Data, Data(raw)) == "0x" + raw.hex()
    for text in (raw.hex(), raw.hex().upper()):
        assert wire.decode(Data, "0x" + text) == raw
        assert wire.decode(Data, "0X" + text) == raw


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "0",
            "x",
            "12",
            "0x1",
            "0x123",
            "0xg0",
            "0x 1",
            " 0x12",
            "0x12 ",
            "0x1\n",
            "0x12\n",
            "0x１２",
            "0x١٢",
            "-0x1",
        ),
        *(None, True, 0, 18, 1.5, [], ["0x12"], {}, {"raw": "0x12"}),
    ],
)
def test_anything_but_whole_bytes_in_hex_is_refused(value: Any) -> None:
    for kind in (Data, *SIZES):
        assert decode_error(kind, value).startswith("it: expected ")


def test_a_value_of_the_class_is_taken_as_it_is() -> None:
    assert wire.decode(Address, ZERO_ADDRESS) is ZERO_ADDRESS


@pytest.mark.parametrize(
    "text", [CHECKSUMMED, CHECKSUMMED.lower(), "0x" + CHECKSUMMED[2:].upper(), "0X" + CHECKSUMMED[2:], "0x" + "0" * 40]
)
def test_an_address_is_read_with_its_checksum_or_without_one(text: str) -> None:
    address = wire.decode(Address, text)

    assert address.hex() == text[2:].lower()
    assert wire.encode(Address, address) == (CHECKSUMMED if int(text, 16) else text)
    assert (str(address), repr(address)) == (address.hex0x(), f"Address({address.hex0x()})")


@given(st.binary(min_size=20, max_size=20).map(Address), st.integers(2, 41))
def test_one_letter_of_the_wrong_case_is_refused(address: Address, at: int) -> None:
    text = address.hex0x()
    typo = text[:at] + text[at].swapcase() + text[at + 1 :]
    if typo != text and typo[2:] not in (typo[2:].lower(), typo[2:].upper()):
        message = decode_error(Address, typo)
        checksum = f"an address with a correct EIP-55 checksum ({text}, if only the case of its letters is wrong)"
        assert message == f'it: expected {checksum}, got "{typo}"'


@given(st.lists(st.booleans(), min_size=40, max_size=40))
@example([letter.isupper() for letter in "EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEee"])
@example([letter.isupper() for letter in "EeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"])
def test_the_native_tokens_constant_is_read_in_any_letter_case(is_upper: list[bool]) -> None:
    text = "0x" + "".join("E" if upper else "e" for upper in is_upper)

    assert wire.decode(Address, text) == NATIVE_TOKEN
    assert wire.encode(Address, NATIVE_TOKEN) == "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"


@given(st.binary(min_size=20, max_size=20).map(Address))
def test_a_non_zero_address_is_any_but_zero(address: Address) -> None:
    assert wire.decode(NonZeroAddress, Address(b"\1" + address[1:])) == b"\1" + address[1:]


@pytest.mark.parametrize("text", ["0x" + "0" * 40, "0X" + "0" * 40])
def test_the_zero_address_is_no_holders_address(text: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(NonZeroAddress, text, at="it")

    assert error_info.value.message == "it: expected a nonzero address, got the zero address"
    assert error_info.value.data == {"reason": "zero_address", "field": "it"}


@pytest.mark.parametrize(("kind", "bits"), BITS)
@given(data=st.data())
def test_a_quantity_is_read_leniently_and_written_in_one_way(kind: Any, bits: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 2**bits - 1))
    digits = f"{number:x}"
    zeros = "0" * data.draw(st.integers(0, 3))

    assert wire.encode(kind, number) == "0x" + digits
    for form in ("0x" + digits, "0X" + digits, "0x" + digits.upper(), "0x" + zeros + digits, number):
        assert wire.decode(kind, form) == number


@pytest.mark.parametrize(("kind", "bits"), BITS)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "0x",
            "0X",
            "0",
            "1",
            "x1",
            "0xg",
            "-0x1",
            "0x-1",
            "+0x1",
            "0x_1",
            "0x1_0",
            " 0x1",
            "0x1 ",
            "0x1\n",
            "0b1",
        ),
        *("0x١", "0x１", "1e3", None, True, False, 1.5, -1.0, 2.0**53, 1e300, -1, [], [1], {}),
    ],
)
def test_anything_but_a_quantity_is_refused(kind: Any, bits: int, value: Any) -> None:
    assert decode_error(kind, value) == f"it: expected a hex quantity below 2^{bits}, got {preview(value)}"


@pytest.mark.parametrize(("kind", "bits"), BITS)
@given(excess=st.integers(0, 2**300))
def test_a_quantity_that_is_too_large_is_refused(kind: Any, bits: int, excess: int) -> None:
    for value in (2**bits + excess, hex(2**bits + excess)):
        assert f"below 2^{bits}, got " in decode_error(kind, value)


def test_a_flood_of_digits_is_refused_at_once() -> None:
    start = time.process_time()
    for digits in ("0" * 10_000_000, "f" * 10_000_000):
        assert decode_error(Uint256, "0x" + digits).endswith("of 10000002 characters")
        assert decode_error(Address, "0x" + digits).endswith("of 10000002 characters")
    assert decode_error(Uint256, 10**100_000).endswith("got an integer of 332193 bits")
    assert time.process_time() - start < 2


@given(st.integers(0, 2**48 - 1))
def test_seconds_are_a_number(seconds: int) -> None:
    assert wire.encode(UnixSeconds, seconds) == seconds
    assert wire.decode(UnixSeconds, seconds) == seconds


@pytest.mark.parametrize("value", [-1, 2**48, True, 0.5, 1.5, -1.0, 2.0**48, 2.0**53, 1e300, "1", "0x1", None, []])
def test_other_seconds_are_refused(value: Any) -> None:
    assert (
        decode_error(UnixSeconds, value) == f"it: expected an integer from 0 to 281474976710655, got {preview(value)}"
    )


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((kind, value) for kind, bits in BITS for value in (-1, 2**bits, True, "0x1", "1", 1.0, None, b"\1")),
        *((kind, value) for kind in (Data, *SIZES) for value in (5, "0x12", [1], None, bytearray(4))),
        *((kind, bytes(size + 1)) for kind, size in SIZES.items()),
        *((UnixSeconds, value) for value in (-1, 2**48, True, 1.0, "1", None)),
    ],
)
def test_a_value_of_another_type_is_never_written(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="rror"):
        wire.encode(kind, value)


def test_plain_bytes_of_the_right_length_are_written() -> None:
    assert wire.encode(Address, bytes(20)) == "0x" + "0" * 40


def test_a_document_states_the_lenient_form_of_an_input_and_the_strict_form_of_an_answer() -> None:
    for kind, bits in BITS:
        read = wire.schema(kind, "validation")
        written = wire.schema(kind, "serialization")
        assert read == {"type": "string", "pattern": "^0x[0-9a-fA-F]+$", "title": f"Uint{bits}"}
        assert written == {"type": "string", "pattern": "^0x(0|[1-9a-f][0-9a-f]*)$", "title": f"Uint{bits}"}
        assert re.search(read["pattern"], "0x01")
        assert not re.search(written["pattern"], "0x01")


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_a_document_states_lengths_and_bounds(mode: Any) -> None:
    for kind, size in SIZES.items():
        pattern = f"^0x[0-9a-fA-F]{{{2 * size}}}$"
        assert wire.schema(kind, mode) == {"type": "string", "pattern": pattern, "title": kind.__name__}
    assert wire.schema(Data, mode) == {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$", "title": "Data"}
    assert wire.schema(UnixSeconds, mode) == {"type": "integer", "minimum": 0, "maximum": 2**48 - 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-(2**76) + 1, "-75557863725914323419135"),
        (2**76, "an integer of 77 bits"),
        (1.5, "1.5"),
        (-1.7976931348623157e308, "-1.7976931348623157e+308"),
        ("", '""'),
        ("x" * 24, f'"{"x" * 24}"'),
        ("x y" * 9, '"x yx yx yx yx yx yx yx y…" of 27 characters'),
        ("eth_getTransactionReceipt", '"eth_getTransactionReceipt"'),
        ("wallet_requestExecutionPermissions", '"wallet_requestExecutionPermissions"'),
        ("application/x-www-form-urlencoded", '"application/x-www-form-urlencoded"'),
        ("0x" + "a1" * 20, f'"0x{"a1" * 20}"'),
        ("0x" + "a1" * 20 + "a", f'"0x{"a1" * 11}…" of 43 characters'),
        ([1, 2], "an array of 2"),
        ({"a": 1}, "an object"),
        (b"\1", "bytes"),
    ],
)
def test_a_rejected_value_is_shown_in_few_characters(value: Any, text: str) -> None:
    assert preview(value) == text


def test_the_declared_type_decides_how_bytes_are_written() -> None:
    address = Address.parse("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")

    assert wire.encode(Address, address) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    for value in (address, bytes(address)):
        assert wire.encode(Data, value) == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
