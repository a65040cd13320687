"""Gas paid in ERC-20 with other paymaster services and other tokens than the embedded chain's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest

from tests.operations.conftest import CHAIN, WalletFixture, quantity
from tests.support.calls import call_data
from tests.support.constants import SPONSORSHIP, TOKEN
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import InvalidParams, Rejected, SponsorshipFailed, UnsupportedCapability, WalletError
from wallet_rpc.ports import Paymaster, Sponsorship
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32

OPERATION_TYPE = "user-operation-v070"
AUTO: dict[str, Any] = {"postOpSettings": {"autoApprove": True}}


@dataclass
class ChangingPaymaster:
    """A paymaster service that returns the real one's responses with the test's token payment terms."""

    real: Paymaster
    first: Erc20PaymentTerms | None
    last: Erc20PaymentTerms | None

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        supported = {**context, "erc20Context": {**context["erc20Context"], "tokenAddress": TOKEN}}
        return replace(await self.real.stub(operation, supported), token=self.first)

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        return replace(await self.real.sponsor(operation, context), token=self.last)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        await self.real.report_sent(operation, operation_hash)


def payment(token: str = TOKEN, *, rate: int = 2_000 * 10**18, max_amount: int = 1) -> Erc20PaymentTerms:
    return Erc20PaymentTerms(token_address=Address.parse(token), exchange_rate=rate, max_token_amount=max_amount)


def with_service(wallet: WalletFixture, first: Erc20PaymentTerms | None, last: Erc20PaymentTerms | None = None) -> None:
    wallet.change_chain(paymaster=ChangingPaymaster(wallet.paymaster, first, last))


async def prepare(wallet: WalletFixture, *calls: dict[str, Any], token: str = TOKEN, **settings: Any) -> dict[str, Any]:
    capabilities = settings.pop("capabilities", {})
    only_estimation = settings.pop("only_estimation", False)
    service = {**SPONSORSHIP, "onlyEstimation": only_estimation, "erc20": {"tokenAddress": token, **settings}}
    return await wallet.prepare(*calls, paymasterService=service, **capabilities)


def max_amount(prepared: dict[str, Any]) -> int:
    return int(prepared["feePayment"]["maxAmount"], 16)


async def catch_error(wallet: WalletFixture, **settings: Any) -> WalletError:
    with pytest.raises(WalletError) as error_info:
        await prepare(wallet, **settings)
    return error_info.value


def transact(url: str, to: str, data: str) -> None:
    """Send a transaction from the node's first account."""
    node = f"{url}/chain/{CHAIN}"
    call = {"from": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "to": to, "data": data}
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [call]}
    assert "result" in httpx2.post(node, json=body).json()


def set_code(url: str, address: Address, code: bytes) -> None:
    params = [address.hex0x(), Data(code).hex0x()]
    body = {"jsonrpc": "2.0", "id": 1, "method": "anvil_setCode", "params": params}
    assert "result" in httpx2.post(f"{url}/chain/{CHAIN}", json=body).json()


@pytest.fixture
def funded(wallet: WalletFixture, url: str) -> WalletFixture:
    transact(url, TOKEN, call_data("mint(address,uint256)", wallet.account, 10**24))
    return wallet


@pytest.mark.parametrize("first", [None, payment("0x" + "12" * 20)])
async def test_a_service_that_does_not_accept_the_token_is_reported(
    wallet: WalletFixture, first: Erc20PaymentTerms | None
) -> None:
    with_service(wallet, first)
    error = await catch_error(wallet, **AUTO)
    assert isinstance(error, UnsupportedCapability)
    assert error.data["capability"] == "paymasterService.erc20"


async def test_a_chain_without_paymaster_accepts_no_tokens(wallet: WalletFixture) -> None:
    wallet.change_chain(paymaster=None)
    assert isinstance(await catch_error(wallet, **AUTO), UnsupportedCapability)


@pytest.mark.parametrize("last", [None, payment(max_amount=10**30)])
async def test_a_price_that_rises_during_preparation_is_rejected(
    funded: WalletFixture, last: Erc20PaymentTerms | None
) -> None:
    with_service(funded, payment(), last)
    error = await catch_error(funded, **AUTO)
    assert isinstance(error, Rejected)
    assert error.reason == "token_price_changed"


SILENT, NO_PERMIT = Address(b"\xa1" * 20), Address(b"\xa2" * 20)


async def test_an_address_that_is_not_a_token_is_rejected(wallet: WalletFixture, url: str) -> None:
    for code in (b"", bytes.fromhex("5f5ffd")):
        set_code(url, SILENT, code)
        with_service(wallet, payment(SILENT.hex0x()))
        error = await catch_error(wallet, token=SILENT.hex0x(), **AUTO)
        assert isinstance(error, InvalidParams)
        assert error.reason == "not_a_token"


TOKEN_WITHOUT_PERMIT = bytes.fromhex(
    "5f3560e01c"  # the selector
    "806370a0823114601c57"  # balanceOf: to 1c
    "8063dd62ed3e14602e57"  # allowance: to 2e
    "5f5ffd"
    "5b69ffffffffffffffffffff5f5260205ff3"  # return a large balance
    "5b5f5f5260205ff3"  # return 0
)
"""Code of a token with `balanceOf` and `allowance` and no other function."""


async def test_a_token_without_permit_is_reported(wallet: WalletFixture, url: str) -> None:
    set_code(url, NO_PERMIT, TOKEN_WITHOUT_PERMIT)
    with_service(wallet, payment(NO_PERMIT.hex0x()))
    settings = {"preOpSettings": {"autoPermit": {"below": "0x1", "amount": hex(10**23)}}}
    error = await catch_error(wallet, token=NO_PERMIT.hex0x(), **settings)
    assert isinstance(error, UnsupportedCapability)
    assert error.data["capability"] == "paymasterService.erc20.preOpSettings"


async def test_calls_that_cost_more_than_the_provisional_approval_get_an_exact_one(funded: WalletFixture) -> None:
    """With four million gas, the provisional approval of the first estimate is too small."""
    limits = {"gasParamsOverride": {"callGasLimit": hex(4_000_000)}}
    prepared = await prepare(funded, capabilities=limits, **AUTO)
    assert prepared["type"] == OPERATION_TYPE
    assert int(prepared["details"]["data"]["calls"][0]["data"][-64:], 16) == max_amount(prepared)
    assert max_amount(prepared) > 4_000_000 * 2_000 * 10**9


HUGE = {"gasParamsOverride": {"callGasLimit": hex(2**120 - 1), "maxFeePerGas": hex(2**120 - 1)}}


@pytest.mark.parametrize(("settings", "only_estimation"), [(AUTO, False), (AUTO, True), ({}, True)])
async def test_a_cost_beyond_a_tokens_largest_amount_is_reported(
    funded: WalletFixture, settings: dict[str, Any], only_estimation: bool
) -> None:
    with_service(funded, payment(rate=10**24))
    error = await catch_error(funded, capabilities=HUGE, only_estimation=only_estimation, **settings)
    assert isinstance(error, InvalidParams)
    assert error.data == {"reason": "token_amount_too_large", "field": "params.capabilities.paymasterService.erc20"}


async def test_a_cost_just_within_a_tokens_largest_amount_is_approved(funded: WalletFixture) -> None:
    """The approval of the estimate, twice the maximum cost, is limited to a token's largest amount too."""
    with_service(funded, payment(rate=10**22))
    error = await catch_error(funded, capabilities=HUGE, **AUTO)
    assert error.reason == "insufficient_token_balance"


async def test_a_need_is_never_below_what_the_operation_may_cost(funded: WalletFixture) -> None:
    """Test ten lengths of call data, because preVerificationGas of a need is rounded up to whole steps."""
    for size in range(0, 70, 7):
        call = {"to": ZERO_ADDRESS.hex0x(), "data": "0x" + "11" * size}
        needed = await prepare(funded, call, only_estimation=True, **AUTO)
        prepared = await prepare(funded, call, **AUTO)
        assert needed["type"] == prepared["type"] == OPERATION_TYPE
        assert max_amount(prepared) <= max_amount(needed)


async def test_a_post_op_gas_limit_that_the_paymaster_rejects_fails_sponsorship(funded: WalletFixture) -> None:
    error = await catch_error(funded, capabilities={"gasParamsOverride": {"paymasterPostOpGasLimit": "0x1"}}, **AUTO)
    assert isinstance(error, SponsorshipFailed)


async def test_the_callers_own_fee_and_limit_are_kept(funded: WalletFixture) -> None:
    limits = {"gasParamsOverride": {"maxFeePerGas": hex(10**10), "paymasterPostOpGasLimit": hex(90_000)}}
    prepared = await prepare(funded, capabilities=limits, **AUTO)
    assert prepared["type"] == OPERATION_TYPE
    assert quantity(prepared, "maxFeePerGas") == 10**10
    assert quantity(prepared, "paymasterPostOpGasLimit") == 90_000
