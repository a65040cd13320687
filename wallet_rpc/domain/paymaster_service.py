"""The capability `paymasterService`: the policies that may pay for the calls, or the token the account pays in.

A caller that sends it expects another payer. A form that names none is therefore refused: ignoring it would charge the
account unnoticed. `optional: true` says that the account may pay instead.
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
"""The place of the capability in a request."""
MAX_POLICIES = 8
"""The most policies that one request may name: each is asked, and estimated, in its turn."""
_STANDARD = ("url", "context")
"""Members of ERC-7677's own form, which names a paymaster of the caller's choice; none is called here."""
_MEMBERS = ("policyId", "policyIds", "onlyEstimation", "webhookData", "erc20", "optional", *_STANDARD)

Flag: TypeAlias = Annotated[bool, Field(strict=True)]
"""A JSON boolean and nothing that resembles one."""


@shape
class PaymasterService:
    """The payer of the gas. With several policies the first that sponsors the operation pays."""

    policy_id: UUID4 | None = None
    policy_ids: tuple[UUID4, ...] | None = None
    only_estimation: Flag | None = None
    """True: estimate only, sponsor nothing and sign nothing."""
    webhook_data: str | None = None
    erc20: Annotated[Erc20Gas | None, BeforeValidator(refuse_conflicting_settings)] = None
    """The account pays in this token; the policy says which paymaster takes it."""
    url: str | None = None
    """A paymaster of the caller's choice (ERC-7677); it is never called."""
    optional: Flag | None = None
    """True: the account pays where no paymaster does (EIP-5792)."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The policy ids in the order to try, each once."""
        one = () if self.policy_id is None else (self.policy_id,)
        return tuple(dict.fromkeys(str(policy) for policy in (*one, *(self.policy_ids or ()))))


def require_payer(value: Any) -> Any:
    """`value`, the raw capability, when it says who pays.

    Raises: InvalidParams (paymaster_service_unclear) for an unknown member and when no policy is named;
    UnsupportedCapability for ERC-7677's form without a policy. With `optional: true` nothing is refused.
    """
    if not isinstance(value, Mapping) or value.get("optional") is True:
        return value
    for name in value:
        if name not in _MEMBERS:
            raise _unclear_error(name, f"no such member; expected {', '.join(_MEMBERS)}")
    if value.get("policyId") is not None or value.get("policyIds"):
        return value
    for name in _STANDARD:
        if value.get(name) is not None:
            raise UnsupportedCapability(
                f"{PAYMASTER_SERVICE_PATH}.{name}: paymasters of the caller's choice are not called here; send the "
                "policyId of one that this server knows",
                capability=f"paymasterService.{name}",
                field=f"{PAYMASTER_SERVICE_PATH}.{name}",
            )
    if value.get("onlyEstimation") is True and value.get("erc20") is None:
        return value
    at = next((name for name in ("policyId", "policyIds") if name in value), "policyId")
    given = preview(value[at]) if at in value else "nothing"
    raise _unclear_error(
        at, f"expected the id of a policy that pays, got {given}; leave paymasterService out if the account pays"
    )


def _unclear_error(name: str, text: str) -> InvalidParams:
    at = f"{PAYMASTER_SERVICE_PATH}.{name[:64]}"
    return InvalidParams(f"{at}: {text}", field=at, reason="paymaster_service_unclear")


def check_policy_count(service: PaymasterService | None) -> PaymasterService | None:
    """The capability as read. Raises: InvalidParams (too_many_policies) for more than `MAX_POLICIES` of them."""
    if service is not None and len(service.policies) > MAX_POLICIES:
        at = f"{PAYMASTER_SERVICE_PATH}.policyIds"
        raise InvalidParams(
            f"{at}: expected at most {MAX_POLICIES} different policies, got {len(service.policies)}",
            field=at,
            reason="too_many_policies",
        )
    return service


PaymasterCapability: TypeAlias = Annotated[
    PaymasterService | None, BeforeValidator(require_payer), AfterValidator(check_policy_count)
]
"""The capability as `wallet_prepareCalls` reads it; None where the account pays."""
