"""Tests of the balance that calls require, against a plain model of an account that makes the calls one by one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_batch_call_data, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.call_data import decode_calls
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.funds import (
    Funds,
    Transfer,
    deposit_slot,
    required_balance,
    take_payable_transfers,
    transfers_of,
)
from wallet_rpc.primitives import Address, Data

ACCOUNT = Address(b"\xac" * 20)
ONE, TWO = Address(b"\x01" * 20), Address(b"\x02" * 20)
VALUES = st.integers(0, 20)
PLAIN = st.builds(Call, to=st.sampled_from([ONE, TWO]), value=VALUES, data=st.sampled_from([Data(), Data(b"\1\2\3\4")]))
SELF = st.builds(Call, to=st.just(ACCOUNT), value=VALUES, data=st.just(Data()))


def _nested_calls(inner: st.SearchStrategy[list[Call]]) -> st.SearchStrategy[list[Call]]:
    encoders = st.sampled_from(
        [execute_batch_call_data, lambda calls: wrap_execute_user_op(execute_batch_call_data(calls))]
    )
    nested = st.builds(
        lambda calls, encode, value: Call(to=ACCOUNT, value=value, data=encode(calls)), inner, encoders, VALUES
    )
    return st.lists(PLAIN | SELF | nested, max_size=4)


BATCHES = st.recursive(st.lists(PLAIN | SELF, max_size=4), _nested_calls, max_leaves=4)


@dataclass
class Model:
    """A model of an account that makes its calls as the chain does, and receives nothing."""

    balance: int

    def makes(self, calls: list[Call]) -> bool:
        """Return True if the balance suffices for every call."""
        for call in calls:
            if call.value > self.balance:
                return False
            if call.to != ACCOUNT:
                self.balance -= call.value
            elif call.data and not self.makes(_inside(call.data)):
                return False
        return True


def _inside(data: bytes) -> list[Call]:
    found = decode_calls(ACCOUNT, data)
    assert found is not None
    return list(found)


@given(calls=BATCHES, balance=st.integers(0, 100))
def test_calls_succeed_exactly_when_the_balance_is_sufficient(calls: list[Call], balance: int) -> None:
    lone = len(calls) == 1 and calls[0].to == ACCOUNT
    inner = _inside(calls[0].data) if lone and calls[0].data else []
    expected_calls = inner if lone else calls
    transfers = transfers_of(ACCOUNT, calls)
    needed = required_balance(ACCOUNT, transfers)

    assert Model(balance).makes(expected_calls) is (balance >= needed)
    before = take_payable_transfers(ACCOUNT, transfers, balance)
    assert (len(before) == len(transfers)) is (balance >= needed)
    assert required_balance(ACCOUNT, before) <= balance
    if balance < needed:
        assert required_balance(ACCOUNT, transfers[: len(before) + 1]) > balance


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x02\x03\x04", abi.EXECUTE, abi.EXECUTE_BATCH + b"\xff" * 64])
def test_a_function_of_the_account_that_is_not_read_may_do_anything(data: bytes) -> None:
    unread = Transfer(ACCOUNT, 0, is_opaque=True)
    assert transfers_of(ACCOUNT, [Call(to=ACCOUNT, value=7, data=Data(data))]) == (unread,)
    batch = [Call(to=ACCOUNT, value=7, data=Data(data)), Call(to=ONE, value=1)]
    own = (Transfer(ACCOUNT, 7), *((unread,) if data else ()))
    assert transfers_of(ACCOUNT, batch) == (*own, Transfer(ONE, 1))


def test_calls_are_looked_into_down_to_a_depth() -> None:
    data = execute_call_data(ACCOUNT, [Call(to=ONE, value=1)])
    for _ in range(50):
        data = execute_batch_call_data([Call(to=ACCOUNT, value=0, data=data)])
    transfers = transfers_of(ACCOUNT, [Call(to=ACCOUNT, data=data)])
    assert transfers[-1].is_opaque
    assert required_balance(ACCOUNT, transfers) == 0


def test_the_deposits_slot_is_that_of_the_entry_points_first_mapping() -> None:
    assert deposit_slot(ENTRY_POINT) == abi.keccak(abi.address(ENTRY_POINT) + abi.uint(0))


@given(balance=VALUES, deposit=VALUES, value=VALUES, gas=VALUES, is_known=st.booleans())
def test_the_numbers_of_a_shortage_add_up(balance: int, deposit: int, value: int, gas: int, is_known: bool) -> None:
    """Gas is paid from the deposit and then from the balance, value from the balance alone."""
    funds = Funds(account=ACCOUNT, balance=balance, deposit=deposit, value=value)
    missing = funds.shortfall(gas)
    is_enough = balance >= max(0, gas - deposit) + value
    assert (missing <= 0) is is_enough
    assert Funds(account=ACCOUNT, balance=balance + max(missing, 0), deposit=deposit, value=value).shortfall(gas) <= 0

    error = funds.build_insufficient_funds_error(gas if is_known else None)
    amounts = {name: int(text, 16) for name, text in error.facts.items() if not text.startswith("-")}
    assert (amounts["balance"], amounts["value"]) == (balance, value)
    assert (error.reason, error.code) == ("insufficient_funds", -32000)
    if is_known and missing > 0:
        assert amounts["missing"] == missing
        assert f"add {missing} wei to {ACCOUNT}" in error.message


def test_the_message_is_the_one_that_clients_know() -> None:
    funds = Funds(account=ACCOUNT, balance=5, deposit=2, value=7)

    assert funds.build_insufficient_funds_error(9).message == (
        "precheck failed: sender balance and deposit together is 7 but must be at least 16 to pay for this operation: "
        f"the calls send 7, and gas may cost 9; add 9 wei to {ACCOUNT} "
        "(it has 0.000000000000000007 ETH and needs 0.000000000000000016 ETH)"
    )
    assert funds.build_insufficient_funds_error(None).message.endswith(
        f"the calls send 7, and gas may cost more; add 2 wei to {ACCOUNT} "
        "(it has 0.000000000000000007 ETH and needs 0.000000000000000009 ETH)"
    )
    assert funds.build_insufficient_funds_error(0).message == (
        f"precheck failed: sender balance is 5 but must be at least 7, which the calls send; add 2 wei to {ACCOUNT} "
        "(it has 0.000000000000000005 ETH and needs 0.000000000000000007 ETH)"
    )
    assert funds.build_insufficient_funds_error(0).data == {
        "reason": "insufficient_funds",
        "balance": "0x5",
        "value": "0x7",
        "missing": "0x2",
    }
    assert funds.build_insufficient_funds_error(9).data["gasCost"] == "0x9"
