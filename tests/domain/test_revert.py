from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.revert import ERROR_SIGNATURES, ModuleDenial, explain, find_revert_reason

# handleOps, production contracts: rejected by a session's selector hook (golden scenarios, families 1 and 2)
SELECTOR_NOT_ALLOWED = bytes.fromhex(
    "65c8fd4d"
    + "00" * 32
    + f"{0x60:064x}"
    + f"{0xA0:064x}"
    + f"{0x0D:064x}"
    + "41413233207265766572746564".ljust(64, "0")
    + f"{0x84:064x}"
    + "4db96e31"
    + "00000000003e826473a313e600b5b9b791f5a59a00000007".ljust(64, "0")
    + f"{0x40:064x}"
    + f"{0x04:064x}"
    + "bdb518d2".ljust(64, "0")
    + "00" * 28
)
# from a UserOperationRevertReason event: the native limit's execution hook
NATIVE_LIMIT = bytes.fromhex(
    "74a1a72c"
    + "00000000000001e541f0d090868fbe24b59fbe0600000003".ljust(64, "0")
    + f"{0x40:064x}"
    + f"{0x04:064x}"
    + "94c58c94".ljust(64, "0")
)


@given(topics=st.lists(st.binary(min_size=32, max_size=32), max_size=4), data=st.binary(max_size=200))
def test_any_log_has_a_reason_or_none(topics: list[bytes], data: bytes) -> None:
    event = abi.keccak(b"UserOperationRevertReason(bytes32,address,uint256,bytes)")
    assert find_revert_reason(topics, data, b"\1" * 32) == b""
    assert find_revert_reason([event, b"\1" * 32], data, b"\1" * 32) in data
    event_data = encode(["uint256", "bytes"], [7, data])
    assert find_revert_reason([event, b"\1" * 32], event_data, b"\1" * 32) == data
    assert (
        find_revert_reason([event, b"\2" * 32], event_data, b"\1" * 32)
        == find_revert_reason([event], event_data, b"\1" * 32)
        == b""
    )


@given(text=st.text(min_size=257), number=st.integers(0, 1 << 255))
def test_a_contracts_error_text_is_truncated(text: str, number: int) -> None:
    raw = abi.selector_of("Error(string)") + encode(["string"], [text])
    assert len(explain(raw).text) == 257
    failed = abi.selector_of("FailedOp(uint256,string)") + encode(["uint256", "string"], [number, text])
    assert len(explain(failed).text) == 257


def test_refused_operation_names_every_layer_and_the_module() -> None:
    explanation = explain(SELECTOR_NOT_ALLOWED)
    assert explanation.names == ("FailedOpWithRevert", "PreUserOpValidationHookReverted", "SelectorNotAllowed")
    assert explanation.entry_point == "AA23 reverted"
    assert explanation.denial == ModuleDenial(ALLOWLIST_MODULE, 7)
    assert explanation.text == (
        f"AA23 reverted: PreUserOpValidationHookReverted(module {ALLOWLIST_MODULE}, entity 7): SelectorNotAllowed()"
    )


def test_failed_execution_names_the_module() -> None:
    explanation = explain(NATIVE_LIMIT)
    assert explanation.names == ("PreExecHookReverted", "ExceededNativeTokenLimit")
    assert explanation.denial == ModuleDenial(NATIVE_TOKEN_LIMIT_MODULE, 3)
    assert explanation.entry_point is None


@pytest.mark.parametrize(
    ("signature", "types", "values", "text"),
    [
        ("Error(string)", ["string"], ["no luck"], "no luck"),
        ("Panic(uint256)", ["uint256"], [0x11], "panic 0x11: arithmetic underflow or overflow"),
        ("Panic(uint256)", ["uint256"], [0x99], "panic 0x99: unknown panic code"),
        ("FailedOp(uint256,string)", ["uint256", "string"], [0, "AA24 signature error"], "AA24 signature error"),
        ("InsufficientBalance(uint256,uint256)", ["uint256", "uint256"], [1, 2], "InsufficientBalance(1, 2)"),
        (
            "ValidationFunctionMissing(bytes4)",
            ["bytes4"],
            [b"\xb6\x1d\x27\xf6"],
            "ValidationFunctionMissing(0xb61d27f6)",
        ),
        (
            "ERC20NotAllowed(address)",
            ["address"],
            [ALLOWLIST_MODULE.hex0x()],
            f"ERC20NotAllowed({ALLOWLIST_MODULE})",
        ),
        ("PostOpReverted(bytes)", ["bytes"], [b""], "PostOpReverted()"),
    ],
)
def test_known_errors_read_as_people_write_them(
    signature: str, types: list[str], values: list[object], text: str
) -> None:
    assert explain(abi.selector_of(signature) + encode(types, values)).text == text


def test_nothing_is_said_by_empty_data() -> None:
    explanation = explain(b"")
    assert (explanation.causes, explanation.text, explanation.entry_point, explanation.denial) == ((), "", None, None)


def test_unknown_error_is_named_by_its_selector() -> None:
    assert explain(bytes.fromhex("deadbeef") + bytes(32)).names == ("0xdeadbeef",)
    assert explain(b"\x01\x02").names == ("0x0102",)


def test_arguments_that_do_not_decode_are_left_out() -> None:
    assert explain(abi.selector_of("Error(string)") + b"\xff" * 40).text == "Error()"


def test_wrappers_without_end_are_not_followed() -> None:
    data = b""
    for _ in range(20):
        data = abi.selector_of("PostOpReverted(bytes)") + encode(["bytes"], [data])
    assert len(explain(data).causes) == 8


def test_no_two_known_errors_share_a_selector() -> None:
    assert len({abi.selector_of(signature) for signature in ERROR_SIGNATURES}) == len(ERROR_SIGNATURES)


@given(st.binary(max_size=300))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert isinstance(explain(data).text, str)


@given(st.sampled_from(ERROR_SIGNATURES), st.binary(max_size=200))
def test_any_arguments_of_a_known_error_get_an_answer(signature: str, arguments: bytes) -> None:
    explanation = explain(abi.selector_of(signature) + arguments)
    assert explanation.names[0] == signature.partition("(")[0]
    assert isinstance(explanation.text, str)
