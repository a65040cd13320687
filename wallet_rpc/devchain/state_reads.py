"""Reads of accounts and of the node itself: balances, code, storage, fees, ids and versions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated

from pydantic import Field

from wallet_rpc import __version__
from wallet_rpc.devchain import accounts
from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.block_reference import BlockReference, resolve_height, resolve_tag
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.ledger import Block
from wallet_rpc.devchain.node_errors import UnknownBlock
from wallet_rpc.domain.abi import keccak
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import (
    Address,
    BlockNumber,
    ChainId,
    Data,
    Hash32,
    TransactionCount,
    Uint256,
    Wei,
    WeiPerGas,
    preview,
)
from wallet_rpc.wire import shape

PRIORITY_FEE = 10**9
"""The fee of `eth_maxPriorityFeePerGas`, in wei per gas, typical of real chains. Lower fees are accepted too."""
_MAX_FEE_BLOCKS = 1024
MAX_PERCENTILES = 100
"""The maximum number of percentiles in one request. Source: geth."""


@shape
class NoParams:
    """No parameters."""


@shape
class AccountRequest:
    """An account at a block."""

    address: Address
    block: BlockReference | None = "latest"


@shape
class StorageRequest:
    """A storage word of an account at a block."""

    address: Address
    slot: Uint256
    block: BlockReference | None = "latest"


@shape
class DataRequest:
    """The data to hash."""

    data: Data


@shape
class FeeHistoryRequest:
    """The number of blocks, the newest of them, and the percentiles of their priority fees."""

    block_count: BlockNumber
    newest_block: str
    reward_percentiles: (
        Annotated[tuple[Annotated[float, Field(strict=True)], ...], Field(max_length=MAX_PERCENTILES)] | None
    ) = None


async def get_balance(context: DevChain, request: AccountRequest) -> int:
    """`eth_getBalance`."""
    return context.chain.balance(request.address, resolve_height(context.chain, request.block))


async def get_code(context: DevChain, request: AccountRequest) -> Data:
    """`eth_getCode`."""
    return Data(context.chain.code(request.address, resolve_height(context.chain, request.block)))


async def get_transaction_count(context: DevChain, request: AccountRequest) -> int:
    """`eth_getTransactionCount`."""
    return context.chain.nonce(request.address, resolve_height(context.chain, request.block))


async def get_storage_at(context: DevChain, request: StorageRequest) -> Hash32:
    """`eth_getStorageAt`."""
    word = context.chain.storage(request.address, request.slot, resolve_height(context.chain, request.block))
    return Hash32(word.to_bytes(32))


async def get_chain_id(context: DevChain, request: NoParams) -> int:
    """`eth_chainId`."""
    return context.chain.config.chain_id


async def get_network_id(context: DevChain, request: NoParams) -> str:
    """`net_version`: the chain id, decimal."""
    return str(context.chain.config.chain_id)


async def get_block_number(context: DevChain, request: NoParams) -> int:
    """`eth_blockNumber`."""
    return context.chain.head.number


async def get_gas_price(context: DevChain, request: NoParams) -> int:
    """`eth_gasPrice`: base fee and the suggested priority fee."""
    return context.chain.base_fee + PRIORITY_FEE


async def get_max_priority_fee(context: DevChain, request: NoParams) -> int:
    """`eth_maxPriorityFeePerGas`."""
    return PRIORITY_FEE


async def get_fee_history(context: DevChain, request: FeeHistoryRequest) -> JsonValue:
    """`eth_feeHistory`: at least one block and at most 1024. Raises: InvalidParams, UnknownBlock."""
    percentiles = request.reward_percentiles or ()
    _check_percentiles(percentiles)
    newest = _find_newest_block(context.chain, request.newest_block)
    count = min(max(request.block_count, 1), _MAX_FEE_BLOCKS, newest.number - context.chain.first_number + 1)
    oldest = newest.number - count + 1
    stored = [context.chain.block(number) for number in range(oldest, newest.number + 1)]
    blocks = [block for block in stored if block is not None]
    answer: dict[str, JsonValue] = {
        "oldestBlock": hex(oldest),
        "baseFeePerGas": [*(hex(block.base_fee) for block in blocks), hex(_following_base_fee(context.chain, newest))],
        "gasUsedRatio": [block.gas_used / block.gas_limit for block in blocks],
        "baseFeePerBlobGas": ["0x1"] * (len(blocks) + 1),
        "blobGasUsedRatio": [0.0] * len(blocks),
    }
    if percentiles:
        answer["reward"] = [[hex(tip) for tip in _tips(block, percentiles)] for block in blocks]
    return answer


def _tips(block: Block, percentiles: Sequence[float]) -> list[int]:
    """Return the priority fee at each percentile of the block's gas."""
    tips = sorted((one.gas_price - block.base_fee, one.gas_used) for one in block.inclusions)
    sums = list(accumulate(gas for _, gas in tips))
    found = [bisect_left(sums, block.gas_used * percentile / 100) for percentile in percentiles]
    return [tips[min(position, len(tips) - 1)][0] if tips else 0 for position in found]


def _following_base_fee(chain: Blockchain, block: Block) -> int:
    following = chain.block(block.number + 1)
    return chain.base_fee if following is None else following.base_fee


def _find_newest_block(chain: Blockchain, tag: str) -> Block:
    """Return the last block of the requested range; `pending` is the latest."""
    number = resolve_tag(chain, tag, at="params.newestBlock")
    found = chain.head if number is None or number == PENDING_BLOCK else chain.block(number)
    if found is None:
        raise UnknownBlock
    return found


def _check_percentiles(percentiles: tuple[float, ...]) -> None:
    """Check that each percentile is from 0 to 100 and above the previous one, as in geth. Raises: InvalidParams."""
    before = -1.0
    for position, percentile in enumerate(percentiles):
        at = f"params.rewardPercentiles[{position}]"
        if not 0 <= percentile <= 100:
            raise InvalidParams(field=at, expected="from 0 to 100", given=percentile)
        if percentile <= before:
            raise InvalidParams(field=at, expected=f"more than {preview(before)}", given=percentile)
        before = percentile


async def get_accounts(context: DevChain, request: NoParams) -> tuple[Address, ...]:
    """`eth_accounts`: the ten development accounts, then the impersonated ones; ethers makes signers of these only."""
    own = tuple(account.address for account in accounts.ACCOUNTS)
    return (*own, *(Address(one) for one in sorted(context.chain.settings.impersonated) if one not in own))


async def is_syncing(context: DevChain, request: NoParams) -> bool:
    """`eth_syncing`: always false."""
    return False


async def is_listening(context: DevChain, request: NoParams) -> bool:
    """`net_listening`: always true."""
    return True


async def get_client_version(context: DevChain, request: NoParams) -> str:
    """`web3_clientVersion`."""
    return f"wallet-rpc/{__version__}/devchain"


async def hash_data(context: DevChain, request: DataRequest) -> Hash32:
    """`web3_sha3`: keccak256."""
    return keccak(request.data)


OPERATIONS = (
    Operation("eth_chainId", NoParams, ChainId, get_chain_id, positional=True),
    Operation("eth_blockNumber", NoParams, BlockNumber, get_block_number, positional=True),
    Operation("eth_getBalance", AccountRequest, Wei, get_balance, positional=True),
    Operation("eth_getCode", AccountRequest, Data, get_code, positional=True),
    Operation("eth_getStorageAt", StorageRequest, Hash32, get_storage_at, positional=True),
    Operation("eth_getTransactionCount", AccountRequest, TransactionCount, get_transaction_count, positional=True),
    Operation("eth_gasPrice", NoParams, WeiPerGas, get_gas_price, positional=True),
    Operation("eth_maxPriorityFeePerGas", NoParams, WeiPerGas, get_max_priority_fee, positional=True),
    Operation("eth_feeHistory", FeeHistoryRequest, JsonValue, get_fee_history, positional=True),
    Operation("eth_accounts", NoParams, tuple[Address, ...], get_accounts, positional=True),
    Operation("eth_syncing", NoParams, bool, is_syncing, positional=True),
    Operation("net_version", NoParams, str, get_network_id, positional=True),
    Operation("net_listening", NoParams, bool, is_listening, positional=True),
    Operation("web3_clientVersion", NoParams, str, get_client_version, positional=True),
    Operation("web3_sha3", DataRequest, Hash32, hash_data, positional=True),
)
"""All reads of accounts and of the node."""
