"""Which paymaster takes a token, at which rate, and how an account stands towards it."""

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
    """A paymaster that takes the token, and how the account stands towards it."""

    request: Erc20Gas
    service: Paymaster
    policy: str
    context: dict[str, Any]
    paymaster: Address
    rate: int
    balance: int
    allowance: int

    def build_context(self, mode: Mode, most: int | None, permit: PermitContext | None = None) -> dict[str, Any]:
        """What the service is told beside the operation."""
        asked = Erc20Context(token_address=self.request.token_address, mode=mode, max_token_amount=most, permit=permit)
        return {**self.context, "erc20Context": wire.encode(Erc20Context, asked)}

    def max_payable(self, allowed: int) -> int:
        """The most that can be taken before the calls change anything: what is held, allowed and offered."""
        ceiling = self.request.max_token_amount
        return min(self.balance, allowed, *(() if ceiling is None else (ceiling,)))


async def find_token_quote(preparation: Preparation, draft: UserOperation, request: Erc20Gas) -> TokenQuote:
    """The first policy's paymaster that takes the token.

    Raises: UnsupportedCapability, SponsorshipFailed when none does; InvalidParams (not_a_token).
    """
    service, paymaster = preparation.capabilities.paymaster_service, preparation.chain.paymaster
    if service is None or not service.policies:
        at = "params.capabilities.paymasterService.policyId"
        raise InvalidParams(f"{at}: required by erc20, but absent", field=at)
    if paymaster is None:
        raise build_no_paymaster_error(preparation.chain)
    refused: SponsorshipFailed | UnsupportedCapability | None = None
    for policy in service.policies:
        context = build_policy_context(service, policy)
        told = {**context, "erc20Context": wire.encode(Erc20Context, _build_initial_context(request))}
        try:
            stub = await await_sponsorship(paymaster.stub(draft, told), policy)
        except SponsorshipFailed as refusal:
            text = f"{refusal.message}; asked to take gas in the token {request.token_address}"
            refused = SponsorshipFailed(text, reason=refusal.reason, **refusal.facts)
            continue
        if stub.token is None or stub.token.token_address != request.token_address:
            chain_id = preparation.chain.chain_id
            text = f"{ERC20_PATH}: the paymaster of policy {policy} on chain {chain_id:#x} takes no tokens"
            refused = UnsupportedCapability(text, capability="paymasterService.erc20", field=ERC20_PATH)
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
    raise refused if refused is not None else AssertionError("there is a policy")


def _build_initial_context(request: Erc20Gas) -> Erc20Context:
    return Erc20Context(
        token_address=request.token_address, mode="postOp" if request.pre_op_settings is None else "preOp"
    )


async def _amount(preparation: Preparation, token: Address, question: bytes) -> int:
    try:
        amount = decode_uint(await preparation.chain.node.call(token, question))
    except ExecutionReverted:
        amount = None
    if amount is None:
        at = f"{ERC20_PATH}.tokenAddress"
        raise InvalidParams(f"{at}: {token} is no ERC-20 token here", field=at, reason="not_a_token")
    return amount
