"""Sponsorships of the verifying paymaster: the hash that its signer signs, and the layout of paymasterData.

paymasterData = validUntil (6 bytes) | validAfter (6) | signature r | s | v (65). The hash covers everything that
determines the effect and cost of an operation, so a sponsorship is valid for one nonce of one account only.
`policy.py` or the development chain decides which operations are sponsored. Source: `VerifyingPaymaster.sol`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_keys.datatypes import PrivateKey

from wallet_rpc.domain import abi
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, pack
from wallet_rpc.primitives import Address, Data, Hash32

VERIFICATION_GAS = 60_000
"""Gas limit of the paymaster's check, with a margin."""
POST_OP_GAS = 0
"""Gas limit of postOp, which this paymaster does not use."""
_STUB_SIGNATURE = b"\xff" * 31 + b"\xf0" + b"\x7a" * 32 + b"\x1c"
"""A placeholder signature of 65 non-zero bytes."""
_TIME_SIZE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Validity of a sponsorship in block time: seconds since 1970, below 2**48."""

    valid_until: int
    """Last second of validity; 0: no expiry."""
    valid_after: int = 0

    @property
    def encoding(self) -> bytes:
        """validUntil (6 bytes) | validAfter (6)."""
        return self.valid_until.to_bytes(_TIME_SIZE, "big") + self.valid_after.to_bytes(_TIME_SIZE, "big")


def build_sponsorship_stub(paymaster: Address, *, window: Window) -> PaymasterPart:
    """Build an unsigned sponsorship with the size and the gas cost of a signed one, for estimation."""
    return PaymasterPart(paymaster, VERIFICATION_GAS, POST_OP_GAS, Data(window.encoding + _STUB_SIGNATURE))


def sign_sponsorship(
    op: UserOperation, paymaster: Address, *, chain_id: int, window: Window, key: bytes
) -> PaymasterPart:
    """Sign a sponsorship of `op` by the private key `key` (32 bytes), with the paymaster limits of `op`.

    Missing limits get the paymaster's defaults.
    """
    given = op.paymaster
    part = PaymasterPart(
        paymaster,
        VERIFICATION_GAS if given is None or given.verification_gas_limit == 0 else given.verification_gas_limit,
        POST_OP_GAS if given is None else given.post_op_gas_limit,
        Data(),
    )
    digest = personal_sign_digest(sponsorship_hash(replace(op, paymaster=part), chain_id=chain_id, window=window))
    signature = PrivateKey(key).sign_msg_hash(digest).to_bytes()
    data = Data(window.encoding + signature[:64] + bytes([27 + signature[64]]))
    return replace(part, data=data)


def read_sponsorship_end(op: UserOperation, paymaster: Address) -> int:
    """Return the last second of a sponsorship by this paymaster; 0 without one, or for a sponsorship without expiry."""
    if op.paymaster is None or op.paymaster.address != paymaster:
        return 0
    return int.from_bytes(op.paymaster.data[:_TIME_SIZE], "big")


def sponsorship_hash(op: UserOperation, *, chain_id: int, window: Window) -> Hash32:
    """Return the contract's hash of the window and `op`, without the operation's signature and paymasterData.

    It includes the paymaster and its limits. The signer signs the hash as a personal message.
    """
    packed = pack(op)
    return abi.keccak(
        abi.uint(chain_id)
        + abi.address(packed.paymaster_and_data[:20])
        + abi.address(packed.sender)
        + abi.uint(packed.nonce)
        + abi.keccak(packed.init_code)
        + abi.keccak(packed.call_data)
        + packed.account_gas_limits
        + abi.uint(packed.pre_verification_gas)
        + packed.gas_fees
        + packed.paymaster_and_data[20:52]
        + abi.uint(window.valid_until)
        + abi.uint(window.valid_after)
    )
