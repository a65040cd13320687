"""The capabilities of `wallet_prepareCalls`: permissions, paymaster, gas, nonce, delegation, simulation and suffix.

A capability is required unless it has `optional: true`, so an unknown one is rejected by name. An unknown member of a
capability is rejected by name too, since it may be a limit.

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
)
from wallet_rpc.wire import shape, strict_shape


@shape
class ContextPermissions:
    """A permission context: a version byte, then the session's id and the owner's signature, or the grant."""

    context: Data
    """Version byte, then its content: 00 with session id (16 bytes) and owner's signature, 01 with a signed grant, 02
    with an installed validation."""


@shape
class SessionPermissions:
    """A session of this server and the owner's signature over its typed data."""

    session_id: SessionId
    """Id that `wallet_createSession` returned."""
    signature: Data | None = None
    """Default: the signature with which the caller's organisation registered the session."""


def _permissions_kind(value: Any) -> str:
    has_context = isinstance(value, Mapping) and value.get("context") is not None
    return "granted" if isinstance(value, ContextPermissions) or has_context else "named"


PermissionsCapability: TypeAlias = Annotated[
    Annotated[ContextPermissions, Tag("granted")] | Annotated[SessionPermissions, Tag("named")],
    Discriminator(_permissions_kind),
]
"""The session that signs for the account; absent when its owner signs."""


@strict_shape
class Multiplier:
    """A factor on the estimate, such as 1.5."""

    multiplier: Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
    """Factor above 0 and at most 1000, by which the server multiplies its own value."""


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
    """Gas that pays the bundler for call data and overhead."""
    verification_gas_limit: GasOverride | None = None
    """Gas limit of deployment and validation."""
    call_gas_limit: GasOverride | None = None
    """Gas limit of the calls themselves."""
    paymaster_verification_gas_limit: GasOverride | None = None
    """Gas limit of the paymaster's validation."""
    paymaster_post_op_gas_limit: GasOverride | None = None
    """Gas limit of the paymaster's work after the calls."""
    max_fee_per_gas: FeeOverride | None = None
    """Maximum price of gas in wei, base fee and priority fee together."""
    max_priority_fee_per_gas: FeeOverride | None = None
    """Price of gas in wei that goes to the block's producer."""
    optional: bool | None = None
    """Accepted as in EIP-5792, without effect on a supported capability."""


@strict_shape
class NonceOverride:
    """The nonce key (below 2**152): operations with different keys are independent of each other."""

    nonce_key: Uint256
    """Parallel nonce key below 2**152, which becomes the upper part of the nonce's key."""
    optional: bool | None = None
    """Accepted as in EIP-5792, without effect on a supported capability."""


@strict_shape
class StateOverride:
    """Overrides of an account in the simulation; `state` replaces all storage, `stateDiff` single slots."""

    balance: Wei | None = None
    """Balance in wei during the simulation."""
    nonce: TransactionCount | None = None
    """Transaction count during the simulation."""
    code: Data | None = None
    """Bytecode during the simulation."""
    state: dict[Word, Word] | None = None
    """Complete storage during the simulation, by slot; slots that are absent read as zero."""
    state_diff: dict[Word, Word] | None = None
    """Storage slots that change during the simulation; the others keep their values."""


@strict_shape
class Delegation:
    """The implementation of an externally owned account, by name or address; the zero address removes it."""

    delegation: Literal["ModularAccountV2"] | Address
    """Implementation to delegate to: `ModularAccountV2` for the server's default, or an address. The zero address
    removes the delegation."""
    account: Address | None = None
    """The account to delegate. If given, it must be the calling account."""
    optional: bool | None = None
    """Accepted as in EIP-5792, without effect on a supported capability."""

    @property
    def delegate(self) -> Address:
        """The implementation's address."""
        return SEMI_MODULAR_ACCOUNT_7702 if isinstance(self.delegation, str) else self.delegation


def _delegation_kind(value: Any) -> str:
    return "which" if isinstance(value, Delegation | Mapping) else "any"


DelegationCapability: TypeAlias = Annotated[
    Annotated[Literal[True], Tag("any")] | Annotated[Delegation, Tag("which")], Discriminator(_delegation_kind)
]
"""The delegation to make. `true`, as by default: delegate if needed, to the server's default implementation."""


@strict_shape
class DataSuffix:
    """Bytes to append to the account's call data, for attribution. Source: ERC-8021."""

    value: Data
    """Bytes that the server appends to the account's call data."""
    optional: bool | None = None
    """Accepted as in EIP-5792, without effect on a supported capability."""


@shape
class Capabilities:
    """The capabilities of a request that prepares calls."""

    permissions: PermissionsCapability | None = None
    """Session whose key signs the operation. Default: the account's owner signs."""
    paymaster_service: PaymasterCapability = None
    """Policies that may sponsor the gas, or the ERC-20 token that pays for it. Default: the account pays."""
    gas_params_override: GasParamsOverride | None = None
    """Gas limits and fees that replace or multiply the server's estimates."""
    nonce_override: NonceOverride | None = None
    """Nonce key, for operations that need not wait for each other."""
    eip7702_auth: DelegationCapability | None = None
    """Delegation of an externally owned account (EIP-7702); `true` delegates if it is needed."""
    state_override: dict[Address, StateOverride] | None = None
    """Changed state of accounts in the gas estimate, by address. Nothing on chain changes."""
    data_suffix: Annotated[DataSuffix | None, Field(alias="experimental_dataSuffix")] = None
    """Bytes that attribute the calls to an application (ERC-8021)."""


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
"""The supported capabilities by their JSON names. `atomic` (EIP-5792) has no field, as every batch is atomic."""
_AT = "params.capabilities"
_FEE = "maxFeePerGas"
"""A member of `gasParamsOverride` that one client (virtuals-acp) sends as a separate capability."""


def refuse_unknown(value: Any, *, known: frozenset[str] = SUPPORTED_CAPABILITIES, at: str = _AT) -> Any:
    """Return `value`, the undecoded capabilities at path `at`, if each is `known` or has `optional: true`.

    Raises: UnsupportedCapability that names the first capability that is neither. Source: EIP-5792.
    """
    if not isinstance(value, Mapping):
        return value
    for name, capability in value.items():
        is_optional = isinstance(capability, Mapping) and capability.get("optional") is True
        if name not in known and not is_optional:
            raise UnsupportedCapability(
                "this capability is not supported; remove it, or add optional: true to it",
                field=f"{at}.{name[:64]}",
                capability=name[:64],
            )
    return value


def validate_capabilities(value: Any) -> Any:
    """Return `value`, the undecoded capabilities of a request to prepare calls, if all required ones are supported.

    A `maxFeePerGas` among them is moved into `gasParamsOverride`. Raises: UnsupportedCapability; InvalidParams
    (fee_given_twice) when `gasParamsOverride` also has a `maxFeePerGas`.
    """
    refuse_unknown(value, known=SUPPORTED_CAPABILITIES | {_FEE})
    if not isinstance(value, Mapping) or value.get(_FEE) is None:
        return value
    rest = {name: capability for name, capability in value.items() if name != _FEE}
    overrides = rest.get("gasParamsOverride")
    if overrides is None:
        return {**rest, "gasParamsOverride": {_FEE: value[_FEE]}}
    if isinstance(overrides, Mapping) and overrides.get(_FEE) is None:
        return {**rest, "gasParamsOverride": {**overrides, _FEE: value[_FEE]}}
    at = f"{_AT}.{_FEE}"
    text = f"expected {_FEE} in gasParamsOverride only, got it in both"
    raise InvalidParams(text, field=at, reason="fee_given_twice")


RequestedCapabilities: TypeAlias = Annotated[Capabilities | None, BeforeValidator(validate_capabilities)]
"""The capabilities of a request that prepares calls."""


@shape
class SendCapabilities:
    """The capabilities of a request that sends calls. Others are ignored: clients repeat those of the preparation."""

    permissions: PermissionsCapability | None = None
    """Session that the calls were prepared with."""
    submission_ticket: str | None = None
    """The submission ticket, for clients that repeat only capabilities. A ticket outside of them takes precedence."""
