"""Control methods of mining: automatic and interval mining, and the header values of the next blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.state_reads import PRIORITY_FEE, NoParams
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Uint256, WeiPerGas
from wallet_rpc.wire import shape

_MAX_SECONDS = 1 << 32
_MAX_GAS_LIMIT = (1 << 63) - 1


@shape
class Enabled:
    """The new state of a setting: on or off."""

    enabled: Annotated[bool, Field(strict=True)]


@shape
class Interval:
    """A number of seconds."""

    seconds: Uint256


@shape
class BlockGasLimit:
    """The gas limit of the next blocks."""

    gas_limit: Uint256


@shape
class BaseFee:
    """The base fee of the next block, in wei per gas."""

    base_fee: WeiPerGas


@shape
class GasPriceRequest:
    """A gas price in wei."""

    gas_price: WeiPerGas


@shape
class Coinbase:
    """The coinbase of the next blocks."""

    address: Address


async def get_automine(context: DevChain, request: NoParams) -> bool:
    """`anvil_getAutomine`."""
    return context.chain.settings.automine


async def set_automine(context: DevChain, request: Enabled) -> JsonValue:
    """`evm_setAutomine`: turning it on ends interval mining, as in anvil."""
    settings = context.chain.settings
    if settings.automine != request.enabled:
        interval = 0 if request.enabled else settings.mining_interval
        context.chain.change_settings(replace(settings, automine=request.enabled, mining_interval=interval))


async def get_mining_interval(context: DevChain, request: NoParams) -> int | None:
    """`anvil_getIntervalMining`: the seconds between blocks, or null."""
    return context.chain.settings.mining_interval or None


async def set_mining_interval(context: DevChain, request: Interval) -> JsonValue:
    """`evm_setIntervalMining`: turns automatic mining off, as in anvil; 0 seconds end interval mining."""
    seconds = _check_seconds(request.seconds)
    context.chain.change_settings(replace(context.chain.settings, automine=False, mining_interval=seconds))


async def set_timestamp_interval(context: DevChain, request: Interval) -> JsonValue:
    """`anvil_setBlockTimestampInterval`."""
    seconds = _check_seconds(request.seconds)
    context.chain.change_settings(replace(context.chain.settings, timestamp_interval=seconds))


async def remove_timestamp_interval(context: DevChain, request: NoParams) -> bool:
    """`anvil_removeBlockTimestampInterval`: false when there was none."""
    settings = context.chain.settings
    if settings.timestamp_interval is None:
        return False
    context.chain.change_settings(replace(settings, timestamp_interval=None))
    return True


async def set_gas_limit(context: DevChain, request: BlockGasLimit) -> bool:
    """`evm_setBlockGasLimit`."""
    if request.gas_limit > _MAX_GAS_LIMIT:
        raise InvalidParams(field="params.gasLimit", expected=f"at most {_MAX_GAS_LIMIT}", given=request.gas_limit)
    context.chain.change_settings(replace(context.chain.settings, gas_limit=request.gas_limit))
    return True


async def set_base_fee(context: DevChain, request: BaseFee) -> JsonValue:
    """`anvil_setNextBlockBaseFeePerGas`: the blocks after the next one have the usual base fee again."""
    context.chain.change_settings(replace(context.chain.settings, next_base_fee=request.base_fee))


async def set_min_gas_price(context: DevChain, request: GasPriceRequest) -> JsonValue:
    """`anvil_setMinGasPrice`: always rejected, as in anvil since EIP-1559."""
    text = "anvil_setMinGasPrice is not supported when EIP-1559 is active; use anvil_setNextBlockBaseFeePerGas"
    raise InvalidParams(text, reason="min_gas_price")


async def set_coinbase(context: DevChain, request: Coinbase) -> JsonValue:
    """`anvil_setCoinbase`."""
    context.chain.change_settings(replace(context.chain.settings, coinbase=bytes(request.address)))


async def set_logging(context: DevChain, request: Enabled) -> JsonValue:
    """`anvil_setLoggingEnabled`: without effect, as this chain logs no requests."""


async def get_node_info(context: DevChain, request: NoParams) -> JsonValue:
    """`anvil_nodeInfo`."""
    chain = context.chain
    head = chain.head
    return {
        "currentBlockNumber": hex(head.number),
        "currentBlockTimestamp": head.timestamp,
        "currentBlockHash": format_data(head.hash),
        "hardFork": "Prague",
        "transactionOrder": "fees",
        "environment": _environment(chain),
        "forkConfig": {
            "forkUrl": None if context.upstream is None else context.upstream.url,
            "forkBlockNumber": None if context.upstream is None else context.upstream.block,
            "forkRetryBackoff": None,
        },
    }


def _environment(chain: Blockchain) -> JsonValue:
    return {
        "baseFee": hex(chain.base_fee),
        "chainId": chain.config.chain_id,
        "gasLimit": hex(chain.gas_limit),
        "gasPrice": hex(chain.base_fee + PRIORITY_FEE),
    }


def _check_seconds(seconds: int) -> int:
    if seconds > _MAX_SECONDS:
        raise InvalidParams(field="params.seconds", expected=f"at most {_MAX_SECONDS}", given=seconds)
    return seconds


OPERATIONS = (
    Operation("anvil_nodeInfo", NoParams, JsonValue, get_node_info, positional=True),
    Operation("anvil_getIntervalMining", NoParams, int | None, get_mining_interval, positional=True),
    Operation("anvil_setBlockTimestampInterval", Interval, JsonValue, set_timestamp_interval, positional=True),
    Operation("anvil_removeBlockTimestampInterval", NoParams, bool, remove_timestamp_interval, positional=True),
    *(
        operation
        for maker in ("evm", "anvil")
        for operation in (
            Operation(f"{maker}_setAutomine", Enabled, JsonValue, set_automine, positional=True),
            Operation(f"{maker}_setIntervalMining", Interval, JsonValue, set_mining_interval, positional=True),
            Operation(f"{maker}_setBlockGasLimit", BlockGasLimit, bool, set_gas_limit, positional=True),
        )
    ),
    *(
        operation
        for maker in ("anvil", "hardhat")
        for operation in (
            Operation(f"{maker}_getAutomine", NoParams, bool, get_automine, positional=True),
            Operation(f"{maker}_setNextBlockBaseFeePerGas", BaseFee, JsonValue, set_base_fee, positional=True),
            Operation(f"{maker}_setMinGasPrice", GasPriceRequest, JsonValue, set_min_gas_price, positional=True),
            Operation(f"{maker}_setCoinbase", Coinbase, JsonValue, set_coinbase, positional=True),
            Operation(f"{maker}_setLoggingEnabled", Enabled, JsonValue, set_logging, positional=True),
        )
    ),
)
"""The control methods of mining."""
