"""Methods that send transactions: signed by the client, or here with a development account's key, or without one."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.devchain import accounts
from wallet_rpc.devchain.admission import TRANSACTION_TYPES, read_transaction, unsupported_type
from wallet_rpc.devchain.call_request import CallRequest
from wallet_rpc.devchain.calls import EstimateGasRequest, estimate_gas
from wallet_rpc.devchain.chain import PENDING_BLOCK
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.devchain.sent_transaction import SentTransaction
from wallet_rpc.devchain.signing import GasFees, GasPrice, UnsignedTransaction
from wallet_rpc.devchain.state_reads import PRIORITY_FEE
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Data, Hash32
from wallet_rpc.wire import shape

_KEYS = {account.address: account.key for account in accounts.ACCOUNTS}
_AT = "params.transaction"
_FORBIDDEN = {
    0: ("access_list", "max_fee_per_gas", "max_priority_fee_per_gas", "authorization_list"),
    1: ("max_fee_per_gas", "max_priority_fee_per_gas", "authorization_list"),
    2: ("gas_price", "authorization_list"),
    4: ("gas_price",),
}
"""The fields that a transaction of each type must not have."""
_NAMES = {
    "access_list": "accessList",
    "authorization_list": "authorizationList",
    "gas_price": "gasPrice",
    "max_fee_per_gas": "maxFeePerGas",
    "max_priority_fee_per_gas": "maxPriorityFeePerGas",
}


@shape
class SignedTransaction:
    """A signed transaction in its canonical encoding."""

    transaction: Data


@shape
class TransactionToSign:
    """An unsigned transaction from a development account."""

    transaction: CallRequest


async def send_raw_transaction(context: DevChain, request: SignedTransaction) -> Hash32:
    """`eth_sendRawTransaction`: with automatic mining it is mined before the response, even if it reverts."""
    sent = read_transaction(request.transaction)
    context.chain.submit(sent)
    return Hash32(sent.hash)


async def send_transaction(context: DevChain, request: TransactionToSign) -> Hash32:
    """`eth_sendTransaction` from a development account: signs the given fields unchanged, and fills in absent ones.

    Raises: NodeRejection for a sender that is not a development account, a wrong chain id, or an unsupported type;
    InvalidParams for fields that contradict each other.
    """
    transaction = request.transaction
    if transaction.sender is None:
        raise InvalidParams("required, but absent", field=f"{_AT}.from")
    chain = context.chain
    is_impersonated = chain.settings.is_impersonated(transaction.sender)
    if not is_impersonated and transaction.sender not in _KEYS:
        text = "unknown account: expected a development account or an impersonated one (anvil_impersonateAccount)"
        raise NodeRejection(text, reason="unknown_account")
    unsigned = await _fill(context, transaction)
    if is_impersonated:
        sent = SentTransaction.impersonate(unsigned.encode_without_signature(), transaction.sender)
    else:
        sent = read_transaction(unsigned.sign(_KEYS[transaction.sender]))
    chain.submit(sent)
    return Hash32(sent.hash)


async def send_unsigned_transaction(context: DevChain, request: TransactionToSign) -> Hash32:
    """`eth_sendUnsignedTransaction`: sends the transaction from any account, without its signature."""
    transaction = request.transaction
    if transaction.sender is None:
        raise InvalidParams("required, but absent", field=f"{_AT}.from")
    unsigned = await _fill(context, transaction)
    sent = SentTransaction.impersonate(unsigned.encode_without_signature(), transaction.sender)
    context.chain.submit(sent)
    return Hash32(sent.hash)


async def _fill(context: DevChain, transaction: CallRequest) -> UnsignedTransaction:
    """Build the transaction from the given fields and fill in absent ones."""
    chain, sender = context.chain, transaction.sender
    if sender is None:
        raise InvalidParams("required, but absent", field=f"{_AT}.from")
    transaction.check(chain.config.chain_id)
    kind = find_transaction_type(transaction)
    unsigned = UnsignedTransaction(
        chain_id=chain.config.chain_id,
        nonce=chain.nonce(sender, PENDING_BLOCK) if transaction.nonce is None else transaction.nonce,
        fees=_fees(kind, transaction, chain.base_fee),
        gas=0 if transaction.gas is None else transaction.gas,
        to=transaction.to,
        value=0 if transaction.value is None else transaction.value,
        data=transaction.call_data,
        access_list=None if kind == 0 else transaction.access_entries or (),
        authorizations=[one.to_domain() for one in transaction.authorization_list or ()],
    )
    if transaction.gas is None:
        gas = await estimate_gas(context, EstimateGasRequest(transaction=transaction))
        return replace(unsigned, gas=gas)
    return unsigned


def find_transaction_type(request: CallRequest) -> int:
    """Return the transaction type that the request names, or else the type that follows from its fields.

    Raises: NodeRejection for an unsupported type; InvalidParams for a field that its type must not have.
    """
    if request.type is not None and request.type not in TRANSACTION_TYPES:
        raise unsupported_type(request.type)
    kind = _infer_type(request) if request.type is None else request.type
    for name in _FORBIDDEN[kind]:
        if getattr(request, name) is not None:
            at = f"{_AT}.{_NAMES[name]}"
            raise InvalidParams(f"expected to be absent from a transaction of type {kind}", field=at)
    if kind == 4 and request.authorization_list is None:
        at = f"{_AT}.authorizationList"
        raise InvalidParams("required for a transaction of type 4, but absent", field=at)
    return kind


def _infer_type(request: CallRequest) -> int:
    if request.authorization_list is not None:
        return 4
    if request.gas_price is None:
        return 2
    return 0 if request.access_list is None else 1


def _fees(kind: int, request: CallRequest, base_fee: int) -> GasPrice | GasFees:
    """Return the request's fees; absent ones default to the suggestions of `eth_gasPrice` and similar methods."""
    if kind < 2:
        return GasPrice(base_fee + PRIORITY_FEE if request.gas_price is None else request.gas_price)
    most, tip = request.max_fee_per_gas, request.max_priority_fee_per_gas
    if tip is None:
        tip = PRIORITY_FEE if most is None else min(PRIORITY_FEE, most)
    return GasFees(base_fee + tip if most is None else most, tip)


OPERATIONS = (
    Operation("eth_sendRawTransaction", SignedTransaction, Hash32, send_raw_transaction, positional=True),
    Operation("eth_sendUnsignedTransaction", TransactionToSign, Hash32, send_unsigned_transaction, positional=True),
    Operation("eth_sendTransaction", TransactionToSign, Hash32, send_transaction, positional=True),
)
"""The methods that send transactions."""
