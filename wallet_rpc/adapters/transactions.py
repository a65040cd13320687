"""Transactions that this server signs with a key and sends to a node: gas limit, fees, signature and submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from eth_keys.datatypes import PrivateKey

from wallet_rpc.adapters.client import ErrorMapper
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.domain.gas import max_fee
from wallet_rpc.ports import Fees
from wallet_rpc.primitives import Address, Data, Hash32
from wallet_rpc.worker_threads import compute

TRANSACTION_MARGIN_PERCENT = 20
"""Margin of a transaction's gas limit over the estimate, in percent."""


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A signed transaction in the encoding of `eth_sendRawTransaction`, and its hash."""

    data: Data
    hash: Hash32


def add_transaction_margin(gas: int) -> int:
    """Add the margin to an estimate of gas; rounded down."""
    return gas * (100 + TRANSACTION_MARGIN_PERCENT) // 100


def build_fee_fields(fees: Fees) -> dict[str, int]:
    """Return the fee fields of a transaction, in wei per gas, that stay valid for about three full blocks."""
    return {
        "maxFeePerGas": max_fee(fees.base_fee_per_gas, fees.max_priority_fee_per_gas),
        "maxPriorityFeePerGas": fees.max_priority_fee_per_gas,
    }


def signer_of(key: bytes) -> Address:
    """Return the address of a private key."""
    return Address(PrivateKey(key).public_key.to_canonical_address())


async def sign_transaction(key: bytes, fields: Mapping[str, Any]) -> RawTransaction:
    """Sign a transaction, given by its JSON-RPC field names and Python values."""
    return await compute(partial(_sign_transaction, key, dict(fields)))


def _sign_transaction(key: bytes, fields: dict[str, Any]) -> RawTransaction:
    from eth_account import Account  # noqa: PLC0415  # half a second, which most servers save: they sign no transaction

    signed = Account.sign_transaction(fields, key)
    return RawTransaction(Data(signed.raw_transaction), Hash32(signed.hash))


async def submit_transaction(node: Rpc, transaction: RawTransaction, *, map_error: ErrorMapper) -> None:
    """Send the transaction once.

    Raises: the error that `map_error` returns; Unavailable; OutcomeUnknown when the node may have accepted it.
    """
    await node.write("eth_sendRawTransaction", [transaction.data.hex0x()], map_error=map_error)
