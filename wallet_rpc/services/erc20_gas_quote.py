"""Quotes of paymasters that charge an ERC-20 token: the exchange rate, and the account's balance and allowance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wallet_rpc import wire
from wallet_rpc.domain.permit import decode_uint, encode_allowance, encode_balance_of
from wallet_rpc.domain.token_gas import ERC20_PATH, Erc20Context, Erc20Gas, Mode, PermitContext
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, InvalidParams, SponsorshipFailed, UnsupportedCapability
from wallet_rpc.ports import Paymaster
from wallet_rpc.primitives import Address
from wallet_rpc.services.sponsorship import await_sponsorship, build_no_paymaster_error, build_policy_context
from wallet_rpc.services.user_operation_builder import Preparation


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenQuote:
    """A paymaster that accepts the token, its exchange rate, and the account's balance and allowance."""

    request: Erc20Gas
    service: Paymaster
    policy: str
    context: dict[str, Any]
    paymaster: Address
    rate: int
    balance: int
    allowance: int

    def build_context(self, mode: Mode, max_amount: int | None, permit: PermitContext | None = None) -> dict[str, Any]:
        """Build the context that the paymaster service receives with the operation."""
        erc20_context = Erc20Context(
            token_address=self.request.token_address, mode=mode, max_token_amount=max_amount, permit=permit
        )
        return {**self.context, "erc20Context": wire.encode(Erc20Context, erc20_context)}

    def max_payable(self, allowance: int) -> int:
        """Return the maximum amount of a charge before the calls: the least of balance, allowance and max amount."""
        limit = self.request.max_token_amount
        return min(self.balance, allowance) if limit is None else min(self.balance, allowance, limit)


async def find_token_quote(preparation: Preparation, draft: UserOperation, request: Erc20Gas) -> TokenQuote:
    """Return the quote of the first policy whose paymaster accepts the token.

    Raises: UnsupportedCapability, SponsorshipFailed when none does; InvalidParams (not_a_token).
    """
    service = preparation.capabilities.paymaster_service
    paymaster = preparation.chain.paymaster
    if service is None or not service.policies:
        at = "params.capabilities.paymasterService.policyId"
        raise InvalidParams("required with erc20, but absent", field=at)
    if paymaster is None:
        raise build_no_paymaster_error(preparation.chain)
    last_error: SponsorshipFailed | UnsupportedCapability | None = None
    for policy in service.policies:
        context = build_policy_context(service, policy)
        erc20_context = wire.encode(Erc20Context, _build_initial_context(request))
        try:
            stub = await await_sponsorship(paymaster.stub(draft, {**context, "erc20Context": erc20_context}), policy)
        except SponsorshipFailed as error:
            last_error = error.with_text(f"{error.text}; requested payment of gas in the token {request.token_address}")
            continue
        if stub.token is None or stub.token.token_address != request.token_address:
            chain_id = preparation.chain.chain_id
            text = (
                f"the paymaster of policy {policy} on chain {chain_id:#x} does not accept the token "
                f"{request.token_address}"
            )
            last_error = UnsupportedCapability(text, field=ERC20_PATH, capability="paymasterService.erc20")
            continue
        return TokenQuote(
            request=request,
            service=paymaster,
            policy=policy,
            context=context,
            paymaster=stub.paymaster,
            rate=stub.token.exchange_rate,
            balance=await _amount(preparation, request.token_address, encode_balance_of(preparation.account)),
            allowance=await _amount(
                preparation, request.token_address, encode_allowance(preparation.account, stub.paymaster)
            ),
        )
    raise last_error if last_error is not None else AssertionError("at least one policy was tried")


def _build_initial_context(request: Erc20Gas) -> Erc20Context:
    return Erc20Context(
        token_address=request.token_address, mode="postOp" if request.pre_op_settings is None else "preOp"
    )


async def _amount(preparation: Preparation, token: Address, call_data: bytes) -> int:
    try:
        amount = decode_uint(await preparation.chain.node.call(token, call_data))
    except ExecutionReverted:
        amount = None
    if amount is None:
        at = f"{ERC20_PATH}.tokenAddress"
        raise InvalidParams(f"expected an ERC-20 token of this chain, got {token}", field=at, reason="not_a_token")
    return amount
