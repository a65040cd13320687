"""Charges for gas paid in ERC-20: the price, and the signed paymasterData of the token paymaster.

paymasterData = validUntil (6 bytes) | validAfter (6) | terms | signature r | s | v (65).
terms = mode (1) | last gas (4) | token (20) | rate (32) | max amount (32), and with a permit | value (32) |
deadline (32) | signature of the account. A rate is in the token's smallest units for 10^18 wei. Amounts are rounded up.
The paymaster never charges more than the max amount.
Source: `TokenPaymaster.sol`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from eth_keys.datatypes import PrivateKey

from wallet_rpc.domain import abi
from wallet_rpc.domain.gas import max_cost
from wallet_rpc.domain.signature import DUMMY_SIGNATURE, personal_sign_digest
from wallet_rpc.domain.sponsorship import Window, sponsorship_hash
from wallet_rpc.domain.token_gas import ERC20_PATH
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, Hash32

ONE_COIN = 10**18
"""The amount in wei that a rate refers to."""
ERC20_VERIFICATION_GAS = 200_000
"""Gas limit of the check and the first transfer, with a margin for a permit."""
ERC20_POST_OP_GAS = 60_000
"""Minimum gas limit of the last transfer; enough even if the calls revert and leave no storage warm."""
LAST_GAS_AFTER = 30_000
"""Gas charged for the last transfer if it is the only transfer: the cost with a plain ERC-20 token."""
LAST_GAS_BEFORE = 10_000
"""Gas charged for the last transfer if the token was moved before: the storage is warm for the transfer back."""


class ChargeMode(IntEnum):
    """Times at which the paymaster charges the token."""

    AFTER = 0
    """After the calls, the actual cost."""
    BEFORE = 1
    """Before the calls, the max amount; the rest is refunded after them."""
    BEFORE_WITH_PERMIT = 2
    """Before the calls, like `BEFORE`, with the allowance of a permit that the account signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPermit:
    """A permit for the paymaster over `value` in the token's smallest unit, signed by the account (ERC-7597)."""

    value: int
    deadline: int
    """The last second in which the permit can be used."""
    signature: Data
    """The signature in the form that the account's ERC-1271 check accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Charge:
    """The charge for an operation."""

    token: Address
    rate: int
    max_amount: int
    """Maximum charge, in the token's smallest unit."""
    is_prepaid: bool = False
    """True: the charge is made before the calls."""
    permit: SignedPermit | None = None

    @property
    def mode(self) -> ChargeMode:
        """The contract's charge mode."""
        if self.permit is not None:
            return ChargeMode.BEFORE_WITH_PERMIT
        return ChargeMode.BEFORE if self.is_prepaid else ChargeMode.AFTER

    @property
    def terms(self) -> bytes:
        """The encoded terms, which the paymaster's signer signs together with the operation."""
        last_gas = LAST_GAS_AFTER if self.mode is ChargeMode.AFTER else LAST_GAS_BEFORE
        head = (
            bytes([self.mode])
            + last_gas.to_bytes(4, "big")
            + self.token
            + abi.uint(self.rate)
            + abi.uint(self.max_amount)
        )
        if self.permit is None:
            return head
        return head + abi.uint(self.permit.value) + abi.uint(self.permit.deadline) + self.permit.signature


def wei_to_erc20(wei: int, rate: int) -> int:
    """Convert `wei` to the token's smallest unit, rounded up.

    Raises: InvalidParams (token_amount_too_large) for 2^256 units or more, which a token cannot represent.
    """
    amount = -(-wei * rate // ONE_COIN)
    if amount >= 1 << 256:
        raise InvalidParams(
            f"expected a cost below 2^256 of the token's smallest unit, got {amount}",
            reason="token_amount_too_large",
            field=ERC20_PATH,
        )
    return amount


def max_erc20_cost(op: UserOperation, rate: int) -> int:
    """Return the maximum cost of `op` in the token's smallest unit. Raises: as `wei_to_erc20`."""
    return wei_to_erc20(max_cost(op), rate)


def build_erc20_charge_stub(paymaster: Address, charge: Erc20Charge, *, window: Window) -> PaymasterPart:
    """Build an unsigned paymaster part with the size and the gas cost of a signed one, for estimation."""
    data = Data(window.encoding + charge.terms + DUMMY_SIGNATURE)
    return PaymasterPart(paymaster, ERC20_VERIFICATION_GAS, ERC20_POST_OP_GAS, data)


def sign_erc20_charge(
    op: UserOperation, charge: Erc20Charge, *, chain_id: int, window: Window, key: bytes
) -> PaymasterPart:
    """Sign the paymaster part of `op` by the private key `key` (32 bytes), with the paymaster and limits of `op`.

    Raises: ValueError for an operation without a paymaster.
    """
    if op.paymaster is None:
        raise ValueError("the user operation has no paymaster")
    digest = personal_sign_digest(charge_hash(op, charge, chain_id=chain_id, window=window))
    signature = PrivateKey(key).sign_msg_hash(digest).to_bytes()
    data = window.encoding + charge.terms + signature[:64] + bytes([27 + signature[64]])
    return replace(op.paymaster, data=Data(data))


def charge_hash(op: UserOperation, charge: Erc20Charge, *, chain_id: int, window: Window) -> Hash32:
    """Return the contract's hash of a charge: keccak(sponsorship hash | keccak(terms))."""
    return abi.keccak(sponsorship_hash(op, chain_id=chain_id, window=window) + abi.keccak(charge.terms))
