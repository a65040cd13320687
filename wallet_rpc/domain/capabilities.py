"""What a caller may ask of `wallet_prepareCalls` beside the calls: permissions, who pays, gas, nonce, simulation.

Unknown capabilities are ignored, as clients in use send some; but one that says `optional: false` is refused, and so
is a standard one that changes what a call does, unless it says `optional: true`.

Source: the Wallet API's `capabilities` object (seed 002); EIP-5792.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import UUID4, BeforeValidator, Discriminator, Field, Tag

from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.token_gas import TokenGas, exclusive
from wallet_rpc.errors import UnsupportedCapability
from wallet_rpc.primitives import (
    Address,
    Data,
    Gas,
    SessionId,
    TransactionCount,
    Uint256,
    Wei,
    WeiPerGas,
    Word,
    shown,
)
from wallet_rpc.wire import shape, strict_shape


@shape
class ByContext:
    """A permission context: one byte of version, then the session's id and the owner's signature, or the grant."""

    context: Data


@shape
class BySession:
    """A session of this server and the owner's signature over its typed data."""

    session_id: SessionId
    signature: Data | None = None
    """Left out: the one that the caller's organisation registered the session with."""


def _permissions_kind(value: Any) -> str:
    says_context = isinstance(value, Mapping) and value.get("context") is not None
    return "context" if isinstance(value, ByContext) or says_context else "id"


PermissionsCapability: TypeAlias = Annotated[
    Annotated[ByContext, Tag("context")] | Annotated[BySession, Tag("id")], Discriminator(_permissions_kind)
]
"""The authority to act for the account; absent for its owner."""


@shape
class PaymasterService:
    """Who pays the gas. With several policies the first that sponsors the operation does."""

    policy_id: UUID4 | None = None
    policy_ids: tuple[UUID4, ...] | None = None
    only_estimation: bool = False
    """Estimate only: no sponsorship and nothing to sign."""
    webhook_data: str | None = None
    erc20: Annotated[TokenGas | None, BeforeValidator(exclusive)] = None
    """The account pays, in this token; the policy says which paymaster takes it."""
    url: str | None = None
    """The standard's own form (ERC-7677): a paymaster of the caller's choice, which we do not call."""
    optional: bool = False
    """Go on without where there is no paymaster (EIP-5792)."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The policy ids, in the order to try."""
        one = () if self.policy_id is None else (self.policy_id,)
        return tuple(str(policy) for policy in (*one, *(self.policy_ids or ())))


@shape
class PaymasterOfCall:
    """The part of `PaymasterService` that travels with a send."""

    policy_id: UUID4 | None = None
    policy_ids: tuple[UUID4, ...] | None = None
    webhook_data: str | None = None


@shape
class Multiplier:
    """A factor on the estimate, such as 1.5."""

    multiplier: Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]


def _override_kind(value: Any) -> str:
    return "factor" if isinstance(value, Multiplier | Mapping) else "amount"


GasOverride: TypeAlias = Annotated[
    Annotated[Gas, Tag("amount")] | Annotated[Multiplier, Tag("factor")], Discriminator(_override_kind)
]
"""A gas limit in gas, or a factor on the estimate."""
FeeOverride: TypeAlias = Annotated[
    Annotated[WeiPerGas, Tag("amount")] | Annotated[Multiplier, Tag("factor")], Discriminator(_override_kind)
]
"""A fee in wei per gas, or a factor on the suggestion."""


@shape
class GasParamsOverride:
    """Gas limits and fees that the caller sets."""

    pre_verification_gas: GasOverride | None = None
    verification_gas_limit: GasOverride | None = None
    call_gas_limit: GasOverride | None = None
    paymaster_verification_gas_limit: GasOverride | None = None
    paymaster_post_op_gas_limit: GasOverride | None = None
    max_fee_per_gas: FeeOverride | None = None
    max_priority_fee_per_gas: FeeOverride | None = None


@shape
class NonceOverride:
    """The parallel key of the nonce (below 2**152): operations of different keys do not wait for each other."""

    nonce_key: Uint256


@strict_shape
class StateOverride:
    """What the simulation takes an account to be; `state` replaces all storage, `stateDiff` single slots."""

    balance: Wei | None = None
    nonce: TransactionCount | None = None
    code: Data | None = None
    state: dict[Word, Word] | None = None
    state_diff: dict[Word, Word] | None = None


@shape
class Delegation:
    """What an externally owned account shall run: by name, or by address; the zero address: nothing any more."""

    delegation: Literal["ModularAccountV2"] | Address
    account: Address | None = None
    """The account to delegate; where given, it is the one that calls."""

    @property
    def delegate(self) -> Address:
        """The implementation's address."""
        return SEMI_MODULAR_ACCOUNT_7702 if isinstance(self.delegation, str) else self.delegation


def _delegation_kind(value: Any) -> str:
    return "which" if isinstance(value, Delegation | Mapping) else "any"


DelegationCapability: TypeAlias = Annotated[
    Annotated[Literal[True], Tag("any")] | Annotated[Delegation, Tag("which")], Discriminator(_delegation_kind)
]
"""True: delegate where that is needed, to whatever we choose; the same as leaving it out."""


@shape
class DataSuffix:
    """Bytes to append to the account's call data, for attribution. Source: ERC-8021."""

    value: Data


@shape
class Capabilities:
    """Everything beside the calls. Unknown keys are ignored."""

    permissions: PermissionsCapability | None = None
    paymaster_service: PaymasterService | None = None
    gas_params_override: GasParamsOverride | None = None
    nonce_override: NonceOverride | None = None
    eip7702_auth: DelegationCapability | None = None
    state_override: dict[Address, StateOverride] | None = None
    data_suffix: Annotated[DataSuffix | None, Field(alias="experimental_dataSuffix")] = None


KNOWN = frozenset(
    {
        "permissions",
        "paymasterService",
        "atomic",
        "gasParamsOverride",
        "nonceOverride",
        "eip7702Auth",
        "stateOverride",
        "experimental_dataSuffix",
    }
)
"""The capabilities that we have, by their names on the wire; `atomic` (EIP-5792) needs no field, as all batches are."""
MEANINGFUL = frozenset({"auxiliaryFunds", "flowControl"})
"""Standard capabilities that we lack and that must not be passed over in silence. Source: ERC-7682, ERC-7867."""


def checked(value: Any) -> Any:
    """`value`, the raw capabilities, when nothing that we lack is required by them.

    Raises: UnsupportedCapability for an unknown one that says `optional: false`, and for a standard one that changes
    what a call does and does not say `optional: true`.
    """
    if not isinstance(value, Mapping):
        return value
    for name, asked in value.items():
        is_optional = asked.get("optional") if isinstance(asked, Mapping) else None
        if name not in KNOWN and (is_optional is False or (name in MEANINGFUL and is_optional is not True)):
            raise UnsupportedCapability(
                f"params.capabilities: {shown(name)} is not supported here", capability=name[:64]
            )
    return value


@shape
class SendCapabilities:
    """What a send repeats of its prepare."""

    permissions: PermissionsCapability | None = None
    paymaster_service: PaymasterOfCall | None = None
    submission_ticket: str | None = None
    """For clients that keep nothing else of an answer; the request's own wins."""
