"""Accounts: their counterfactual addresses, their deployment, and the call data that makes them execute calls.

An account's address is determined by its owner and salt before it is deployed (CREATE2). Sources: EIP-1014;
AccountFactory and WebAuthnFactory of Modular Account v2; LibClone of Solady (the proxy's code); IModularAccount
(execute).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.authorization import delegate_of, designator
from wallet_rpc.domain.contracts import (
    ACCOUNT_FACTORY,
    ENTRY_POINT,
    MODULAR_ACCOUNT,
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    WEBAUTHN_FACTORY,
)
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.primitives import Address, Data, Hash32, Wei
from wallet_rpc.wire import strict_shape

__all__ = [
    "ACCOUNT_FACTORY",
    "ENTRY_POINT",
    "MODULAR_ACCOUNT",
    "SEMI_MODULAR_ACCOUNT_7702",
    "SEMI_MODULAR_ACCOUNT_7702_V1_1",
    "SEMI_MODULAR_ACCOUNT_BYTECODE",
    "WEBAUTHN_FACTORY",
    "Call",
    "Deployment",
    "delegate_of",
    "designator",
    "execute_batch_call_data",
    "execute_call_data",
    "modular_address",
    "modular_deployment",
    "semi_modular_address",
    "semi_modular_deployment",
    "webauthn_address",
    "webauthn_deployment",
    "wrap_execute_user_op",
]

_SEMI_MODULAR_HEAD = bytes.fromhex("6100513d8160233d3973")
_MODULAR_HEAD = bytes.fromhex("603d3d8160223d3973")
_PROXY_TAIL = bytes.fromhex(
    "60095155f3363d3d373d3d363d7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
    "545af43d6000803e6038573d6000fd5b3d6000f3"
)
"""An ERC-1967 proxy: creation code around the implementation's address. Source: Solady, LibClone."""
PROXY_CODE = _PROXY_TAIL[5:]
"""The deployed code of an account from the factory: these 61 bytes, followed by the owner for a `sma-b`."""
_NO_ENTITY = bytes.fromhex("ffffffff")
"""The last four bytes of a semi-modular account's salt, in the position of a modular account's entity id."""


@strict_shape
class Call:
    """One call by the account: `value` in wei, `data` the call data. Both are optional in JSON (default 0, 0x)."""

    to: Address
    """Account or contract that the call goes to."""
    value: Wei = 0
    """Amount that the call carries, in wei."""
    data: Data = Data()
    """Call data: a selector and its ABI-encoded arguments; `0x` for a plain transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The factory call and CREATE2 inputs that determine an undeployed account's address. Source: EIP-1014."""

    factory: Factory
    implementation: Address
    combined_salt: Hash32
    proxy_init_code: Data

    @property
    def address(self) -> Address:
        """The last 20 bytes of keccak(ff | factory | combined salt | keccak(proxy init code))."""
        salt, code = self.combined_salt, keccak(self.proxy_init_code)
        return Address(keccak(b"\xff" + self.factory.address + salt + code)[12:])


def semi_modular_deployment(owner: Address, salt: int = 0) -> Deployment:
    """Build the deployment of a `sma-b` account of `owner` (any 256-bit `salt`); its proxy code ends in the owner.

    Combined salt: keccak(owner (20) | salt (32) | ffffffff).
    """
    implementation = SEMI_MODULAR_ACCOUNT_BYTECODE
    call = abi.CREATE_SEMI_MODULAR_ACCOUNT + abi.sequence(abi.address(owner), abi.uint(salt))
    return Deployment(
        factory=Factory(ACCOUNT_FACTORY, Data(call)),
        implementation=implementation,
        combined_salt=keccak(owner + abi.uint(salt) + _NO_ENTITY),
        proxy_init_code=Data(_SEMI_MODULAR_HEAD + implementation + _PROXY_TAIL + owner),
    )


def modular_deployment(owner: Address, salt: int = 0, entity_id: int = 0) -> Deployment:
    """Build the deployment of a modular account whose first validation is SingleSigner `entity_id`, signer `owner`.

    Combined salt: keccak(owner (20) | salt (32) | entity id (4)).
    """
    words = abi.address(owner), abi.uint(salt), abi.uint(entity_id, 32)
    return Deployment(
        factory=Factory(ACCOUNT_FACTORY, Data(abi.CREATE_ACCOUNT + abi.sequence(*words))),
        implementation=MODULAR_ACCOUNT,
        combined_salt=keccak(owner + abi.uint(salt) + entity_id.to_bytes(4, "big")),
        proxy_init_code=Data(_MODULAR_HEAD + MODULAR_ACCOUNT + _PROXY_TAIL),
    )


def webauthn_deployment(x: int, y: int, *, salt: int = 0, entity_id: int = 0) -> Deployment:
    """Build the deployment of a modular account owned by the passkey with the P-256 public key (`x`, `y`).

    Combined salt: keccak(x (32) | y (32) | salt (32) | entity id (4)).
    """
    words = abi.uint(x), abi.uint(y), abi.uint(salt), abi.uint(entity_id, 32)
    return Deployment(
        factory=Factory(WEBAUTHN_FACTORY, Data(abi.CREATE_WEBAUTHN_ACCOUNT + abi.sequence(*words))),
        implementation=MODULAR_ACCOUNT,
        combined_salt=keccak(abi.uint(x) + abi.uint(y) + abi.uint(salt) + entity_id.to_bytes(4, "big")),
        proxy_init_code=Data(_MODULAR_HEAD + MODULAR_ACCOUNT + _PROXY_TAIL),
    )


def semi_modular_address(owner: Address, salt: int = 0) -> Address:
    """Return the address of the account that `semi_modular_deployment` describes."""
    return semi_modular_deployment(owner, salt).address


def modular_address(owner: Address, salt: int = 0, entity_id: int = 0) -> Address:
    """Return the address of the account that `modular_deployment` describes."""
    return modular_deployment(owner, salt, entity_id).address


def webauthn_address(x: int, y: int, *, salt: int = 0, entity_id: int = 0) -> Address:
    """Return the address of the account that `webauthn_deployment` describes."""
    return webauthn_deployment(x, y, salt=salt, entity_id=entity_id).address


def execute_call_data(account: Address, calls: Sequence[Call]) -> Data:
    """Encode the call data with which `account` makes `calls`.

    - One call: `execute(to, value, data)`.
    - One call to the account itself: its data alone. The account forbids `execute` on itself, and the value is dropped.
    - None or several: `executeBatch`.

    Source: the official SDK's encoder.
    """
    if len(calls) != 1:
        return execute_batch_call_data(calls)
    call = calls[0]
    if call.to == account:
        return call.data
    return Data(abi.EXECUTE + abi.sequence(*_fields(call)))


def execute_batch_call_data(calls: Sequence[Call]) -> Data:
    """Encode `executeBatch((address,uint256,bytes)[])` of any number of calls.

    A single call is allowed: the hosted Wallet API returns it in this form, and the account treats both forms alike.
    """
    return Data(abi.EXECUTE_BATCH + abi.sequence(abi.array(abi.Dynamic(abi.sequence(*_fields(c))) for c in calls)))


def _fields(call: Call) -> tuple[bytes, ...]:
    return abi.address(call.to), abi.uint(call.value), abi.blob(call.data)


def wrap_execute_user_op(call_data: bytes) -> Data:
    """Prefix `call_data` with the selector of executeUserOp, so that the account runs execution hooks.

    Required if the validation has an execution hook; the account reverts with RequireUserOperationContext otherwise.
    The prefix is the bare selector, without ABI encoding. Source: ERC-4337 IAccountExecute.
    """
    return Data(abi.EXECUTE_USER_OP + call_data)
