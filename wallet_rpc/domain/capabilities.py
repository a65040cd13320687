"""What a caller may ask of `wallet_prepareCalls` beside the calls: permissions, who pays, gas, nonce, simulation.

A capability is required unless it says `optional: true`, so an unknown one is refused by name. A member that a
capability's object does not have is refused by name, since it may bound what is paid or done.

Source: the Wallet API's `capabilities` object (seed 002); EIP-5792.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.paymaster_service import PaymasterCapability
from wallet_rpc.errors import InvalidParams, UnsupportedCapability
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
    preview,
)
from wallet_rpc.wire import shape, strict_shape


@shape
class ContextPermissions:
    """A permission context: one byte of version, then the session's id and the owner's signature, or the grant."""

    context: Data


@shape
class SessionPermissions:
    """A session of this server and the owner's signature over its typed data."""

    session_id: SessionId
    signature: Data | None = None
    """Left out: the one that the caller's organisation registered the session with."""


def _permissions_kind(value: Any) -> str:
    says_context = isinstance(value, Mapping) and value.get("context") is not None
    return "granted" if isinstance(value, ContextPermissions) or says_context else "named"


PermissionsCapability: TypeAlias = Annotated[
    Annotated[ContextPermissions, Tag("granted")] | Annotated[SessionPermissions, Tag("named")],
    Discriminator(_permissions_kind),
]
"""The authority to act for the account; absent for its owner."""


@strict_shape
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


@strict_shape
class GasParamsOverride:
    """Gas limits and fees that the caller sets."""

    pre_verification_gas: GasOverride | None = None
    verification_gas_limit: GasOverride | None = None
    call_gas_limit: GasOverride | None = None
    paymaster_verification_gas_limit: GasOverride | None = None
    paymaster_post_op_gas_limit: GasOverride | None = None
    max_fee_per_gas: FeeOverride | None = None
    max_priority_fee_per_gas: FeeOverride | None = None
    optional: bool | None = None
    """EIP-5792's word, which changes nothing here. The same in the other capabilities."""


@strict_shape
class NonceOverride:
    """The parallel key of the nonce (below 2**152): operations of different keys do not wait for each other."""

    nonce_key: Uint256
    optional: bool | None = None


@strict_shape
class StateOverride:
    """What the simulation takes an account to be; `state` replaces all storage, `stateDiff` single slots."""

    balance: Wei | None = None
    nonce: TransactionCount | None = None
    code: Data | None = None
    state: dict[Word, Word] | None = None
    state_diff: dict[Word, Word] | None = None


@strict_shape
class Delegation:
    """What an externally owned account shall run: by name, or by address; the zero address: nothing any more."""

    delegation: Literal["ModularAccountV2"] | Address
    account: Address | None = None
    """The account to delegate; where given, it is the one that calls."""
    optional: bool | None = None

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


@strict_shape
class DataSuffix:
    """Bytes to append to the account's call data, for attribution. Source: ERC-8021."""

    value: Data
    optional: bool | None = None


@shape
class Capabilities:
    """Everything beside the calls."""

    permissions: PermissionsCapability | None = None
    paymaster_service: PaymasterCapability = None
    gas_params_override: GasParamsOverride | None = None
    nonce_override: NonceOverride | None = None
    eip7702_auth: DelegationCapability | None = None
    state_override: dict[Address, StateOverride] | None = None
    data_suffix: Annotated[DataSuffix | None, Field(alias="experimental_dataSuffix")] = None


SUPPORTED_CAPABILITIES = frozenset(
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
_AT = "params.capabilities"
_FEE = "maxFeePerGas"
"""A member of `gasParamsOverride` that one client in use (virtuals-acp) sends as a capability of its own."""


def refuse_unknown(value: Any, *, known: frozenset[str] = SUPPORTED_CAPABILITIES, at: str = _AT) -> Any:
    """`value`, the raw capabilities at `at`, when each is `known` or says `optional: true`.

    Raises: UnsupportedCapability that names the first other one. Source: EIP-5792.
    """
    for name, asked in value.items() if isinstance(value, Mapping) else ():
        if name not in known and not (isinstance(asked, Mapping) and asked.get("optional") is True):
            raise UnsupportedCapability(
                f"{at}: {preview(name)} is not supported here; leave it out, or say optional: true",
                capability=name[:64],
                field=f"{at}.{name[:64]}",
            )
    return value


def validate_capabilities(value: Any) -> Any:
    """`value`, the raw capabilities of a prepare, when all that they require is supported.

    A `maxFeePerGas` among them is moved to `gasParamsOverride`, where it belongs.
    Raises: UnsupportedCapability; InvalidParams (fee_given_twice) when it stands there too.
    """
    refuse_unknown(value, known=SUPPORTED_CAPABILITIES | {_FEE})
    if not isinstance(value, Mapping) or value.get(_FEE) is None:
        return value
    rest = {name: asked for name, asked in value.items() if name != _FEE}
    overrides = rest.get("gasParamsOverride")
    if overrides is None:
        return {**rest, "gasParamsOverride": {_FEE: value[_FEE]}}
    if isinstance(overrides, Mapping) and overrides.get(_FEE) is None:
        return {**rest, "gasParamsOverride": {**overrides, _FEE: value[_FEE]}}
    at = f"{_AT}.{_FEE}"
    raise InvalidParams(f"{at}: expected it in gasParamsOverride alone", field=at, reason="fee_given_twice")


RequestedCapabilities: TypeAlias = Annotated[Capabilities | None, BeforeValidator(validate_capabilities)]
"""The capabilities of a request that prepares calls."""


@shape
class SendCapabilities:
    """The capabilities that a send needs; all others are ignored, since clients repeat those of the prepare."""

    permissions: PermissionsCapability | None = None
    submission_ticket: str | None = None
    """For clients that keep nothing else of an answer; the request's own wins."""
