"""Tests of fees and gas limits in integers: exact for every factor, and never a float."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses, blobs, uint128
from tests.domain.test_user_operation import PLAIN
from wallet_rpc import wire
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature
from wallet_rpc.domain.capabilities import GasParamsOverride, Multiplier
from wallet_rpc.domain.gas import (
    GasEstimate,
    apply_gas_estimate,
    apply_gas_overrides,
    call_data_tokens,
    floor_gas,
    max_cost,
    max_fee,
    pre_verification_gas,
    replacement_fee,
    resolve_override,
)
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, handle_ops_call_data, pack
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Data

operations = st.builds(
    lambda limits, fees, paymaster: replace(
        PLAIN,
        call_gas_limit=limits[0],
        verification_gas_limit=limits[1],
        pre_verification_gas=limits[2],
        max_fee_per_gas=fees[0],
        max_priority_fee_per_gas=fees[1],
        paymaster=paymaster,
    ),
    st.tuples(uint128, uint128, uint128),
    st.tuples(uint128, uint128),
    st.none() | st.builds(PaymasterPart, addresses, uint128, uint128, blobs),
)
factors = st.floats(min_value=0, max_value=1000, exclude_min=True)
OP = replace(
    PLAIN,
    call_gas_limit=100,
    verification_gas_limit=200,
    pre_verification_gas=300,
    max_fee_per_gas=400,
    max_priority_fee_per_gas=50,
    paymaster=PaymasterPart(PLAIN.sender, 600, 700, PLAIN.call_data),
)


def change_part(part: Any, name: str, value: int) -> Any:
    return replace(part, **{name: value})


def overrides(**given: Any) -> GasParamsOverride:
    return wire.decode(GasParamsOverride, given)


@pytest.mark.parametrize(("base", "priority", "fee"), [(0, 0, 0), (1, 0, 1), (2, 0, 3), (100, 7, 157)])
def test_the_suggested_fee_is_one_and_a_half_base_fees_and_the_priority(base: int, priority: int, fee: int) -> None:
    assert max_fee(base, priority) == fee


@given(uint128)
def test_a_replacement_pays_the_least_integer_that_is_ten_percent_more(fee: int) -> None:
    assert replacement_fee(fee) == math.ceil(Fraction(110, 100) * fee)


@pytest.mark.parametrize(
    ("factor", "estimate", "amount"),
    [
        (1.1, 10, 11),  # 1.1 * 10 rounds up to 12 when the float's own value counts
        (1.1, 10**30, 11 * 10**29),
        (1.5, 1, 2),
        (1.5, 3 * 10**35, 45 * 10**34),
        (0.1, 10, 1),
        (0.1, 11, 2),
        (0.1, 0, 0),
        (1e-7, 1, 1),
        (1, 2**120 - 1, 2**120 - 1),
        (1000, 1, 1000),
    ],
)
def test_a_factor_counts_as_it_is_written(factor: float, estimate: int, amount: int) -> None:
    read = wire.decode(Multiplier, {"multiplier": factor})

    assert resolve_override(read, estimate, field="callGasLimit") == amount


@given(factors, st.integers(0, 2**110))
def test_a_factor_is_exact_and_rounds_up(factor: float, estimate: int) -> None:
    amount = resolve_override(Multiplier(multiplier=factor), estimate, field="callGasLimit")

    assert amount == math.ceil(Fraction(repr(factor)) * estimate)


@given(st.integers(0, 2**120 - 1), uint128)
def test_an_amount_replaces_the_estimate_and_none_keeps_it(amount: int, estimate: int) -> None:
    assert resolve_override(amount, estimate, field="callGasLimit") == amount
    assert resolve_override(None, estimate, field="callGasLimit") == estimate


@pytest.mark.parametrize("override", [Multiplier(multiplier=2), 1 << 120])
def test_more_than_the_entry_point_takes_is_refused(override: int | Multiplier) -> None:
    with pytest.raises(InvalidParams) as error_info:
        resolve_override(override, 1 << 119, field="callGasLimit")

    at = "params.capabilities.gasParamsOverride.callGasLimit"
    assert error_info.value.data == {"reason": "invalid_params", "field": at}
    assert error_info.value.message == f"{at}: expected an amount below 2^120, got {1 << 120}"


FIELDS = {
    "preVerificationGas": ("pre_verification_gas", 300),
    "verificationGasLimit": ("verification_gas_limit", 200),
    "callGasLimit": ("call_gas_limit", 100),
    "maxFeePerGas": ("max_fee_per_gas", 400),
    "maxPriorityFeePerGas": ("max_priority_fee_per_gas", 50),
}
OF_PAYMASTER = {
    "paymasterVerificationGasLimit": ("verification_gas_limit", 600),
    "paymasterPostOpGasLimit": ("post_op_gas_limit", 700),
}


@pytest.mark.parametrize(("key", "name", "estimate"), [(key, *rest) for key, rest in FIELDS.items()])
def test_an_override_changes_its_own_field_and_no_other(key: str, name: str, estimate: int) -> None:
    assert apply_gas_overrides(OP, overrides(**{key: "0x7"})) == change_part(OP, name, 7)
    assert apply_gas_overrides(OP, overrides(**{key: {"multiplier": 1.1}})) == change_part(
        OP, name, estimate * 11 // 10
    )


@pytest.mark.parametrize(("key", "name", "estimate"), [(key, *rest) for key, rest in OF_PAYMASTER.items()])
def test_an_override_of_the_paymasters_gas_needs_a_paymaster(key: str, name: str, estimate: int) -> None:
    doubled = apply_gas_overrides(OP, overrides(**{key: {"multiplier": 2}}))

    assert doubled == replace(OP, paymaster=change_part(OP.paymaster, name, 2 * estimate))
    assert apply_gas_overrides(PLAIN, overrides(**{key: "0x7"})) == PLAIN


@given(operations)
def test_no_override_changes_nothing(op: UserOperation) -> None:
    assert apply_gas_overrides(op, None) == op
    assert apply_gas_overrides(op, GasParamsOverride()) == op


@pytest.mark.parametrize("key", [*FIELDS, *OF_PAYMASTER])
def test_a_refused_factor_names_its_field(key: str) -> None:
    most = 2**120 - 1
    gas: dict[str, Any] = dict.fromkeys((name for name, _ in FIELDS.values()), most)
    op = replace(OP, **gas, paymaster=PaymasterPart(OP.sender, most, most, OP.call_data))

    with pytest.raises(InvalidParams) as error_info:
        apply_gas_overrides(op, overrides(**{key: {"multiplier": 1.01}}))

    assert error_info.value.data["field"] == f"params.capabilities.gasParamsOverride.{key}"


@given(operations)
def test_the_maximum_cost_is_the_entry_points_required_prefund(op: UserOperation) -> None:
    """Source: EntryPoint v0.7 `_getRequiredPrefund`, from the packed bytes that it reads."""
    packed = pack(op)
    verification, call = (int.from_bytes(packed.account_gas_limits[at : at + 16], "big") for at in (0, 16))
    paymaster = packed.paymaster_and_data[20:52].ljust(32, b"\0")
    of_paymaster = sum(int.from_bytes(paymaster[at : at + 16], "big") for at in (0, 16))
    fee = int.from_bytes(packed.gas_fees[16:], "big")

    assert max_cost(op) == (verification + call + of_paymaster + packed.pre_verification_gas) * fee


def test_call_data_is_measured_in_tokens() -> None:
    assert [call_data_tokens(data) for data in (b"", b"\x00", b"\x01", b"\x00\x01\x00")] == [0, 1, 4, 6]
    assert floor_gas(b"\x00\x01") == 21_000 + 10 * 5  # EIP-7623


@given(operations, st.binary(max_size=3000))
def test_operation_pays_for_the_floor_of_its_call_data(op: UserOperation, call_data: bytes) -> None:
    op = replace(op, call_data=Data(call_data))
    data = handle_ops_call_data([op], op.sender)
    later = op.call_gas_limit + (0 if op.paymaster is None else op.paymaster.post_op_gas_limit)
    needed = pre_verification_gas(op)
    assert needed + later // 10 >= 21_000 + 10 * call_data_tokens(data)
    assert needed >= 21_000 + 4 * call_data_tokens(data[100:])


def test_bytes_of_an_operation_with_little_gas_cost_ten_a_token() -> None:
    short, long = (
        pre_verification_gas(replace(PLAIN, call_gas_limit=0, call_data=Data(b"\xff" * size))) for size in (6400, 9600)
    )
    assert long - short == 10 * 4 * 3200  # EIP-7623: 40 gas a byte, not 16
    rich = replace(PLAIN, call_gas_limit=10**7, call_data=Data(b"\xff" * 9600))
    poorer = replace(rich, call_data=Data(b"\xff" * 6400))
    assert pre_verification_gas(rich) - pre_verification_gas(poorer) == 16 * 3200 + 10 * 100


def test_authorization_has_its_price() -> None:
    op = replace(PLAIN, call_gas_limit=10**7)
    signed = add_dummy_signature(Authorization(1, op.sender, 0))
    assert pre_verification_gas(replace(op, authorization=signed)) == pre_verification_gas(op) + 25_000


def test_an_estimate_replaces_every_limit_and_no_fee() -> None:
    estimate = GasEstimate(
        pre_verification_gas=1,
        verification_gas_limit=2,
        call_gas_limit=3,
        paymaster_verification_gas_limit=0,
        paymaster_post_op_gas_limit=5,
    )
    expected = replace(OP, pre_verification_gas=1, verification_gas_limit=2, call_gas_limit=3)

    assert OP.paymaster is not None
    paymaster = replace(OP.paymaster, verification_gas_limit=0, post_op_gas_limit=5)
    assert apply_gas_estimate(OP, estimate) == replace(expected, paymaster=paymaster)
    assert apply_gas_estimate(replace(OP, paymaster=None), estimate) == replace(expected, paymaster=None)


def test_an_estimate_without_the_paymasters_limits_keeps_them() -> None:
    estimate = GasEstimate(pre_verification_gas=1, verification_gas_limit=2, call_gas_limit=3)

    assert apply_gas_estimate(OP, estimate).paymaster == OP.paymaster
