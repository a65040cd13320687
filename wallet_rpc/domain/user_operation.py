"""The user operation of EntryPoint v0.7: its parts, its packed form, its hash and the bundler's call.

`None` is an absent part; empty bytes and zero are values. Source: ERC-4337, EntryPoint v0.7, UserOperationLib.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, Hash32

USER_OPERATION_EVENT = keccak(b"UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")
"""Topics: this, operation hash, sender, paymaster; data: nonce, success, cost (wei), gas. Source: IEntryPoint."""
_EMPTY = Data()


@dataclass(frozen=True, slots=True)
class Factory:
    """The factory that deploys the sender, and its call data; absent once the sender has code."""

    address: Address
    data: Data

    @property
    def init_code(self) -> Data:
        """The packed form: factory (20 bytes) | factory data."""
        return Data(self.address + self.data)


@dataclass(frozen=True, slots=True)
class PaymasterPart:
    """The paymaster that pays instead of the sender; both limits in gas, below 2**128."""

    address: Address
    verification_gas_limit: int
    post_op_gas_limit: int
    data: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOperation:
    """A request of a smart account to the entry point. Gas limits in gas, fees in wei per gas, below 2**128.

    `authorization` is sent in the same transaction as the operation. Like `signature`, it is not part of the hash.
    """

    sender: Address
    nonce: int
    factory: Factory | None = None
    call_data: Data
    call_gas_limit: int
    verification_gas_limit: int
    pre_verification_gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    paymaster: PaymasterPart | None = None
    signature: Data = _EMPTY
    authorization: SignedAuthorization | None = None


class PackedUserOperation(NamedTuple):
    """The entry point's struct; a pair of gas limits or fees shares one word."""

    sender: Address
    nonce: int
    init_code: Data
    call_data: Data
    account_gas_limits: Hash32
    pre_verification_gas: int
    gas_fees: Hash32
    paymaster_and_data: Data
    signature: Data


def _u128(value: int, name: str) -> bytes:
    if not 0 <= value < 1 << 128:
        raise InvalidParams(f"expected an amount below 2^128, got {value}", reason="gas_too_large", field=name)
    return value.to_bytes(16, "big")


def _init_code(op: UserOperation) -> Data:
    return Data() if op.factory is None else op.factory.init_code


def _account_gas_limits(op: UserOperation) -> Hash32:
    verification = _u128(op.verification_gas_limit, "verificationGasLimit")
    return Hash32(verification + _u128(op.call_gas_limit, "callGasLimit"))


def _gas_fees(op: UserOperation) -> Hash32:
    priority = _u128(op.max_priority_fee_per_gas, "maxPriorityFeePerGas")
    return Hash32(priority + _u128(op.max_fee_per_gas, "maxFeePerGas"))


def _paymaster_and_data(op: UserOperation) -> Data:
    part = op.paymaster
    if part is None:
        return Data()
    verification = _u128(part.verification_gas_limit, "paymasterVerificationGasLimit")
    post_op = _u128(part.post_op_gas_limit, "paymasterPostOpGasLimit")
    return Data(part.address + verification + post_op + part.data)


def pack(op: UserOperation) -> PackedUserOperation:
    """Convert `op` to the entry point's struct.

    accountGasLimits = verification gas (16 bytes) | call gas (16); gasFees = priority fee (16) | max fee (16);
    paymasterAndData = empty, or address (20) | verification gas (16) | postOp gas (16) | data, zero limits included.
    Raises: InvalidParams (gas_too_large) when a limit or fee exceeds 128 bits.
    """
    return PackedUserOperation(
        sender=op.sender,
        nonce=op.nonce,
        init_code=_init_code(op),
        call_data=op.call_data,
        account_gas_limits=_account_gas_limits(op),
        pre_verification_gas=op.pre_verification_gas,
        gas_fees=_gas_fees(op),
        paymaster_and_data=_paymaster_and_data(op),
        signature=op.signature,
    )


def packed_hash(op: UserOperation) -> Hash32:
    """Hash the packed fields without the signature: eight words, byte strings as their hashes."""
    packed = pack(op)
    return keccak(
        abi.address(packed.sender)
        + abi.uint(packed.nonce)
        + keccak(packed.init_code)
        + keccak(packed.call_data)
        + packed.account_gas_limits
        + abi.uint(packed.pre_verification_gas)
        + packed.gas_fees
        + keccak(packed.paymaster_and_data)
    )


def user_operation_hash(op: UserOperation, chain_id: int, entry_point: Address) -> Hash32:
    """Return the hash that identifies `op` on one chain at one entry point; it is signed as a personal message.

    keccak(packed hash | entry point as a word | chain id as a word). Source: EntryPoint v0.7 `getUserOpHash`.
    """
    return keccak(packed_hash(op) + abi.address(entry_point) + abi.uint(chain_id))


def handle_ops_call_data(ops: Sequence[UserOperation], beneficiary: Address) -> Data:
    """Encode the bundler's call `handleOps(PackedUserOperation[],address)`; the fees go to `beneficiary`."""
    return Data(abi.HANDLE_OPS + abi.sequence(abi.array(_encode(pack(op)) for op in ops), abi.address(beneficiary)))


def _encode(packed: PackedUserOperation) -> abi.Dynamic:
    return abi.Dynamic(
        abi.sequence(
            abi.address(packed.sender),
            abi.uint(packed.nonce),
            abi.blob(packed.init_code),
            abi.blob(packed.call_data),
            packed.account_gas_limits,
            abi.uint(packed.pre_verification_gas),
            packed.gas_fees,
            abi.blob(packed.paymaster_and_data),
            abi.blob(packed.signature),
        )
    )
