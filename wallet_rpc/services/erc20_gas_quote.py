"""Which paymaster takes a token, at which rate, and how an account stands towards it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wallet_rpc import wire
from wallet_rpc.domain.permit import allowance_question, balance_question, read_amount
from wallet_rpc.domain.token_gas import ERC20, Mode, PermitContext, TokenContext, TokenGas
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import ExecutionReverted, InvalidParams, SponsorshipFailed, UnsupportedCapability
from wallet_rpc.ports import Paymaster
from wallet_rpc.primitives import Address
from wallet_rpc.services.sponsorship import answer_of, context_of, no_paymaster
from wallet_rpc.services.user_operation_builder import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A paymaster that takes the token, and how the account stands towards it."""

    asked: TokenGas
    service: Paymaster
    policy: str
    context: dict[str, Any]
    paymaster: Address
    rate: int
    balance: int
    allowance: int

    def told(self, mode: Mode, most: int | None, permit: PermitContext | None = None) -> dict[str, Any]:
        """What the service is told beside the operation."""
        asked = TokenContext(token_address=self.asked.token_address, mode=mode, max_token_amount=most, permit=permit)
        return {**self.context, "erc20Context": wire.encode(TokenContext, asked)}

    def payable(self, allowed: int) -> int:
        """The most that can be taken before the calls change anything: what is held, allowed and offered."""
        ceiling = self.asked.max_token_amount
        return min(self.balance, allowed, *(() if ceiling is None else (ceiling,)))


async def offer_of(task: Task, draft: UserOperation, asked: TokenGas) -> Offer:
    """The first policy's paymaster that takes the token.

    Raises: UnsupportedCapability, SponsorshipFailed when none does; InvalidParams (not_a_token).
    """
    service, paymaster = task.capabilities.paymaster_service, task.chain.paymaster
    if service is None or not service.policies:
        at = "params.capabilities.paymasterService.policyId"
        raise InvalidParams(f"{at}: required by erc20, but absent", field=at)
    if paymaster is None:
        raise no_paymaster(task.chain)
    refused: SponsorshipFailed | UnsupportedCapability | None = None
    for policy in service.policies:
        context = context_of(service, policy)
        told = {**context, "erc20Context": wire.encode(TokenContext, _first(asked))}
        try:
            stub = await answer_of(paymaster.stub(draft, told), policy)
        except SponsorshipFailed as refusal:
            text = f"{refusal.message}; asked to take gas in the token {asked.token_address}"
            refused = SponsorshipFailed(text, reason=refusal.reason, **refusal.facts)
            continue
        if stub.token is None or stub.token.token_address != asked.token_address:
            text = f"{ERC20}: the paymaster of policy {policy} on chain {task.chain.chain_id:#x} takes no tokens"
            refused = UnsupportedCapability(text, capability="paymasterService.erc20", field=ERC20)
            continue
        return Offer(
            asked=asked,
            service=paymaster,
            policy=policy,
            context=context,
            paymaster=stub.paymaster,
            rate=stub.token.exchange_rate,
            balance=await _amount(task, asked.token_address, balance_question(task.account)),
            allowance=await _amount(task, asked.token_address, allowance_question(task.account, stub.paymaster)),
        )
    raise refused if refused is not None else AssertionError("there is a policy")


def _first(asked: TokenGas) -> TokenContext:
    return TokenContext(token_address=asked.token_address, mode="postOp" if asked.pre_op_settings is None else "preOp")


async def _amount(task: Task, token: Address, question: bytes) -> int:
    try:
        amount = read_amount(await task.chain.chain.call(token, question))
    except ExecutionReverted:
        amount = None
    if amount is None:
        at = f"{ERC20}.tokenAddress"
        raise InvalidParams(f"{at}: {token} is no ERC-20 token here", field=at, reason="not_a_token")
    return amount
