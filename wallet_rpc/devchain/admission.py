"""Validation of a signed transaction before it enters a block: geth's checks, with geth's error messages."""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import SignedTransactionAPI
from eth.exceptions import UnrecognizedTransactionType
from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE
from eth_keys.exceptions import BadSignature
from eth_typing import Address
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # rlp 5 has no py.typed

from wallet_rpc.devchain import rlp_size
from wallet_rpc.devchain.authorizations import from_evm_authorization
from wallet_rpc.devchain.computation import MAX_INIT_CODE_BYTES
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import decode_transaction
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.domain.gas import floor_gas
from wallet_rpc.domain.signature import HALF_ORDER
from wallet_rpc.primitives import Address as ShownAddress

TRANSACTION_TYPES = (0, 1, 2, 4)
"""The transaction types that this chain supports."""
BLOB_TYPE = 3
_MIN_LEGACY = 0x80
"""A first byte below this one is a transaction type (EIP-2718)."""
_DELEGATION_PREFIX = b"\xef\x01\x00"
_MAX_NONCE = (1 << 64) - 1
_BITS = {
    "nonce": 64,
    "gas": 64,
    "gas_price": 256,
    "max_fee_per_gas": 256,
    "max_priority_fee_per_gas": 256,
    "value": 256,
}
_AUTHORIZATION_BITS = {"chain_id": 256, "nonce": 64, "y_parity": 8, "r": 256, "s": 256}
"""Widths in bits of the fields of a transaction and of an authorization; py-evm's codec decodes integers of any length.
"""
MAX_TRANSACTION_BYTES = 131_072
"""The maximum size of a raw transaction. Source: geth."""
MAX_DEPTH = 8
"""The maximum number of lists around the innermost item of a raw transaction (type 1 has four)."""
MAX_ITEMS = 20_000
"""The maximum number of items and lists of a raw transaction."""


@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """The values of a block that a transaction is checked against."""

    chain_id: int
    base_fee: int
    gas_limit: int


def read_transaction(raw: bytes) -> SentTransaction:
    """Decode a signed transaction and recover its sender. Raises: NodeRejection when it is not one."""
    if raw and raw[0] < _MIN_LEGACY and raw[0] not in TRANSACTION_TYPES:
        raise unsupported_type(raw[0])
    if len(raw) > MAX_TRANSACTION_BYTES:
        text = f"oversized data: transaction size {len(raw)}, limit {MAX_TRANSACTION_BYTES}"
        raise NodeRejection(text, reason="invalid_transaction")
    if not rlp_size.is_within(raw, depth=MAX_DEPTH, items=MAX_ITEMS):
        text = f"rlp: expected at most {MAX_ITEMS} items and lists, nested at most {MAX_DEPTH} deep"
        raise NodeRejection(text, reason="invalid_transaction")
    try:
        transaction = decode_transaction(raw)
    except UnrecognizedTransactionType as error:
        raise NodeRejection("transaction type not supported", reason="unsupported_transaction") from error
    except (RLPException, ValidationError, ValueError, IndexError) as error:
        raise NodeRejection("rlp: cannot decode the transaction", reason="invalid_transaction") from error
    _check_widths(transaction)
    try:
        sender = Address(bytes(transaction.sender))  # recovered, which only works for a valid signature
    except (ValidationError, BadSignature, ValueError) as error:
        raise NodeRejection("invalid sender", reason="invalid_transaction") from error
    if transaction.s > HALF_ORDER:
        raise NodeRejection("invalid transaction v, r, s values: s is in the upper half", reason="invalid_transaction")
    return SentTransaction(raw, transaction, sender, transaction.hash)


def unsupported_type(kind: int) -> NodeRejection:
    """Return the rejection of a transaction of type `kind`."""
    name = f"{kind} (blobs, EIP-4844)" if kind == BLOB_TYPE else f"{kind}"
    supported = ", ".join(map(str, TRANSACTION_TYPES))
    text = f"transaction type not supported: {name}; supported: {supported}"
    return NodeRejection(text, reason="unsupported_transaction")


def check_init_code(to: bytes | None, data: bytes) -> None:
    """Check the size of the init code of a contract creation. Raises: NodeRejection above the limit of EIP-3860."""
    if not to and len(data) > MAX_INIT_CODE_BYTES:
        text = f"max initcode size exceeded: code size {len(data)}, limit {MAX_INIT_CODE_BYTES}"
        raise NodeRejection(text, reason="init_code_size")


def check_authorizations(to: bytes | None, count: int | None) -> None:
    """Check that a transaction can have an authorization list of `count` entries; `count` is None without a list.

    Raises: NodeRejection for an empty list, and for a list of a transaction that creates a contract.
    """
    if count == 0:
        raise NodeRejection("EIP-7702 transaction with empty auth list", reason="invalid_transaction")
    if count is not None and not to:
        raise NodeRejection("EIP-7702 transaction cannot be used to create contract", reason="invalid_transaction")


def authorities(transaction: SignedTransactionAPI) -> list[Address]:
    """Return the signers of a transaction's authorizations, without those whose signature is invalid."""
    if transaction.type_id != SET_CODE_TRANSACTION_TYPE:
        return []
    signed = [from_evm_authorization(one) for one in transaction.authorization_list]
    found = [None if one is None else one.authority for one in signed]
    return [Address(bytes(authority)) for authority in found if authority is not None]


def check_transaction(
    sent: SentTransaction, journal: Journal, environment: BlockEnvironment, *, allows_gap: bool = False
) -> None:
    """Check that the transaction can be the sender's next one in a block of `environment`.

    With `allows_gap` it may also be a later one. Raises: NodeRejection.
    """
    transaction, sender = sent.transaction, sent.sender
    chain_id = transaction.chain_id
    if chain_id is not None and chain_id != environment.chain_id:
        raise NodeRejection(
            f"invalid chain id for signer: have {chain_id} want {environment.chain_id}", reason="wrong_chain"
        )
    nonce = journal.get_nonce(sender)
    if transaction.nonce == _MAX_NONCE:
        raise NodeRejection(f"nonce has max value: address {ShownAddress(sender)}, nonce: {nonce}", reason="nonce_max")
    if transaction.nonce < nonce or (transaction.nonce > nonce and not allows_gap):
        word = "low" if transaction.nonce < nonce else "high"
        text = f"nonce too {word}: address {ShownAddress(sender)}, tx: {transaction.nonce} state: {nonce}"
        raise NodeRejection(text, reason=f"nonce_too_{word}")
    code = journal.get_code(sender)
    if code and not code.startswith(_DELEGATION_PREFIX) and not sent.is_impersonated:
        raise NodeRejection(f"sender not an eoa: address {ShownAddress(sender)}", reason="sender_has_code")
    _check_gas(transaction, environment)
    _check_fee(transaction, sender, journal, environment)


def _check_gas(transaction: SignedTransactionAPI, environment: BlockEnvironment) -> None:
    is_delegating = transaction.type_id == SET_CODE_TRANSACTION_TYPE
    check_authorizations(transaction.to, len(transaction.authorization_list) if is_delegating else None)
    check_init_code(transaction.to, transaction.data)
    if transaction.gas > environment.gas_limit:
        raise NodeRejection("exceeds block gas limit", reason="gas_limit")
    if transaction.gas < transaction.intrinsic_gas:
        text = f"intrinsic gas too low: have {transaction.gas}, want {transaction.intrinsic_gas}"
        raise NodeRejection(text, reason="intrinsic_gas")
    floor = floor_gas(transaction.data)
    if transaction.gas < floor:
        text = f"insufficient gas for floor data gas cost: have {transaction.gas}, want {floor}"
        raise NodeRejection(text, reason="intrinsic_gas")


def _check_fee(
    transaction: SignedTransactionAPI, sender: Address, journal: Journal, environment: BlockEnvironment
) -> None:
    fee = transaction.max_fee_per_gas
    tip = transaction.max_priority_fee_per_gas
    address = ShownAddress(sender)
    if fee < tip:
        text = f"max priority fee per gas higher than max fee per gas: address {address}"
        raise NodeRejection(f"{text}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}", reason="fee_too_low")
    if fee < environment.base_fee:
        text = f"max fee per gas less than block base fee: address {address}"
        raise NodeRejection(f"{text}, maxFeePerGas: {fee}, baseFee: {environment.base_fee}", reason="fee_too_low")
    balance = journal.get_balance(sender)
    cost = transaction.gas * fee + transaction.value
    if balance < cost:
        text = f"insufficient funds for gas * price + value: address {address} have {balance} want {cost}"
        raise NodeRejection(text, reason="insufficient_funds")


def _check_widths(transaction: SignedTransactionAPI) -> None:
    """Check that each number fits the width of its field. Raises: NodeRejection."""
    rows: list[tuple[object, dict[str, int]]] = [(transaction, _BITS)]
    if transaction.type_id == SET_CODE_TRANSACTION_TYPE:
        rows += [(one, _AUTHORIZATION_BITS) for one in transaction.authorization_list]
    for holder, widths in rows:
        for name, bits in widths.items():
            if getattr(holder, name, 0) >= 1 << bits:
                raise NodeRejection(f"rlp: {name} is wider than {bits} bits", reason="invalid_transaction")
