"""Gas paid in a token, as callers ask for it and as a paymaster service is asked.

The rule: every key of the capability changes what is paid, so an unknown one is refused.
Source: the Wallet API's `paymasterService.erc20` (seed 002); `erc20Context` of Alchemy's Gas Manager, with `mode`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Tag

from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, Seconds, Uint256
from wallet_rpc.wire import shape, strict_shape

ERC20_PATH = "params.capabilities.paymasterService.erc20"
"""Where the capability stands in a request."""
PERMIT_SECONDS = 3600
"""How long a permit can be used when the caller does not say."""
CONFLICTING_SETTINGS = (
    "ERC20 settings must specify only one of: preOpSettings, postOpSettings, or neither (for manual approvals). Cannot "
    "specify both preOpSettings and postOpSettings"
)
"""The hosted service's own words."""


@strict_shape
class AutoPermit:
    """When the allowance is below `below`, ask for a permit of `amount`; amounts in the token's smallest unit."""

    below: Uint256
    amount: Uint256
    duration_seconds: Seconds | None = None


@strict_shape
class PermitDetails:
    """The permit that was asked for, in the second request, which brings its signature."""

    deadline: Seconds
    """Seconds since 1970; the last one in which the permit can be used."""
    value: Uint256


@strict_shape
class PreOpSettings:
    """The most is taken before the calls; the allowance comes by permit. One of the two is there."""

    auto_permit: AutoPermit | None = None
    permit_details: PermitDetails | None = None


@strict_shape
class AutoApprove:
    """When the allowance is below `below`, an approval of `amount` is put before the calls."""

    below: Uint256
    amount: Uint256


def _approval_kind(value: Any) -> str:
    return "amounts" if isinstance(value, AutoApprove | Mapping) else "exact"


Approval: TypeAlias = Annotated[
    Annotated[Literal[True], Tag("exact")] | Annotated[AutoApprove, Tag("amounts")], Discriminator(_approval_kind)
]
"""True: approve exactly the most that may be taken."""


@strict_shape
class PostOpSettings:
    """The cost is taken after the calls."""

    auto_approve: Approval | None = None
    balance_check: Literal[False] | None = None
    """False: whether the account has the tokens is not looked at beforehand; the calls may bring them."""


@strict_shape
class Erc20Gas:
    """Gas is paid in this token; without settings after the calls, by an allowance that the caller sees to."""

    token_address: Address
    max_token_amount: Uint256 | None = None
    pre_op_settings: PreOpSettings | None = None
    post_op_settings: PostOpSettings | None = None


def refuse_conflicting_settings(value: Any) -> Any:
    """`value`, the raw capability, when it says one way only.

    Raises: InvalidParams for settings of both ways, and for preOpSettings without exactly one of its two.
    """
    if not isinstance(value, Mapping):
        return value
    before = value.get("preOpSettings")
    if before is not None and value.get("postOpSettings") is not None:
        raise InvalidParams(f"{ERC20_PATH}: {CONFLICTING_SETTINGS}", field=ERC20_PATH, reason="erc20_settings")
    if isinstance(before, Mapping) and (before.get("autoPermit") is None) is (before.get("permitDetails") is None):
        at = f"{ERC20_PATH}.preOpSettings"
        raise InvalidParams(f"{at}: expected either autoPermit or permitDetails", field=at, reason="erc20_settings")
    return value


@shape
class PermitContext:
    """A signed permit, as a paymaster service is told it."""

    value: Uint256
    deadline: Uint256
    signature: Data


Mode: TypeAlias = Literal["preOp", "postOp"]
"""When the token is taken: before or after the calls."""


@shape
class Erc20Context:
    """`erc20Context` of a paymaster service: which token, when, and up to how much of its smallest unit."""

    token_address: Address
    mode: Mode
    max_token_amount: Uint256 | None = None
    permit: PermitContext | None = None


@shape
class Erc20PaymentTerms:
    """`tokenPayment` of a paymaster service's answer: what it takes."""

    token_address: Address
    exchange_rate: Uint256
    """The token's smallest units for 10^18 wei."""
    max_token_amount: Uint256
    """Never more than this."""
