"""Tests of integers in a query string: plain decimal digits within bounds, and nothing else."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_rpc import wire
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.primitives import preview
from wallet_rpc.wire import FieldError, InvalidValue, shape


@shape
class Page:
    limit: Annotated[int, DecimalText(1, 100, reason="pagination")] = 20
    chain_id: Annotated[int | None, DecimalText(0, 2**53 - 1)] = None


@given(st.integers(1, 100))
def test_an_integer_is_read_from_its_digits_and_from_json(number: int) -> None:
    assert wire.validate(Page, {"limit": str(number)}) == wire.validate(Page, {"limit": number}) == Page(limit=number)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.text()))
def test_everything_else_is_refused_for_the_given_reason(value: Any) -> None:
    if isinstance(value, str | int) and not isinstance(value, bool) and str(value) in map(str, range(1, 101)):
        return

    with pytest.raises(InvalidValue) as error_info:
        wire.validate(Page, {"limit": value})

    assert error_info.value.errors == (
        FieldError(field="limit", text=f"must be an integer from 1 to 100; got {preview(value)}", reason="pagination"),
    )


@pytest.mark.parametrize("text", ["", "01", "+1", "-1", "1.0", "1e1", " 1", "1 ", "0x1", "1_0", "１", "9" * 5000])
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="must be an integer from 0 to 9007199254740991") as error_info:
        wire.validate(Page, {"chainId": text})

    assert error_info.value.errors[0].reason == "validation"


def test_it_is_written_and_documented_as_an_integer() -> None:
    assert wire.encode(Page, Page(limit=5)) == {"limit": 5}
    assert wire.schema(Page, "validation")["properties"]["limit"] == {
        "default": 20,
        "maximum": 100,
        "minimum": 1,
        "title": "Limit",
        "type": "integer",
    }
