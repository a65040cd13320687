"""What the verifying paymaster checks: the hash that its signer signs, and the layout of paymasterData.

paymasterData = validUntil (6 bytes) | validAfter (6) | signature r | s | v (65). The rule: everything that decides what
an operation does and costs is in the hash, so a sponsorship is good for one nonce of one account and nothing else.
Source: `VerifyingPaymaster.sol`; who may ask for a signature is decided in `policy.py` or by the development chain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from eth_keys.datatypes import PrivateKey

from wallet_rpc.domain import abi
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation, pack
from wallet_rpc.primitives import Address, Data, Hash32

VERIFICATION_GAS = 60_000
"""What the paymaster's check costs, with room, in gas."""
POST_OP_GAS = 0
"""The paymaster has nothing to do afterwards."""
_STUB_SIGNATURE = b"\xff" * 31 + b"\xf0" + b"\x7a" * 32 + b"\x1c"
"""65 bytes of the form of a signature, none of them zero."""
_TIME_SIZE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a sponsorship holds, by the time of the block; seconds since 1970, below 2**48."""

    valid_until: int
    """The last second; 0: for good."""
    valid_after: int = 0

    @property
    def encoding(self) -> bytes:
        """validUntil (6 bytes) | validAfter (6)."""
        return self.valid_until.to_bytes(_TIME_SIZE, "big") + self.valid_after.to_bytes(_TIME_SIZE, "big")


def build_sponsorship_stub(paymaster: Address, *, window: Window) -> PaymasterPart:
    """An unsigned sponsorship of the right size and of a signed one's cost, for estimation."""
    return PaymasterPart(paymaster, VERIFICATION_GAS, POST_OP_GAS, Data(window.encoding + _STUB_SIGNATURE))


def sign_sponsorship(
    op: UserOperation, paymaster: Address, *, chain_id: int, window: Window, key: bytes
) -> PaymasterPart:
    """A sponsorship of `op` signed by the private key `key` (32 bytes), over the paymaster limits that `op` has.

    Limits that are not there yet become the paymaster's own.
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


def sponsorship_hash(op: UserOperation, *, chain_id: int, window: Window) -> Hash32:
    """What the contract hashes: everything about `op` but its signature and paymasterData, and the window.

    The operation names its paymaster and the paymaster's limits. The signer signs the hash as a personal message.
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
