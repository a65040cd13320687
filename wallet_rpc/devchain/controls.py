"""Control methods for tests that no real chain has: snapshots, time, direct changes of accounts.

Each method has anvil's name. Methods that hardhat has too are available under both names.
"""

from __future__ import annotations

from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Data, Hash32, TransactionCount, Uint256, Wei
from wallet_rpc.wire import shape

_MAX_BLOCKS = 10_000
_FIRST_MILLISECONDS = 10**12
"""The smallest Unix time that is one in milliseconds, as JavaScript's `Date` has it."""
_MAX_SNAPSHOTS = (1 << 63) - 1


@shape
class SnapshotId:
    """A snapshot's number."""

    snapshot: Uint256


@shape
class MineSettings:
    """The time of the first block, and the number of blocks."""

    timestamp: Uint256 | None = None
    blocks: Uint256 | None = None


@shape
class MineOne:
    """The time of the block (now when absent), or settings for several blocks."""

    at: Uint256 | MineSettings | None = None


@shape
class MineMany:
    """The number of blocks (one when absent) and the seconds between them."""

    blocks: Uint256 | None = None
    interval: Uint256 | None = None


@shape
class Forking:
    """The node and the block to fork."""

    json_rpc_url: str | None = None
    block_number: Uint256 | None = None


@shape
class ResetSettings:
    """The chain to fork after a reset; none by default."""

    forking: Forking | None = None


@shape
class ResetRequest:
    """Settings of a reset."""

    settings: ResetSettings | None = None


@shape
class RpcUrl:
    """The URL of the forked chain's node."""

    url: str


@shape
class SecondsRequest:
    """A duration in seconds, or a Unix time."""

    seconds: Uint256


@shape
class SetBalance:
    """An account's new balance."""

    address: Address
    balance: Wei


@shape
class SetCode:
    """An account's new code."""

    address: Address
    code: Data


@shape
class SetNonce:
    """An account's next nonce."""

    address: Address
    nonce: TransactionCount


@shape
class SetSlot:
    """A new storage word of an account."""

    address: Address
    slot: Uint256
    value: Hash32


async def snapshot(context: DevChain, request: NoParams) -> int:
    """`evm_snapshot`: returns the snapshot's number."""
    return context.chain.snapshot()


async def revert(context: DevChain, request: SnapshotId) -> bool:
    """`evm_revert`: restores a snapshot, and removes it and all later ones. False for an unknown one."""
    has_reverted = request.snapshot <= _MAX_SNAPSHOTS and context.chain.revert(request.snapshot)
    if has_reverted:
        context.drop_newer()
    return has_reverted


async def reset(context: DevChain, request: ResetRequest) -> JsonValue:
    """`anvil_reset`: reverts to the first block. Raises: InvalidParams for another chain or block to fork."""
    upstream, forking = context.upstream, request.settings and request.settings.forking
    url, block = (forking.json_rpc_url, forking.block_number) if forking else (None, None)
    if upstream is None and (url is not None or block is not None):
        text = "this chain is no fork; start one with --fork-url, or reset without a URL and a block"
        raise InvalidParams(text, reason="not_a_fork", field="params.settings.forking")
    if upstream is not None and (url or upstream.url, block or upstream.block) != (upstream.url, upstream.block):
        text = f"this chain forks block {upstream.block} of its node; start another chain to fork something else"
        raise InvalidParams(text, reason="other_fork", field="params.settings.forking")
    context.chain.reset()
    context.drop_newer()


async def set_rpc_url(context: DevChain, request: RpcUrl) -> JsonValue:
    """`anvil_setRpcUrl`: replaces the URL of the forked chain's node; without effect on a chain that is no fork."""
    if context.upstream is not None:
        context.upstream.url = request.url


async def mine(context: DevChain, request: MineOne) -> str:
    """`evm_mine`: mines one block, or the number of blocks in the settings."""
    at = request.at
    settings = at if isinstance(at, MineSettings) else MineSettings(timestamp=at)
    context.chain.mine_many(_count(settings.blocks), timestamp=settings.timestamp)
    return "0x0"


async def mine_many(context: DevChain, request: MineMany) -> JsonValue:
    """`anvil_mine`: as in anvil, the interval also applies before the first block."""
    context.chain.mine_many(_count(request.blocks), interval=request.interval or 0)


async def increase_time(context: DevChain, request: SecondsRequest) -> JsonValue:
    """`evm_increaseTime`: returns the clock's new offset, in seconds."""
    return context.chain.increase_time(request.seconds)


async def set_time(context: DevChain, request: SecondsRequest) -> JsonValue:
    """`evm_setTime`: the clock continues from a Unix time, in seconds or in milliseconds, as in anvil.

    Returns the seconds by which it moved forward.
    """
    is_milliseconds = request.seconds >= _FIRST_MILLISECONDS
    return context.chain.set_time(request.seconds // 1000 if is_milliseconds else request.seconds)


async def set_next_timestamp(context: DevChain, request: SecondsRequest) -> JsonValue:
    """`evm_setNextBlockTimestamp`."""
    context.chain.set_next_timestamp(request.seconds)


async def set_balance(context: DevChain, request: SetBalance) -> JsonValue:
    """`anvil_setBalance`."""
    context.chain.set_balance(request.address, request.balance)


async def set_code(context: DevChain, request: SetCode) -> JsonValue:
    """`anvil_setCode`."""
    context.chain.set_code(request.address, request.code)


async def set_nonce(context: DevChain, request: SetNonce) -> JsonValue:
    """`anvil_setNonce`."""
    context.chain.set_nonce(request.address, request.nonce)


async def set_slot(context: DevChain, request: SetSlot) -> bool:
    """`anvil_setStorageAt`."""
    context.chain.set_storage(request.address, request.slot, int.from_bytes(request.value))
    return True


def _count(blocks: int | None) -> int:
    if blocks is not None and blocks > _MAX_BLOCKS:
        raise InvalidParams(field="params.blocks", expected=f"at most {_MAX_BLOCKS}", given=blocks)
    return 1 if blocks is None else blocks


OPERATIONS = (
    Operation("evm_snapshot", NoParams, Uint256, snapshot, positional=True),
    Operation("evm_revert", SnapshotId, bool, revert, positional=True),
    Operation("evm_mine", MineOne, str, mine, positional=True),
    Operation("evm_increaseTime", SecondsRequest, JsonValue, increase_time, positional=True),
    Operation("evm_setTime", SecondsRequest, JsonValue, set_time, positional=True),
    Operation("evm_setNextBlockTimestamp", SecondsRequest, JsonValue, set_next_timestamp, positional=True),
    Operation("anvil_setRpcUrl", RpcUrl, JsonValue, set_rpc_url, positional=True),
    Operation("anvil_increaseTime", SecondsRequest, JsonValue, increase_time, positional=True),
    Operation("anvil_setTime", SecondsRequest, JsonValue, set_time, positional=True),
    Operation("anvil_setNextBlockTimestamp", SecondsRequest, JsonValue, set_next_timestamp, positional=True),
    Operation("anvil_snapshot", NoParams, Uint256, snapshot, positional=True),
    Operation("anvil_revert", SnapshotId, bool, revert, positional=True),
    *(
        operation
        for maker in ("anvil", "hardhat")
        for operation in (
            Operation(f"{maker}_reset", ResetRequest, JsonValue, reset, positional=True),
            Operation(f"{maker}_mine", MineMany, JsonValue, mine_many, positional=True),
            Operation(f"{maker}_setBalance", SetBalance, JsonValue, set_balance, positional=True),
            Operation(f"{maker}_setCode", SetCode, JsonValue, set_code, positional=True),
            Operation(f"{maker}_setNonce", SetNonce, JsonValue, set_nonce, positional=True),
            Operation(f"{maker}_setStorageAt", SetSlot, bool, set_slot, positional=True),
        )
    ),
)
"""All control methods."""
