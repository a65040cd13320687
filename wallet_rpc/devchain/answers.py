"""Blocks, transactions, receipts and logs as nodes write them: the JSON that viem, ethers and web3.py decode.

The rule: absent values of these objects are null, not left out, and amounts are minimal hex; so they are made here as
plain JSON values, outside `wire`. Source: Ethereum execution-apis; geth.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from eth.abc import SignedTransactionAPI

from wallet_rpc.devchain.evm import Log
from wallet_rpc.devchain.ledger import EMPTY_ROOT, NO_REQUESTS, NO_UNCLES, Block, Inclusion, logs_bloom

Json: TypeAlias = Any
"""A JSON value."""


def data(value: bytes) -> str:
    """Bytes."""
    return "0x" + value.hex()


def block(made: Block, *, full: bool) -> dict[str, Json]:
    """A block; its transaction as an object when `full`, else as its hash."""
    inclusion = made.inclusion
    listed: list[Json] = []
    if inclusion is not None:
        listed = [transaction(made, inclusion) if full else data(inclusion.hash)]
    return {
        "number": hex(made.number),
        "hash": data(made.hash),
        "parentHash": data(made.parent_hash),
        "nonce": data(bytes(8)),
        "mixHash": data(bytes(32)),
        "sha3Uncles": data(NO_UNCLES),
        "logsBloom": data(made.bloom),
        "transactionsRoot": data(made.transactions_root),
        "stateRoot": data(made.state_root),
        "receiptsRoot": data(made.receipts_root),
        "miner": data(made.coinbase),
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
        "parentBeaconBlockRoot": data(bytes(32)),
        "requestsHash": data(NO_REQUESTS),
        "withdrawalsRoot": data(EMPTY_ROOT),
        "withdrawals": [],
        "transactions": listed,
        "uncles": [],
    }


def transaction(made: Block, inclusion: Inclusion) -> dict[str, Json]:
    """A mined transaction."""
    signed = inclusion.transaction
    kind = inclusion.kind
    return {
        "hash": data(inclusion.hash),
        "blockHash": data(made.hash),
        "blockNumber": hex(made.number),
        "blockTimestamp": hex(made.timestamp),
        "transactionIndex": "0x0",
        "type": hex(kind),
        "from": data(inclusion.sender),
        "to": data(signed.to) if signed.to else None,
        "nonce": hex(signed.nonce),
        "value": hex(signed.value),
        "gas": hex(signed.gas),
        "gasPrice": hex(inclusion.gas_price),
        "input": data(signed.data),
        "r": hex(signed.r),
        "s": hex(signed.s),
        **(_typed(signed, kind) if kind else _legacy(signed)),
    }


def _legacy(signed: Any) -> dict[str, Json]:
    chain = {} if signed.chain_id is None else {"chainId": hex(signed.chain_id)}
    return {"v": hex(signed.v), **chain}


def _typed(signed: SignedTransactionAPI, kind: int) -> dict[str, Json]:
    parity = hex(signed.y_parity)
    fields: dict[str, Json] = {
        "chainId": hex(signed.chain_id or 0),
        "v": parity,
        "yParity": parity,
        "accessList": [
            {"address": data(address), "storageKeys": [data(slot.to_bytes(32)) for slot in slots]}
            for address, slots in signed.access_list
        ],
    }
    if kind >= 2:
        fields["maxFeePerGas"] = hex(signed.max_fee_per_gas)
        fields["maxPriorityFeePerGas"] = hex(signed.max_priority_fee_per_gas)
    if kind == 4:
        fields["authorizationList"] = [_authorization(signed_by) for signed_by in signed.authorization_list]
    return fields


def _authorization(signed: Any) -> dict[str, Json]:
    return {
        "chainId": hex(signed.chain_id),
        "address": data(signed.address),
        "nonce": hex(signed.nonce),
        "yParity": hex(signed.y_parity),
        "r": hex(signed.r),
        "s": hex(signed.s),
    }


def receipt(made: Block, inclusion: Inclusion) -> dict[str, Json]:
    """What came of a mined transaction."""
    signed = inclusion.transaction
    return {
        "transactionHash": data(inclusion.hash),
        "transactionIndex": "0x0",
        "blockHash": data(made.hash),
        "blockNumber": hex(made.number),
        "from": data(inclusion.sender),
        "to": data(signed.to) if signed.to else None,
        "contractAddress": None if inclusion.created is None else data(inclusion.created),
        "status": "0x1" if inclusion.success else "0x0",
        "type": hex(inclusion.kind),
        "gasUsed": hex(inclusion.gas_used),
        "cumulativeGasUsed": hex(inclusion.gas_used),
        "effectiveGasPrice": hex(inclusion.gas_price),
        "logs": logs(made, inclusion),
        "logsBloom": data(logs_bloom(inclusion.logs)),
    }


def logs(made: Block, inclusion: Inclusion) -> list[Json]:
    """All logs of a transaction."""
    return [log(made, inclusion, position) for position in range(len(inclusion.logs))]


def log(made: Block, inclusion: Inclusion, position: int) -> dict[str, Json]:
    """One log."""
    event: Log = inclusion.logs[position]
    return {
        "address": data(event.address),
        "topics": [data(topic) for topic in event.topics],
        "data": data(event.data),
        "blockHash": data(made.hash),
        "blockNumber": hex(made.number),
        "blockTimestamp": hex(made.timestamp),
        "transactionHash": data(inclusion.hash),
        "transactionIndex": "0x0",
        "logIndex": hex(position),
        "removed": False,
    }
