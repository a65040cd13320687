"""Who signs what a policy sponsors: a key of ours for VerifyingPaymaster, or a paymaster service (ERC-7677).

The rule: a backing signs and decides nothing. Whether a policy allows it, and that it is counted before it leaves, is
seen to by `policy_paymaster`, for every backing alike.
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
"""The window of a stub, so that an estimate never fails by time; it is signed by nobody."""
_NO_PAYMASTER = PaymasterPart(Address(bytes(20)), 0, 0, Data())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSponsorship:
    """A sponsorship that has not left the server yet."""

    part: PaymasterPart
    valid_until: int
    """The last second in which it can be used, since 1970; when it `lasts`, a time to look whether it was used."""
    is_open_ended: bool = False
    """Nobody knows when it ends, or whether it does."""


class Backing(Protocol):
    """Signs for the policies of one chain."""

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """A sponsorship of the right size for estimation, of no use to anyone. Raises: PaymasterRejected."""

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """The real one, over the final gas limits; `now` in seconds since 1970. Raises: PaymasterRejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBacking:
    """Our VerifyingPaymaster, whose signer's private key (32 bytes) we have."""

    chain_id: ChainId
    address: Address
    key: bytes = field(repr=False)

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Of a signed one's size, and signed by nobody."""
        return sponsorship_of(sponsorship.build_sponsorship_stub(self.address, window=_ALWAYS))

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """Good for the policy's `sponsorship_seconds` from `now` on."""
        window = Window(valid_until=now + policy.sponsorship_seconds)
        part = sponsorship.sign_sponsorship(
            operation, self.address, chain_id=self.chain_id, window=window, key=self.key
        )
        return SignedSponsorship(part=part, valid_until=window.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBacking:
    """A paymaster service; it is told the policy's own context, and of the caller's words only `webhookData`."""

    service: Paymaster
    outcomes: OutcomeReader

    async def stub(self, policy: Policy, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Raises: PaymasterRejected also for a stub that needs no second call.

        It would be good for whatever gas limits its holder chose afterwards, so that no limit of ours could hold.
        """
        given = await self.service.stub(operation, _build_context(policy, context))
        if given.is_final:
            raise _unfit_service_error(policy, "sponsors before the gas limits are known")
        return _refuse_token(policy, given)

    async def sign(
        self, policy: Policy, operation: UserOperation, context: Mapping[str, Any], *, now: int
    ) -> SignedSponsorship:
        """With the limits that the service gives, or those that the operation has.

        What it signs has no end that we can read: it lasts, unless the operator says how long it is good at most.
        """
        given = _refuse_token(policy, await self.service.sponsor(operation, _build_context(policy, context)))
        had = _NO_PAYMASTER if operation.paymaster is None else operation.paymaster
        verification, post_op = given.verification_gas_limit, given.post_op_gas_limit
        part = PaymasterPart(
            given.paymaster,
            had.verification_gas_limit if verification is None else verification,
            had.post_op_gas_limit if post_op is None else post_op,
            Data(given.data),
        )
        signed_at, seconds = await self.outcomes.now(), policy.service.valid_seconds
        first_look = policy.sponsorship_seconds if seconds is None else seconds
        return SignedSponsorship(part=part, valid_until=max(now, signed_at) + first_look, is_open_ended=seconds is None)


def sponsorship_of(part: PaymasterPart) -> Sponsorship:
    """A paymaster's part of an operation, as a paymaster answers it."""
    return Sponsorship(
        paymaster=part.address,
        data=part.data,
        verification_gas_limit=part.verification_gas_limit,
        post_op_gas_limit=part.post_op_gas_limit,
    )


def _build_context(policy: Policy, context: Mapping[str, Any]) -> dict[str, Any]:
    """The service's context: never `erc20Context`, since a policy of ours takes no tokens."""
    said = {"webhookData": context["webhookData"]} if context.get("webhookData") is not None else {}
    own = {"policyId": str(policy.id)} if policy.service.context is None else policy.service.context
    return {**said, **own}


def _refuse_token(policy: Policy, given: Sponsorship) -> Sponsorship:
    """Raises: PaymasterRejected when the service would charge the account, which nobody asked for."""
    if given.token is not None:
        raise _unfit_service_error(policy, "takes a token for it")
    return given


def _unfit_service_error(policy: Policy, why: str) -> PaymasterRejected:
    text = f"policy {policy.id} cannot be held to with the chain's paymaster service, which {why}"
    return PaymasterRejected(text, reason=PolicyDenialReason.SERVICE_UNFIT)
