"""Signing of transactions of every type that this chain supports, from their fields and a private key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from eth.abc import UnsignedTransactionAPI
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_keys.datatypes import PrivateKey
from eth_typing import Address
from rlp import codec  # type: ignore[import-untyped]  # rlp 5 has no py.typed

from wallet_rpc.devchain.authorizations import to_evm_authorization
from wallet_rpc.devchain.ledger import encode_raw
from wallet_rpc.domain.authorization import SignedAuthorization

_ANY_KEY = (1).to_bytes(32)
_MIN_LEGACY = 0xC0
"""The least first byte of a transaction without a type."""


@dataclass(frozen=True, slots=True)
class GasPrice:
    """The gas price in wei, of transactions of types 0 and 1."""

    wei: int


@dataclass(frozen=True, slots=True)
class GasFees:
    """The maximum fee and the priority fee in wei per gas, of transactions of types 2 and 4."""

    most: int
    tip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedTransaction:
    """An unsigned transaction: of type 4 with authorizations, else 2 with fees, else 1 with an access list, else 0."""

    chain_id: int
    nonce: int
    fees: GasPrice | GasFees
    gas: int
    to: bytes | None
    value: int = 0
    data: bytes = b""
    access_list: Sequence[tuple[bytes, Sequence[int]]] | None = None
    authorizations: Sequence[SignedAuthorization] = ()

    def sign(self, key: bytes) -> bytes:
        """Sign the transaction with `key`, and return its canonical encoding."""
        private = PrivateKey(key)
        unsigned = self._to_evm_transaction()
        if isinstance(self.fees, GasPrice) and self.access_list is None:
            return bytes(unsigned.as_signed_transaction(private, chain_id=self.chain_id).encode())
        return bytes(unsigned.as_signed_transaction(private).encode())

    def encode_without_signature(self) -> bytes:
        """Return the encoding with a signature of zeros, as for an impersonated sender."""
        signed = self.sign(_ANY_KEY)
        prefix = signed[:1] if signed[0] < _MIN_LEGACY else b""
        fields: Any = codec.decode(signed[len(prefix) :])
        parity = [b""] if prefix else fields[-3:-2]
        return prefix + encode_raw([*fields[:-3], *parity, b"", b""])

    def _to_evm_transaction(self) -> UnsignedTransactionAPI:
        build = PragueTransactionBuilder
        common: dict[str, Any] = {
            "nonce": self.nonce,
            "gas": self.gas,
            "to": Address(b"" if self.to is None else bytes(self.to)),
            "value": self.value,
            "data": bytes(self.data),
        }
        typed: dict[str, Any] = {**common, "chain_id": self.chain_id, "access_list": self.access_list or ()}
        match self.fees:
            case GasPrice(price) if self.access_list is None:
                return build.create_unsigned_transaction(**common, gas_price=price)
            case GasPrice(price):
                return build.new_unsigned_access_list_transaction(**typed, gas_price=price)
            case GasFees(most, tip):
                typed |= {"max_fee_per_gas": most, "max_priority_fee_per_gas": tip}
                if not self.authorizations:
                    return build.new_unsigned_dynamic_fee_transaction(**typed)
                authorization_list = [to_evm_authorization(one) for one in self.authorizations]
                return build.new_unsigned_set_code_transaction(**typed, authorization_list=authorization_list)
            case _:
                assert_never(self.fees)
