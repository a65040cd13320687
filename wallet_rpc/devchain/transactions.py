"""Sending transactions: signed ones, and those of the development accounts, whose keys the chain knows."""

from __future__ import annotations

from typing import Any

from eth_account import Account

from wallet_rpc.devchain import accounts
from wallet_rpc.devchain.call_request import CallRequest
from wallet_rpc.devchain.calls import EstimateAt, estimate
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.faults import NodeRefusal
from wallet_rpc.devchain.state_reads import PRIORITY_FEE
from wallet_rpc.domain.abi import keccak
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.wire import shape

_KEYS = {account.address: account.key for account in accounts.ACCOUNTS}


@shape
class SignedTransaction:
    """A signed transaction in its canonical encoding."""

    transaction: Data


@shape
class UnsignedTransaction:
    """A transaction for a development account to sign."""

    transaction: CallRequest


async def send_raw(context: DevChain, request: SignedTransaction) -> Hash32:
    """`eth_sendRawTransaction`: mined before the answer; one that reverts is mined too."""
    return _mined(context, request.transaction)


async def send(context: DevChain, request: UnsignedTransaction) -> Hash32:
    """`eth_sendTransaction`, from a development account. Raises: NodeRefusal for any other sender."""
    wanted = request.transaction
    if wanted.sender is None:
        raise InvalidParams("transaction.from: required, but absent", field="params.transaction.from")
    key = _KEYS.get(wanted.sender)
    if key is None:
        raise NodeRefusal("unknown account", reason="unknown_account")
    gas = await estimate(context, EstimateAt(transaction=wanted)) if wanted.gas is None else wanted.gas
    chain = context.chain
    fields: dict[str, Any] = {
        "chainId": chain.config.chain_id,
        "nonce": chain.nonce(wanted.sender) if wanted.nonce is None else wanted.nonce,
        "gas": gas,
        "value": 0 if wanted.value is None else wanted.value,
        "data": wanted.call_data,
        **_fees(chain.config.base_fee, wanted),
    }
    if wanted.to is not None:
        fields["to"] = wanted.to.hex0x()
    return _mined(context, Account.sign_transaction(fields, key).raw_transaction)


def _fees(base_fee: int, wanted: CallRequest) -> dict[str, int]:
    if wanted.gas_price is not None:
        return {"gasPrice": wanted.gas_price}
    tip = PRIORITY_FEE if wanted.max_priority_fee_per_gas is None else wanted.max_priority_fee_per_gas
    fee = base_fee + tip if wanted.max_fee_per_gas is None else wanted.max_fee_per_gas
    return {"maxFeePerGas": fee, "maxPriorityFeePerGas": min(tip, fee)}


def _mined(context: DevChain, raw: bytes) -> Hash32:
    context.chain.send(raw)
    return keccak(raw)


OPERATIONS = (
    Operation("eth_sendRawTransaction", SignedTransaction, Hash32, send_raw, positional=True),
    Operation("eth_sendTransaction", UnsignedTransaction, Hash32, send, positional=True),
)
"""Writes."""
