"""Tests of a swap's checks: exactly one fixed amount, and a slippage within the price."""

import pytest

from wallet_rpc.domain.quote import WHOLE_SLIPPAGE, Swap
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address


def swap(*, given: int | None = None, minimum_amount: int | None = None, slippage: int | None = None) -> Swap:
    token = Address(b"\1" * 20)
    return Swap(
        from_=token,
        chain_id=1,
        from_token=token,
        to_token=token,
        from_amount=given,
        minimum_to_amount=minimum_amount,
        slippage=slippage,
    )


@pytest.mark.parametrize("fits", [swap(given=0), swap(minimum_amount=0), swap(given=1, slippage=WHOLE_SLIPPAGE)])
def test_one_amount_is_enough(fits: Swap) -> None:
    fits.check()


@pytest.mark.parametrize(("given", "minimum", "got"), [(None, None, "neither"), (0, 0, "both")])
def test_both_amounts_or_neither_are_refused(given: int | None, minimum: int | None, got: str) -> None:
    with pytest.raises(InvalidParams, match=f"either fromAmount or minimumToAmount, got {got}") as error_info:
        swap(given=given, minimum_amount=minimum).check()
    assert error_info.value.reason == "swap_amount"


def test_more_than_the_whole_price_is_no_slippage() -> None:
    with pytest.raises(InvalidParams) as error_info:
        swap(given=1, slippage=WHOLE_SLIPPAGE + 1).check()
    assert error_info.value.message == "params.slippage: expected at most 0x2710 (10000 basis points), got 0x2711"
    assert error_info.value.reason == "slippage_too_high"
