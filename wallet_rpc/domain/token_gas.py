"""Gas paid in ERC-20, on the wire: the callers' capability, and the context and terms of a paymaster service.

Every key of the capability changes the payment, so an unknown key is rejected.
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
"""Path of the capability in a request."""
PERMIT_SECONDS = 3600
"""Default validity of a permit, in seconds."""
CONFLICTING_SETTINGS = (
    "ERC20 settings must specify only one of: preOpSettings, postOpSettings, or neither (for manual approvals). Cannot "
    "specify both preOpSettings and postOpSettings"
)
"""The hosted service's message."""


@strict_shape
class AutoPermit:
    """A permit of `amount`, requested if the allowance is below `below`; both in the token's smallest unit."""

    below: Uint256
    """Allowance below which a permit is requested."""
    amount: Uint256
    """Allowance that the permit grants to the paymaster."""
    duration_seconds: Seconds | None = None
    """Time in seconds until the permit's deadline. Default: 3600."""


@strict_shape
class PermitDetails:
    """The deadline and value of a permit whose signature is the request's `paymasterPermitSignature`.

    wallet-rpc sets them in `modifiedRequest` when a request with `autoPermit` requires a permit.
    """

    deadline: Seconds
    """The last second, since 1970, in which the permit can be used."""
    value: Uint256
    """Allowance that the permit grants, in the token's smallest unit."""


@strict_shape
class PreOpSettings:
    """Settings to charge the maximum before the calls, with a permit for the allowance. Exactly one member is set."""

    auto_permit: AutoPermit | None = None
    """Permit to request when the allowance is too low."""
    permit_details: PermitDetails | None = None
    """Permit that the request's `paymasterPermitSignature` signs."""


@strict_shape
class AutoApprove:
    """An approval of `amount`, inserted before the calls if the allowance is below `below`."""

    below: Uint256
    """Allowance in the token's smallest unit, below which an approval is inserted."""
    amount: Uint256
    """Allowance that the approval sets, in the token's smallest unit."""


def _approval_kind(value: Any) -> str:
    return "amounts" if isinstance(value, AutoApprove | Mapping) else "exact"


Approval: TypeAlias = Annotated[
    Annotated[Literal[True], Tag("exact")] | Annotated[AutoApprove, Tag("amounts")], Discriminator(_approval_kind)
]
"""Amounts, or True to approve exactly the maximum charge."""


@strict_shape
class PostOpSettings:
    """Settings to charge the cost after the calls."""

    auto_approve: Approval | None = None
    """Approval to insert before the calls; `true` approves exactly the maximum charge."""
    balance_check: Literal[False] | None = None
    """False: skip the check of the account's balance, because the calls may provide the tokens."""


@strict_shape
class Erc20Gas:
    """Payment of gas in this token. Without settings: after the calls, with an allowance that the caller provides."""

    token_address: Address
    """Contract of the ERC-20 token that pays for the gas."""
    max_token_amount: Uint256 | None = None
    """Maximum charge in the token's smallest unit; a higher price rejects the request."""
    pre_op_settings: PreOpSettings | None = None
    """Charge before the calls, with a signed permit. Not together with `postOpSettings`."""
    post_op_settings: PostOpSettings | None = None
    """Charge after the calls, with an approval in the same batch. Not together with `preOpSettings`."""


def refuse_conflicting_settings(value: Any) -> Any:
    """Return `value`, the raw capability, if its settings do not conflict.

    Raises: InvalidParams (erc20_settings) for both preOpSettings and postOpSettings, and for preOpSettings without
    exactly one of autoPermit and permitDetails.
    """
    if not isinstance(value, Mapping):
        return value
    before = value.get("preOpSettings")
    if before is not None and value.get("postOpSettings") is not None:
        raise InvalidParams(CONFLICTING_SETTINGS, field=ERC20_PATH, reason="erc20_settings")
    if isinstance(before, Mapping) and (before.get("autoPermit") is None) is (before.get("permitDetails") is None):
        at = f"{ERC20_PATH}.preOpSettings"
        given = "neither" if before.get("autoPermit") is None else "both"
        raise InvalidParams(
            f"expected either autoPermit or permitDetails, got {given}", field=at, reason="erc20_settings"
        )
    return value


@shape
class PermitContext:
    """A signed permit in the context of a paymaster service."""

    value: Uint256
    deadline: Uint256
    signature: Data


Mode: TypeAlias = Literal["preOp", "postOp"]
"""Time of the charge: before or after the calls."""


@shape
class Erc20Context:
    """`erc20Context` of a paymaster service: the token, the time of the charge, and its maximum in smallest units."""

    token_address: Address
    mode: Mode
    max_token_amount: Uint256 | None = None
    permit: PermitContext | None = None


@shape
class Erc20PaymentTerms:
    """`tokenPayment` of a paymaster service's response: the terms of its charge."""

    token_address: Address
    exchange_rate: Uint256
    """Price of 10^18 wei in the token's smallest unit."""
    max_token_amount: Uint256
    """Maximum charge."""
