"""The development paymaster (ERC-7677): sponsors gas, or accepts payment in ERC-20.

It accepts any policy id that is a UUID of version 4, and the test token and any other token with a configured rate.

It signs for VerifyingPaymaster and TokenPaymaster with a published key; it spends a deposit of the development chain.
The signed data is defined in `domain/sponsorship.py` and `domain/token_charge.py`.
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
from wallet_rpc.primitives import Address, Data

VALID_SECONDS = 3600
"""The validity of a sponsorship in seconds, from the time of the next block."""
_POLICY_VERSION = 4
_UNLIMITED = (1 << 128) - 1
_ERC20_CONTEXT = "context.erc20Context"


@dataclass(frozen=True, slots=True)
class SponsorshipResult:
    """The paymaster fields of an operation, and its payment terms: None when the operation is sponsored."""

    part: PaymasterPart
    payment: Erc20PaymentTerms | None = None


@dataclass(frozen=True, slots=True)
class DevPaymaster:
    """The paymaster of one chain."""

    chain: Blockchain
    rates: Mapping[Address, int] = field(default_factory=lambda: dev_constants.ERC20_RATES)
    """The accepted ERC-20 tokens, with their smallest units for 10^18 wei."""

    def stub(self, op: UserOperation, context: Mapping[str, Any]) -> SponsorshipResult:
        """Return unsigned paymaster fields of the final size. Raises: InvalidParams for an unknown policy or token."""
        check_policy(context)
        erc20_context = parse_erc20_context(context, self.rates)
        if erc20_context is None:
            return SponsorshipResult(sponsorship.build_sponsorship_stub(dev_constants.PAYMASTER, window=self._window()))
        max_amount = _UNLIMITED if erc20_context.max_token_amount is None else erc20_context.max_token_amount
        charge = self._charge(erc20_context, max_amount)
        return SponsorshipResult(
            token_charge.build_erc20_charge_stub(dev_constants.ERC20_PAYMASTER, charge, window=self._window()),
            _payment(charge),
        )

    def sponsor(self, op: UserOperation, context: Mapping[str, Any]) -> SponsorshipResult:
        """Sign paymaster fields for `op` with its current gas limits.

        Raises: InvalidParams for an unknown policy or token, and when the maximum cost exceeds `maxTokenAmount`.
        """
        check_policy(context)
        chain_id = self.chain.config.chain_id
        window = self._window()
        erc20_context = parse_erc20_context(context, self.rates)
        if erc20_context is None:
            return SponsorshipResult(
                sponsorship.sign_sponsorship(
                    op, dev_constants.PAYMASTER, chain_id=chain_id, window=window, key=dev_constants.PAYMASTER_KEY
                )
            )
        part = _erc20_paymaster_part(op)
        minimum_gas = token_charge.ERC20_POST_OP_GAS
        if part.post_op_gas_limit < minimum_gas:
            at = "userOperation.paymasterPostOpGasLimit"
            text = f"expected at least {minimum_gas} for the token transfer, got {part.post_op_gas_limit}"
            raise InvalidParams(text, reason="too_low", field=at)
        with_paymaster = replace(op, paymaster=part)
        charge = self._charge(erc20_context, max_erc20_cost(with_paymaster, self.rates[erc20_context.token_address]))
        offered = erc20_context.max_token_amount
        if offered is not None and charge.max_amount > offered:
            at = f"{_ERC20_CONTEXT}.maxTokenAmount"
            text = f"expected at least {charge.max_amount}, the operation's maximum cost, got {offered}"
            raise InvalidParams(text, reason="max_token_amount_exceeded", field=at)
        signed = token_charge.sign_erc20_charge(
            with_paymaster, charge, chain_id=chain_id, window=window, key=dev_constants.PAYMASTER_KEY
        )
        return SponsorshipResult(signed, _payment(charge))

    def _charge(self, erc20_context: Erc20Context, max_amount: int) -> Erc20Charge:
        permit = erc20_context.permit
        return Erc20Charge(
            token=erc20_context.token_address,
            rate=self.rates[erc20_context.token_address],
            max_amount=max_amount,
            is_prepaid=erc20_context.mode == "preOp",
            permit=None
            if permit is None
            else SignedPermit(value=permit.value, deadline=permit.deadline, signature=permit.signature),
        )

    def _window(self) -> Window:
        return Window(valid_until=self.chain.next_timestamp() + VALID_SECONDS)


def check_policy(context: Mapping[str, Any]) -> None:
    """Check that the context names a policy by a UUID of version 4. Raises: InvalidParams."""
    given = context.get("policyId")
    try:
        known_policy = UUID(given).version == _POLICY_VERSION if isinstance(given, str) else False
    except ValueError:
        known_policy = False
    if not known_policy:
        raise InvalidParams(
            field="context.policyId", expected="a UUID of version 4", given=given, reason="unknown_policy"
        )


def parse_erc20_context(context: Mapping[str, Any], rates: Mapping[Address, int]) -> Erc20Context | None:
    """Parse the ERC-20 context; None without one. Raises: InvalidParams for a token that has no rate."""
    given = context.get("erc20Context")
    if given is None:
        return None
    erc20_context = wire.decode(Erc20Context, given, at=_ERC20_CONTEXT)
    if erc20_context.token_address not in rates:
        at = f"{_ERC20_CONTEXT}.tokenAddress"
        accepted = [token.hex0x() for token in rates]
        text = f"expected one of {', '.join(accepted)}, got {erc20_context.token_address}"
        raise InvalidParams(text, reason="token", field=at, tokens=accepted)
    return erc20_context


def _payment(charge: Erc20Charge) -> Erc20PaymentTerms:
    return Erc20PaymentTerms(token_address=charge.token, exchange_rate=charge.rate, max_token_amount=charge.max_amount)


def _erc20_paymaster_part(op: UserOperation) -> PaymasterPart:
    """Return the token paymaster's fields with the gas limits of `op`, or with default limits."""
    part = op.paymaster
    if part is not None and part.address == dev_constants.ERC20_PAYMASTER:
        return part
    return PaymasterPart(
        dev_constants.ERC20_PAYMASTER, token_charge.ERC20_VERIFICATION_GAS, token_charge.ERC20_POST_OP_GAS, Data()
    )
