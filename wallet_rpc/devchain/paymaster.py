"""The development paymaster (ERC-7677): sponsors any operation under any policy id that is a UUID of version 4, or lets
it be paid in the test token, or in any other token that it was given a rate for.

It signs for our VerifyingPaymaster and TokenPaymaster with a key that everyone knows; what it spends is a deposit of
the development chain. What it signs and how is in `domain/sponsorship.py` and `domain/token_charge.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from wallet_rpc import wire
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.domain import sponsorship, token_charge
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.token_charge import Erc20Charge, SignedPermit, max_erc20_cost
from wallet_rpc.domain.token_gas import Erc20Context, Erc20PaymentTerms
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, preview

VALID_SECONDS = 3600
"""How long a sponsorship holds, from the time of the next block."""
_POLICY_VERSION = 4
_UNLIMITED = (1 << 128) - 1
_ERC20_CONTEXT = "context.erc20Context"


@dataclass(frozen=True, slots=True)
class SponsorshipResult:
    """The paymaster's part of an operation, and what it takes for it: None when nothing."""

    part: PaymasterPart
    payment: Erc20PaymentTerms | None = None


@dataclass(frozen=True, slots=True)
class DevPaymaster:
    """Sponsors on one chain."""

    chain: Blockchain
    rates: Mapping[Address, int] = field(default_factory=lambda: dev_constants.ERC20_RATES)
    """Tokens that it takes, with their smallest units for 10^18 wei."""

    def stub(self, op: UserOperation, context: Mapping[str, Any]) -> SponsorshipResult:
        """A sponsorship of the right size that is not signed. Raises: InvalidParams for an unknown policy or token."""
        check_policy(context)
        asked = parse_erc20_context(context, self.rates)
        if asked is None:
            return SponsorshipResult(sponsorship.build_sponsorship_stub(dev_constants.PAYMASTER, window=self._window()))
        most = _UNLIMITED if asked.max_token_amount is None else asked.max_token_amount
        charge = self._charge(asked, most)
        return SponsorshipResult(
            token_charge.build_erc20_charge_stub(dev_constants.ERC20_PAYMASTER, charge, window=self._window()),
            _payment(charge),
        )

    def sponsor(self, op: UserOperation, context: Mapping[str, Any]) -> SponsorshipResult:
        """A signed sponsorship of `op`, with the gas limits it has.

        Raises: InvalidParams for an unknown policy or token, and when the operation may cost more than is offered.
        """
        check_policy(context)
        chain_id, window = self.chain.config.chain_id, self._window()
        asked = parse_erc20_context(context, self.rates)
        if asked is None:
            return SponsorshipResult(
                sponsorship.sign_sponsorship(
                    op, dev_constants.PAYMASTER, chain_id=chain_id, window=window, key=dev_constants.PAYMASTER_KEY
                )
            )
        part = _erc20_paymaster_part(op)
        if part.post_op_gas_limit < token_charge.ERC20_POST_OP_GAS:
            at, least = "userOperation.paymasterPostOpGasLimit", token_charge.ERC20_POST_OP_GAS
            text = f"{at}: expected at least {least}, as the transfer must not fail, got {part.post_op_gas_limit}"
            raise InvalidParams(text, reason="too_low", field=at)
        named = replace(op, paymaster=part)
        charge = self._charge(asked, max_erc20_cost(named, self.rates[asked.token_address]))
        if asked.max_token_amount is not None and charge.max_amount > asked.max_token_amount:
            at = f"{_ERC20_CONTEXT}.maxTokenAmount"
            offered = asked.max_token_amount
            text = f"{at}: the operation may cost {charge.max_amount}, but {offered} is the most that is offered"
            raise InvalidParams(text, reason="max_token_amount_exceeded", field=at)
        signed = token_charge.sign_erc20_charge(
            named, charge, chain_id=chain_id, window=window, key=dev_constants.PAYMASTER_KEY
        )
        return SponsorshipResult(signed, _payment(charge))

    def _charge(self, erc20_context: Erc20Context, most: int) -> Erc20Charge:
        permit = erc20_context.permit
        return Erc20Charge(
            token=erc20_context.token_address,
            rate=self.rates[erc20_context.token_address],
            max_amount=most,
            is_prepaid=erc20_context.mode == "preOp",
            permit=None
            if permit is None
            else SignedPermit(value=permit.value, deadline=permit.deadline, signature=permit.signature),
        )

    def _window(self) -> Window:
        return Window(valid_until=self.chain.next_timestamp() + VALID_SECONDS)


def check_policy(context: Mapping[str, Any]) -> None:
    """Raises: InvalidParams unless the context names a policy by a UUID of version 4."""
    given = context.get("policyId")
    try:
        known_policy = UUID(given).version == _POLICY_VERSION if isinstance(given, str) else False
    except ValueError:
        known_policy = False
    if not known_policy:
        text = f"context.policyId: expected a UUID of version 4, got {preview(given)}"
        raise InvalidParams(text, reason="unknown_policy", field="context.policyId")


def parse_erc20_context(context: Mapping[str, Any], rates: Mapping[Address, int]) -> Erc20Context | None:
    """The token in which the context asks to be charged. Raises: InvalidParams for one that has no rate."""
    given = context.get("erc20Context")
    if given is None:
        return None
    asked = wire.decode(Erc20Context, given, at=_ERC20_CONTEXT)
    if asked.token_address not in rates:
        at, taken = f"{_ERC20_CONTEXT}.tokenAddress", [each.hex0x() for each in rates]
        text = f"{at}: {asked.token_address} has no rate here; taken: {', '.join(taken)}"
        raise InvalidParams(text, reason="token", field=at, tokens=taken)
    return asked


def _payment(charge: Erc20Charge) -> Erc20PaymentTerms:
    return Erc20PaymentTerms(token_address=charge.token, exchange_rate=charge.rate, max_token_amount=charge.max_amount)


def _erc20_paymaster_part(op: UserOperation) -> PaymasterPart:
    """The token paymaster with the limits that `op` has, or its own."""
    part = op.paymaster
    if part is not None and part.address == dev_constants.ERC20_PAYMASTER:
        return part
    return PaymasterPart(
        dev_constants.ERC20_PAYMASTER, token_charge.ERC20_VERIFICATION_GAS, token_charge.ERC20_POST_OP_GAS, Data()
    )
