"""A transaction that was sent to the chain, with its sender: the signer, or an impersonated account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

from eth.abc import SignedTransactionAPI
from eth_hash.auto import keccak
from eth_typing import Address

from wallet_rpc.devchain.ledger import Inclusion, decode_transaction


@dataclass(frozen=True, slots=True)
class SentTransaction:
    """A decoded transaction, its sender and its hash."""

    raw: bytes
    transaction: SignedTransactionAPI
    sender: Address
    hash: bytes

    @classmethod
    def impersonate(cls, raw: bytes, sender: bytes) -> Self:
        """Return the transaction as one of `sender`, who did not sign it.

        Its hash covers the sender: without signatures, transactions of two accounts may have the same encoding.
        """
        address = Address(bytes(sender))
        transaction = cast("SignedTransactionAPI", _Impersonated(decode_transaction(raw), address))
        return cls(raw, transaction, address, bytes(keccak(raw + address)))

    @classmethod
    def from_inclusion(cls, inclusion: Inclusion) -> Self:
        """Return a mined transaction, to run it again."""
        if inclusion.hash != keccak(inclusion.raw):
            return cls.impersonate(inclusion.raw, inclusion.sender)
        return cls(inclusion.raw, inclusion.transaction, Address(inclusion.sender), inclusion.hash)

    @property
    def nonce(self) -> int:
        """The sender's nonce."""
        return int(self.transaction.nonce)

    @property
    def is_impersonated(self) -> bool:
        """True if the sender did not sign it."""
        return isinstance(self.transaction, _Impersonated)


class _Impersonated:
    """A transaction with a given sender instead of a signer."""

    def __init__(self, transaction: SignedTransactionAPI, sender: Address) -> None:
        self._transaction = transaction
        self.sender = sender

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)
