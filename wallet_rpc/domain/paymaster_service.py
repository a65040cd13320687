"""The capability `paymasterService`: the policies that may pay for the calls, or the ERC-20 token the account pays in.

A caller that sends the capability expects that the account does not pay. A capability that names no payer is rejected,
because ignoring it would charge the account unnoticed. `optional: true` allows the account to pay instead.
Source: the Wallet API's `paymasterService` (seed 002); ERC-7677 (`url`, `context`); EIP-5792 (`optional`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import UUID4, AfterValidator, BeforeValidator, Field

from wallet_rpc.domain.token_gas import Erc20Gas, refuse_conflicting_settings
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
from wallet_rpc.primitives import preview
from wallet_rpc.wire import shape

PAYMASTER_SERVICE_PATH = "params.capabilities.paymasterService"
"""Path of the capability in a request."""
MAX_POLICIES = 8
"""Maximum number of policies in one capability. They are tried one after another, each with a gas estimate."""
_STANDARD = ("url", "context")
"""Members of ERC-7677's form, in which the caller chooses the paymaster. wallet-rpc never calls that paymaster."""
_MEMBERS = ("policyId", "policyIds", "onlyEstimation", "webhookData", "erc20", "optional", *_STANDARD)

Flag: TypeAlias = Annotated[bool, Field(strict=True)]
"""A JSON boolean, without coercion of other types."""


@shape
class PaymasterService:
    """The payer of the gas. Among several policies, the first that sponsors the operation pays."""

    policy_id: UUID4 | None = None
    """Version 4 UUID of a sponsorship policy."""
    policy_ids: tuple[UUID4, ...] | None = None
    """Policies that are tried in this order, after `policyId`."""
    only_estimation: Flag | None = None
    """True: estimate only; nothing is sponsored or signed."""
    webhook_data: str | None = None
    """Text that the server passes to the policy's webhook, which decides on the sponsorship."""
    erc20: Annotated[Erc20Gas | None, BeforeValidator(refuse_conflicting_settings)] = None
    """Gas payment in an ERC-20 token; the policy determines the paymaster that charges it."""
    url: str | None = None
    """URL of a paymaster chosen by the caller (ERC-7677); wallet-rpc never calls it."""
    optional: Flag | None = None
    """True: the account pays if no paymaster does (EIP-5792)."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The policy ids without duplicates, in the order in which they are tried."""
        one = () if self.policy_id is None else (self.policy_id,)
        return tuple(dict.fromkeys(str(policy) for policy in (*one, *(self.policy_ids or ()))))


def require_payer(value: Any) -> Any:
    """Return `value`, the raw capability, if it names a payer.

    Raises: InvalidParams (paymaster_service_unclear) for an unknown member and when no policy is named;
    UnsupportedCapability for ERC-7677's form without a policy. Nothing is rejected when `optional` is true.
    """
    if not isinstance(value, Mapping) or value.get("optional") is True:
        return value
    for name in value:
        if name not in _MEMBERS:
            raise _unclear_error(name, f"no such member; expected one of {', '.join(_MEMBERS)}")
    if value.get("policyId") is not None or value.get("policyIds"):
        return value
    for name in _STANDARD:
        if value.get(name) is not None:
            raise UnsupportedCapability(
                "a paymaster chosen by the caller is not supported; send the policyId of a policy of this server",
                capability=f"paymasterService.{name}",
                field=f"{PAYMASTER_SERVICE_PATH}.{name}",
            )
    if value.get("onlyEstimation") is True and value.get("erc20") is None:
        return value
    at = next((name for name in ("policyId", "policyIds") if name in value), "policyId")
    given = preview(value[at]) if at in value else "nothing"
    raise _unclear_error(
        at, f"expected the id of a policy that pays, got {given}; leave out paymasterService if the account pays"
    )


def _unclear_error(name: str, text: str) -> InvalidParams:
    at = f"{PAYMASTER_SERVICE_PATH}.{name[:64]}"
    return InvalidParams(text, field=at, reason="paymaster_service_unclear")


def check_policy_count(service: PaymasterService | None) -> PaymasterService | None:
    """Return `service` unchanged. Raises: InvalidParams (too_many_policies) for more than `MAX_POLICIES` policies."""
    if service is not None and len(service.policies) > MAX_POLICIES:
        at = f"{PAYMASTER_SERVICE_PATH}.policyIds"
        raise InvalidParams(
            f"expected at most {MAX_POLICIES} different policies, got {len(service.policies)}",
            field=at,
            reason="too_many_policies",
        )
    return service


PaymasterCapability: TypeAlias = Annotated[
    PaymasterService | None, BeforeValidator(require_payer), AfterValidator(check_policy_count)
]
"""The capability as `wallet_prepareCalls` reads it; None if the account pays."""
