"""Tests of integers in typed data: they are accepted if all JSON parsers agree on them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import uint256
from tests.domain.typed import change_value, of, refusal
from wallet_rpc.domain.typed_data import domain_chain_id, typed_data_digest


@given(uint256)
def test_a_chain_id_is_read_in_every_form_that_wallets_write(chain_id: int) -> None:
    forms: list[Any] = [str(chain_id), f"{chain_id:099}", hex(chain_id), f"0x{chain_id:064X}"]
    forms += [chain_id] if int(float(chain_id)) == chain_id else []
    forms += [float(chain_id)] if chain_id < 1 << 53 else []
    assert {domain_chain_id(form) for form in forms} == {chain_id}
    assert len({typed_data_digest(change_value("domain.chainId", form)) for form in forms}) == 1


@pytest.mark.parametrize(
    "given",
    ["1_000", " 1 ", "+1", "-1", -1, "", "0x", "0X1", "0b1", "\u0661", "one", True, 1.5, [1], "9" * 99, 2**53 + 1],
)
def test_a_chain_id_in_any_other_form_is_refused_by_name(given: object) -> None:
    found = refusal(change_value("domain.chainId", given))
    assert found.field == "domain.chainId"
    assert "expected a JSON integer" in found.message


@given(st.integers(-(2**255), 2**255 - 1), st.sampled_from(["", " ", "\ufeff\n"]))
def test_an_integer_is_read_in_every_form_of_javascript(number: int, space: str) -> None:
    forms: list[Any] = [f"{number}", f"{'-' if number < 0 else '+'}{abs(number):0150}"]
    forms += [hex(number), f"0X{number:X}", oct(number), bin(number), f"0B{number:0300b}"] if number >= 0 else []
    digests = {typed_data_digest(of("int256", f"{space}{form}{space}")) for form in forms}
    assert len(digests) == 1
    assert typed_data_digest(of("int256", str(number ^ 1))) not in digests


@pytest.mark.parametrize(
    "given",
    ["", " ", "-", "1_0", "1 0", "-0x5", "1.0", "1e3", "5n", "0o8", "\x1c5", "1" * 300, 1.5, 1e16, [], {}, None],
)
def test_a_value_that_is_no_integer_is_rejected(given: object) -> None:
    assert refusal(of("int256", given)).field == "message.a"


@given(st.integers(-(2**200), 2**200), st.integers(-(2**54), 2**54))
def test_a_json_number_is_taken_where_all_readers_agree(number: int, small: int) -> None:
    if int(float(number)) == number:
        assert typed_data_digest(of("int256", number)) == typed_data_digest(of("int256", str(number)))
    else:
        assert "a double holds exactly" in refusal(of("int256", number)).message
    if abs(small) < 2**53:
        assert typed_data_digest(of("int256", float(small))) == typed_data_digest(of("int256", small))
    else:
        refusal(of("int256", float(small)))
