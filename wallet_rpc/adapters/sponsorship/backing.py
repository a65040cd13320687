"""Signers of sponsorships: this server's key for VerifyingPaymaster, or a paymaster service (ERC-7677).

A backing only signs. `PolicyPaymaster` applies the policy and reserves the budget before a signature leaves the server,
in the same way for every backing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wallet_rpc.adapters.sponsorship.outcomes import OutcomeReader
from wallet_rpc.domain import sponsorship
from wallet_rpc.domain.policy import Policy, PolicyDenialReason
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import PaymasterRejected
from wallet_rpc.ports import Paymaster, Sponsorship
from wallet_rpc.primitives import Address, ChainId, Data

_ALWAYS = Window(valid_until=2**48 - 1)
"""Validity window of an unsigned stub; it never expires, so that an estimate does not fail because of time."""
_NO_PAYMASTER = PaymasterPart(Address(bytes(20)), 0, 0, Data())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSponsorship:
    """Signed sponsorship that has not left the server yet."""

    part: PaymasterPart
    valid_until: int
    """Last second of validity, since 1970; if `is_open_ended`, the time of the first check of the operation's nonce."""
    is_open_ended: bool = False
    """True if its validity has no known end."""


class Backing(Protocol):
    """Signer for the policies of one chain."""

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return unusable stub data of the right size for gas estimation. Raises: PaymasterRejected."""

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """Return signed data for the final gas limits; `now` in seconds since 1970. Raises: PaymasterRejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBacking:
    """VerifyingPaymaster of this server, with its signer's private key (32 bytes)."""

    chain_id: ChainId
    address: Address
    key: bytes = field(repr=False)

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return unsigned data of the same size as signed data."""
        return sponsorship_of(sponsorship.build_sponsorship_stub(self.address, window=_ALWAYS))

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """Return signed data that is valid for the policy's `sponsorship_seconds` from `now`."""
        window = Window(valid_until=now + policy.sponsorship_seconds)
        part = sponsorship.sign_sponsorship(
            operation, self.address, chain_id=self.chain_id, window=window, key=self.key
        )
        return SignedSponsorship(part=part, valid_until=window.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBacking:
    """Paymaster service; it receives the policy's own context and, of the caller's context, only `webhookData`."""

    service: Paymaster
    outcomes: OutcomeReader

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Request stub data. Raises: PaymasterRejected, also for a final stub, which needs no second call.

        A final stub would be valid for any gas limits that the client chooses later, so no budget could be enforced.
        """
        given = await self.service.stub(operation, _build_context(policy, context))
        if given.is_final:
            raise _unfit_service_error(policy, "sponsors before the gas limits are known")
        return _refuse_token(policy, given)

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """Request signed data, with the service's paymaster gas limits or else the operation's.

        The validity of the service's signature is unknown: it is open-ended unless the policy sets `valid_seconds`.
        """
        given = _refuse_token(policy, await self.service.sponsor(operation, _build_context(policy, context)))
        estimated = _NO_PAYMASTER if operation.paymaster is None else operation.paymaster
        verification = given.verification_gas_limit
        post_op = given.post_op_gas_limit
        part = PaymasterPart(
            given.paymaster,
            estimated.verification_gas_limit if verification is None else verification,
            estimated.post_op_gas_limit if post_op is None else post_op,
            Data(given.data),
        )
        signed_at = await self.outcomes.now()
        seconds = policy.service.valid_seconds
        first_check = policy.sponsorship_seconds if seconds is None else seconds
        return SignedSponsorship(
            part=part, valid_until=max(now, signed_at) + first_check, is_open_ended=seconds is None
        )


def sponsorship_of(part: PaymasterPart) -> Sponsorship:
    """Convert an operation's paymaster fields to a `Sponsorship`."""
    return Sponsorship(
        paymaster=part.address,
        data=part.data,
        verification_gas_limit=part.verification_gas_limit,
        post_op_gas_limit=part.post_op_gas_limit,
    )


def _build_context(policy: Policy, context: Mapping[str, Any]) -> dict[str, Any]:
    """Build the service's context, without `erc20Context`, since the account pays nothing under a policy."""
    from_caller = {"webhookData": context["webhookData"]} if context.get("webhookData") is not None else {}
    from_policy = {"policyId": str(policy.id)} if policy.service.context is None else policy.service.context
    return {**from_caller, **from_policy}


def _refuse_token(policy: Policy, given: Sponsorship) -> Sponsorship:
    """Return `given`. Raises: PaymasterRejected when the service would charge the account in ERC-20."""
    if given.token is not None:
        raise _unfit_service_error(policy, "charges the account in ERC-20")
    return given


def _unfit_service_error(policy: Policy, cause: str) -> PaymasterRejected:
    text = f"policy {policy.id} cannot be enforced with the chain's paymaster service, which {cause}"
    return PaymasterRejected(text, reason=PolicyDenialReason.SERVICE_UNFIT)
