"""Reads of accounts and of the node itself: `eth_getBalance` and its like, fees, ids and versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc import __version__
from wallet_rpc.devchain import accounts
from wallet_rpc.devchain.answers import Json
from wallet_rpc.devchain.block_reference import BlockReference, height, tag_height
from wallet_rpc.devchain.chain import PENDING, Chain
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
    shown,
)
from wallet_rpc.wire import shape

PRIORITY_FEE = 10**9
"""What `eth_maxPriorityFeePerGas` suggests, in wei per gas. Any fee is taken; this is a habit of real chains."""
_MOST_FEE_BLOCKS = 1024
MOST_PERCENTILES = 100
"""The most percentiles of one request. Source: geth."""


@shape
class Nothing:
    """No parameters."""


@shape
class AccountAt:
    """An account at a block."""

    address: Address
    block: BlockReference | None = "latest"


@shape
class SlotAt:
    """A storage word of an account at a block."""

    address: Address
    slot: Uint256
    block: BlockReference | None = "latest"


@shape
class SomeData:
    """Bytes."""

    data: Data


@shape
class FeeHistoryRequest:
    """How many blocks up to which, and which shares of their gas to look at."""

    block_count: BlockNumber
    newest_block: str
    reward_percentiles: (
        Annotated[tuple[Annotated[float, Field(strict=True)], ...], Field(max_length=MOST_PERCENTILES)] | None
    ) = None


async def balance(context: DevChain, request: AccountAt) -> int:
    """`eth_getBalance`."""
    return context.chain.balance(request.address, height(context.chain, request.block))


async def code(context: DevChain, request: AccountAt) -> Data:
    """`eth_getCode`."""
    return Data(context.chain.code(request.address, height(context.chain, request.block)))


async def nonce(context: DevChain, request: AccountAt) -> int:
    """`eth_getTransactionCount`."""
    return context.chain.nonce(request.address, height(context.chain, request.block))


async def storage(context: DevChain, request: SlotAt) -> Hash32:
    """`eth_getStorageAt`."""
    word = context.chain.storage(request.address, request.slot, height(context.chain, request.block))
    return Hash32(word.to_bytes(32))


async def chain_id(context: DevChain, request: Nothing) -> int:
    """`eth_chainId`."""
    return context.chain.config.chain_id


async def network_id(context: DevChain, request: Nothing) -> str:
    """`net_version`: the chain id, decimal."""
    return str(context.chain.config.chain_id)


async def block_number(context: DevChain, request: Nothing) -> int:
    """`eth_blockNumber`."""
    return context.chain.head.number


async def gas_price(context: DevChain, request: Nothing) -> int:
    """`eth_gasPrice`: base fee and the suggested priority fee."""
    return context.chain.config.base_fee + PRIORITY_FEE


async def priority_fee(context: DevChain, request: Nothing) -> int:
    """`eth_maxPriorityFeePerGas`."""
    return PRIORITY_FEE


async def fee_history(context: DevChain, request: FeeHistoryRequest) -> Json:
    """`eth_feeHistory`: at least one block and at most 1024. Raises: InvalidParams, UnknownBlock."""
    percentiles = request.reward_percentiles or ()
    _check_percentiles(percentiles)
    newest = _newest(context.chain, request.newest_block)
    wanted = min(max(request.block_count, 1), _MOST_FEE_BLOCKS, newest.number - context.chain.first_number + 1)
    kept = [context.chain.block(number) for number in range(newest.number - wanted + 1, newest.number + 1)]
    blocks = [block for block in kept if block is not None]
    answer: dict[str, Json] = {
        "oldestBlock": hex(newest.number - wanted + 1),
        "baseFeePerGas": [hex(block.base_fee) for block in [*blocks, newest]],
        "gasUsedRatio": [block.gas_used / block.gas_limit for block in blocks],
        "baseFeePerBlobGas": ["0x1"] * (len(blocks) + 1),
        "blobGasUsedRatio": [0.0] * len(blocks),
    }
    if percentiles:
        tips = [0 if block.inclusion is None else block.inclusion.gas_price - block.base_fee for block in blocks]
        answer["reward"] = [[hex(tip)] * len(percentiles) for tip in tips]
    return answer


def _newest(chain: Chain, tag: str) -> Block:
    """The last block of the history; `pending` is the newest, as nothing is ever pending."""
    number = tag_height(chain, tag)
    found = chain.head if number is None or number == PENDING else chain.block(number)
    if found is None:
        raise UnknownBlock
    return found


def _check_percentiles(percentiles: tuple[float, ...]) -> None:
    """Raises: InvalidParams unless each is from 0 to 100 and above the one before, as geth wants them."""
    before = -1.0
    for position, percentile in enumerate(percentiles):
        at = f"params.rewardPercentiles[{position}]"
        if not 0 <= percentile <= 100:
            raise InvalidParams(f"{at}: expected from 0 to 100, got {shown(percentile)}", field=at)
        if percentile <= before:
            raise InvalidParams(f"{at}: expected more than {shown(before)}, got {shown(percentile)}", field=at)
        before = percentile


async def own_accounts(context: DevChain, request: Nothing) -> tuple[Address, ...]:
    """`eth_accounts`: the ten development accounts."""
    return tuple(account.address for account in accounts.ACCOUNTS)


async def no(context: DevChain, request: Nothing) -> bool:
    """`eth_syncing`: never."""
    return False


async def yes(context: DevChain, request: Nothing) -> bool:
    """`net_listening`."""
    return True


async def version(context: DevChain, request: Nothing) -> str:
    """`web3_clientVersion`."""
    return f"wallet-rpc/{__version__}/devchain"


async def hashed(context: DevChain, request: SomeData) -> Hash32:
    """`web3_sha3`: keccak256."""
    return keccak(request.data)


OPERATIONS = (
    Operation("eth_chainId", Nothing, ChainId, chain_id, positional=True),
    Operation("eth_blockNumber", Nothing, BlockNumber, block_number, positional=True),
    Operation("eth_getBalance", AccountAt, Wei, balance, positional=True),
    Operation("eth_getCode", AccountAt, Data, code, positional=True),
    Operation("eth_getStorageAt", SlotAt, Hash32, storage, positional=True),
    Operation("eth_getTransactionCount", AccountAt, TransactionCount, nonce, positional=True),
    Operation("eth_gasPrice", Nothing, WeiPerGas, gas_price, positional=True),
    Operation("eth_maxPriorityFeePerGas", Nothing, WeiPerGas, priority_fee, positional=True),
    Operation("eth_feeHistory", FeeHistoryRequest, Json, fee_history, positional=True),
    Operation("eth_accounts", Nothing, tuple[Address, ...], own_accounts, positional=True),
    Operation("eth_syncing", Nothing, bool, no, positional=True),
    Operation("net_version", Nothing, str, network_id, positional=True),
    Operation("net_listening", Nothing, bool, yes, positional=True),
    Operation("web3_clientVersion", Nothing, str, version, positional=True),
    Operation("web3_sha3", SomeData, Hash32, hashed, positional=True),
)
"""Reads of accounts and of the node."""
