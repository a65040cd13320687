"""Whether a signed transaction may enter a block: geth's checks, in geth's words."""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import SignedTransactionAPI
from eth.exceptions import UnrecognizedTransactionType
from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE
from eth_keys.exceptions import BadSignature
from eth_typing import Address
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]  # rlp 5 has no py.typed

from wallet_rpc.devchain.evm import floor_gas
from wallet_rpc.devchain.faults import NodeRefusal
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.ledger import decode_transaction
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.primitives import Address as ShownAddress

_BLOB_KIND = 3
_DELEGATION_PREFIX = b"\xef\x01\x00"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a block asks of a transaction."""

    chain_id: int
    base_fee: int
    gas_limit: int


def read_transaction(raw: bytes) -> tuple[SignedTransactionAPI, Address]:
    """A signed transaction and who signed it. Raises: NodeRefusal when it is not one."""
    if raw and raw[0] == _BLOB_KIND:
        raise NodeRefusal("transaction type not supported", reason="unsupported_transaction")
    try:
        transaction = decode_transaction(raw)
    except UnrecognizedTransactionType as error:
        raise NodeRefusal("transaction type not supported", reason="unsupported_transaction") from error
    except (RLPException, ValidationError, ValueError, IndexError) as error:
        raise NodeRefusal("rlp: cannot decode the transaction", reason="invalid_transaction") from error
    try:
        transaction.check_signature_validity()
        sender = Address(bytes(transaction.sender))
    except (ValidationError, BadSignature, ValueError) as error:
        raise NodeRefusal("invalid sender", reason="invalid_transaction") from error
    return transaction, sender


def authorities(transaction: SignedTransactionAPI) -> list[Address]:
    """Who signed the authorizations of a transaction; those that nobody can have signed are left out."""
    if transaction.type_id != SET_CODE_TRANSACTION_TYPE:
        return []
    signed = [
        SignedAuthorization(
            chain_id=one.chain_id,
            address=ShownAddress(one.address),
            nonce=one.nonce,
            r=one.r,
            s=one.s,
            y_parity=one.y_parity % 2,
        )
        for one in transaction.authorization_list
    ]
    return [Address(bytes(one.authority)) for one in signed if one.authority is not None]


def admit(transaction: SignedTransactionAPI, sender: Address, journal: Journal, terms: Terms) -> None:
    """Raises: NodeRefusal when `transaction` cannot be the next of `sender` in a block with these terms."""
    chain_id = transaction.chain_id
    if chain_id is not None and chain_id != terms.chain_id:
        raise NodeRefusal(f"invalid chain id for signer: have {chain_id} want {terms.chain_id}", reason="wrong_chain")
    nonce = journal.get_nonce(sender)
    if transaction.nonce != nonce:
        word = "low" if transaction.nonce < nonce else "high"
        text = f"nonce too {word}: address {ShownAddress(sender)}, tx: {transaction.nonce} state: {nonce}"
        raise NodeRefusal(text, reason=f"nonce_too_{word}")
    code = journal.get_code(sender)
    if code and not code.startswith(_DELEGATION_PREFIX):
        raise NodeRefusal(f"sender not an eoa: address {ShownAddress(sender)}", reason="sender_has_code")
    _admit_gas(transaction, terms)
    _admit_fee(transaction, sender, journal, terms)


def _admit_gas(transaction: SignedTransactionAPI, terms: Terms) -> None:
    if transaction.type_id == SET_CODE_TRANSACTION_TYPE and not transaction.authorization_list:
        raise NodeRefusal("EIP-7702 transaction with empty auth list", reason="invalid_transaction")
    if transaction.gas > terms.gas_limit:
        raise NodeRefusal("exceeds block gas limit", reason="gas_limit")
    if transaction.gas < transaction.intrinsic_gas:
        text = f"intrinsic gas too low: have {transaction.gas}, want {transaction.intrinsic_gas}"
        raise NodeRefusal(text, reason="intrinsic_gas")
    floor = floor_gas(transaction.data)
    if transaction.gas < floor:
        text = f"insufficient gas for floor data gas cost: have {transaction.gas}, want {floor}"
        raise NodeRefusal(text, reason="intrinsic_gas")


def _admit_fee(transaction: SignedTransactionAPI, sender: Address, journal: Journal, terms: Terms) -> None:
    fee = transaction.max_fee_per_gas
    tip = transaction.max_priority_fee_per_gas
    shown = ShownAddress(sender)
    if fee < tip:
        text = f"max priority fee per gas higher than max fee per gas: address {shown}"
        raise NodeRefusal(f"{text}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}", reason="fee_too_low")
    if fee < terms.base_fee:
        text = f"max fee per gas less than block base fee: address {shown}"
        raise NodeRefusal(f"{text}, maxFeePerGas: {fee}, baseFee: {terms.base_fee}", reason="fee_too_low")
    balance = journal.get_balance(sender)
    cost = transaction.gas * fee + transaction.value
    if balance < cost:
        text = f"insufficient funds for gas * price + value: address {shown} have {balance} want {cost}"
        raise NodeRefusal(text, reason="insufficient_funds")
