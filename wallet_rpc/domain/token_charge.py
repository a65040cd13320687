"""Gas paid in a token: the price, and what the token paymaster is told and signed for it.

paymasterData = validUntil (6 bytes) | validAfter (6) | terms | signature r | s | v (65).
terms = mode (1) | last gas (4) | token (20) | rate (32) | most (32), and for a permit | value (32) | deadline (32) |
signature of the account. The rule: a rate is in the token's smallest units for 10^18 wei, amounts are rounded up, and
more than `most` is never taken.
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
"""How many wei a rate is for."""
ERC20_VERIFICATION_GAS = 200_000
"""What the check and the first transfer cost, with room for a permit, in gas."""
ERC20_POST_OP_GAS = 60_000
"""The least limit of the last transfer, in gas: also when the calls revert, and leave nothing warm."""
LAST_GAS_AFTER = 30_000
"""What the last transfer is charged at, in gas, when it is the only one: that of a plain token."""
LAST_GAS_BEFORE = 10_000
"""The same when the token was moved before: the transfer back finds everything warm."""


class ChargeMode(IntEnum):
    """When the token is taken."""

    AFTER = 0
    """After the calls, the cost."""
    BEFORE = 1
    """Before the calls, the most; the rest is given back after them."""
    BEFORE_WITH_PERMIT = 2
    """The same, by an allowance that the account signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPermit:
    """An allowance of `value` of the token for the paymaster, signed by the account (ERC-7597)."""

    value: int
    deadline: int
    """The last second in which it can be used."""
    signature: Data
    """As the account's ERC-1271 check takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Charge:
    """What is taken for an operation."""

    token: Address
    rate: int
    max_amount: int
    """The most that is taken, in the token's smallest unit."""
    is_prepaid: bool = False
    """Whether it is taken before the calls."""
    permit: SignedPermit | None = None

    @property
    def mode(self) -> ChargeMode:
        """As the contract numbers it."""
        if self.permit is not None:
            return ChargeMode.BEFORE_WITH_PERMIT
        return ChargeMode.BEFORE if self.is_prepaid else ChargeMode.AFTER

    @property
    def terms(self) -> bytes:
        """What the paymaster's signer signs beside the operation."""
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
    """What `wei` are in the token's smallest unit; rounded up.

    Raises: InvalidParams (token_amount_too_large) for more than a token can count: 2^256 units.
    """
    amount = -(-wei * rate // ONE_COIN)
    if amount >= 1 << 256:
        raise InvalidParams(
            f"{ERC20_PATH}: expected a cost below 2^256 of the token's smallest unit, got {amount}",
            reason="token_amount_too_large",
            field=ERC20_PATH,
        )
    return amount


def max_erc20_cost(op: UserOperation, rate: int) -> int:
    """The most that `op` can cost, in the token's smallest unit. Raises: as `wei_to_erc20`."""
    return wei_to_erc20(max_cost(op), rate)


def build_erc20_charge_stub(paymaster: Address, charge: Erc20Charge, *, window: Window) -> PaymasterPart:
    """An unsigned part of the right size and cost, for estimation."""
    data = Data(window.encoding + charge.terms + DUMMY_SIGNATURE)
    return PaymasterPart(paymaster, ERC20_VERIFICATION_GAS, ERC20_POST_OP_GAS, data)


def sign_erc20_charge(
    op: UserOperation, charge: Erc20Charge, *, chain_id: int, window: Window, key: bytes
) -> PaymasterPart:
    """The part of `op`, over the paymaster and its limits that `op` has, signed by the private key `key` (32 bytes).

    Raises: ValueError for an operation without a paymaster.
    """
    if op.paymaster is None:
        raise ValueError("the operation names no paymaster")
    digest = personal_sign_digest(charge_hash(op, charge, chain_id=chain_id, window=window))
    signature = PrivateKey(key).sign_msg_hash(digest).to_bytes()
    data = window.encoding + charge.terms + signature[:64] + bytes([27 + signature[64]])
    return replace(op.paymaster, data=Data(data))


def charge_hash(op: UserOperation, charge: Erc20Charge, *, chain_id: int, window: Window) -> Hash32:
    """What the contract hashes: keccak(sponsorship hash | keccak(terms))."""
    return abi.keccak(sponsorship_hash(op, chain_id=chain_id, window=window) + abi.keccak(charge.terms))
