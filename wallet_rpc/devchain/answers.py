"""JSON representations of blocks, transactions, receipts and logs, as viem, ethers and web3.py decode them.

Absent values of these objects are null, not left out, and amounts are minimal hex. They are therefore built here as
plain JSON values, without `wire`. Source: Ethereum execution-apis; geth.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from eth.abc import SignedTransactionAPI

from wallet_rpc.devchain.bloom import logs_bloom
from wallet_rpc.devchain.evm import EventLog
from wallet_rpc.devchain.ledger import EMPTY_ROOT, NO_REQUESTS, NO_UNCLES, Block, Inclusion
from wallet_rpc.devchain.sent_transaction import SentTransaction

JsonValue: TypeAlias = Any
"""A JSON value."""


def format_data(value: bytes) -> str:
    """Encode bytes as 0x-prefixed hex."""
    return "0x" + value.hex()


def format_block(made: Block, *, full: bool) -> dict[str, JsonValue]:
    """Format a block, with its transactions as objects when `full`, else as their hashes."""
    transactions: list[JsonValue] = [
        format_transaction(made, inclusion) if full else format_data(inclusion.hash) for inclusion in made.inclusions
    ]
    return {
        "number": hex(made.number),
        "hash": format_data(made.hash),
        "parentHash": format_data(made.parent_hash),
        "nonce": format_data(bytes(8)),
        "mixHash": format_data(bytes(32)),
        "sha3Uncles": format_data(NO_UNCLES),
        "logsBloom": format_data(made.bloom),
        "transactionsRoot": format_data(made.transactions_root),
        "stateRoot": format_data(made.state_root),
        "receiptsRoot": format_data(made.receipts_root),
        "miner": format_data(made.coinbase),
        "difficulty": "0x0",
        "totalDifficulty": "0x0",
        "extraData": "0x",
        "size": hex(made.size),
        "gasLimit": hex(made.gas_limit),
        "gasUsed": hex(made.gas_used),
        "timestamp": hex(made.timestamp),
        "baseFeePerGas": hex(made.base_fee),
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": format_data(bytes(32)),
        "requestsHash": format_data(NO_REQUESTS),
        "withdrawalsRoot": format_data(EMPTY_ROOT),
        "withdrawals": [],
        "transactions": transactions,
        "uncles": [],
    }


def format_transaction(made: Block, inclusion: Inclusion) -> dict[str, JsonValue]:
    """Format a mined transaction."""
    return {
        **_transaction_fields(inclusion.transaction, inclusion.kind),
        "hash": format_data(inclusion.hash),
        "blockHash": format_data(made.hash),
        "blockNumber": hex(made.number),
        "blockTimestamp": hex(made.timestamp),
        "transactionIndex": hex(inclusion.index),
        "from": format_data(inclusion.sender),
        "gasPrice": hex(inclusion.gas_price),
    }


def format_pending(sent: SentTransaction, base_fee: int) -> dict[str, JsonValue]:
    """Format a transaction of the mempool, which is in no block."""
    transaction = sent.transaction
    return {
        **_transaction_fields(transaction, transaction.type_id or 0),
        "hash": format_data(sent.hash),
        "blockHash": None,
        "blockNumber": None,
        "transactionIndex": None,
        "from": format_data(sent.sender),
        "gasPrice": hex(min(transaction.max_fee_per_gas, transaction.max_priority_fee_per_gas + base_fee)),
    }


def _transaction_fields(signed: SignedTransactionAPI, kind: int) -> dict[str, JsonValue]:
    """Return the fields that the sender chose, and the signature."""
    return {
        "type": hex(kind),
        "to": format_data(signed.to) if signed.to else None,
        "nonce": hex(signed.nonce),
        "value": hex(signed.value),
        "gas": hex(signed.gas),
        "input": format_data(signed.data),
        "r": hex(signed.r),
        "s": hex(signed.s),
        **(_typed_fields(signed, kind) if kind else _legacy_fields(signed)),
    }


def _legacy_fields(signed: Any) -> dict[str, JsonValue]:
    chain = {} if signed.chain_id is None else {"chainId": hex(signed.chain_id)}
    return {"v": hex(signed.v), **chain}


def _typed_fields(signed: SignedTransactionAPI, kind: int) -> dict[str, JsonValue]:
    parity = hex(signed.y_parity)
    fields: dict[str, JsonValue] = {
        "chainId": hex(signed.chain_id or 0),
        "v": parity,
        "yParity": parity,
        "accessList": [
            {"address": format_data(address), "storageKeys": [format_data(slot.to_bytes(32)) for slot in slots]}
            for address, slots in signed.access_list
        ],
    }
    if kind >= 2:
        fields["maxFeePerGas"] = hex(signed.max_fee_per_gas)
        fields["maxPriorityFeePerGas"] = hex(signed.max_priority_fee_per_gas)
    if kind == 4:
        fields["authorizationList"] = [_authorization(signed_by) for signed_by in signed.authorization_list]
    return fields


def _authorization(signed: Any) -> dict[str, JsonValue]:
    return {
        "chainId": hex(signed.chain_id),
        "address": format_data(signed.address),
        "nonce": hex(signed.nonce),
        "yParity": hex(signed.y_parity),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }


def format_receipt(made: Block, inclusion: Inclusion) -> dict[str, JsonValue]:
    """Format the receipt of a mined transaction."""
    signed = inclusion.transaction
    return {
        "transactionHash": format_data(inclusion.hash),
        "transactionIndex": hex(inclusion.index),
        "blockHash": format_data(made.hash),
        "blockNumber": hex(made.number),
        "from": format_data(inclusion.sender),
        "to": format_data(signed.to) if signed.to else None,
        "contractAddress": None if inclusion.contract_address is None else format_data(inclusion.contract_address),
        "status": "0x1" if inclusion.success else "0x0",
        "type": hex(inclusion.kind),
        "gasUsed": hex(inclusion.gas_used),
        "cumulativeGasUsed": hex(inclusion.gas_before + inclusion.gas_used),
        "effectiveGasPrice": hex(inclusion.gas_price),
        "logs": format_logs(made, inclusion),
        "logsBloom": format_data(logs_bloom(inclusion.logs)),
    }


def format_logs(made: Block, inclusion: Inclusion) -> list[JsonValue]:
    """Format all logs of a transaction."""
    return [format_log(made, inclusion, position) for position in range(len(inclusion.logs))]


def format_log(made: Block, inclusion: Inclusion, position: int) -> dict[str, JsonValue]:
    """Format the log at `position` in its transaction."""
    event: EventLog = inclusion.logs[position]
    return {
        "address": format_data(event.address),
        "topics": [format_data(topic) for topic in event.topics],
        "data": format_data(event.data),
        "blockHash": format_data(made.hash),
        "blockNumber": hex(made.number),
        "blockTimestamp": hex(made.timestamp),
        "transactionHash": format_data(inclusion.hash),
        "transactionIndex": hex(inclusion.index),
        "logIndex": hex(inclusion.logs_before + position),
        "removed": False,
    }
