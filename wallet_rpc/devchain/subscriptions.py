"""Methods of subscriptions: `eth_subscribe` and `eth_unsubscribe`, as the server of the chain sends them.

A client's subscription is one of the server, which numbers it and passes its notifications on (`fan_out`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain.block_reference import resolve_tag
from wallet_rpc.devchain.chain import PENDING_BLOCK, Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.log_search import LogFilter, LogMatcher
from wallet_rpc.devchain.subscription_store import (
    HeadSubscription,
    LogSubscription,
    PendingSubscription,
    Subscription,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Uint256
from wallet_rpc.wire import shape


class ChainSubscriptionKind(StrEnum):
    """The kinds of subscription."""

    NEW_HEADS = "newHeads"
    LOGS = "logs"
    NEW_PENDING_TRANSACTIONS = "newPendingTransactions"


@shape
class SubscribeRequest:
    """A kind, its options, and the number that the server gives the subscription."""

    kind: ChainSubscriptionKind
    options: LogFilter | Annotated[bool, Field(strict=True)] | None
    """The filter of logs, or true for whole transactions."""
    number: Uint256


@shape
class UnsubscribeRequest:
    """A subscription's number."""

    number: Uint256


async def subscribe(context: DevChain, request: SubscribeRequest) -> int:
    """`eth_subscribe`: returns the number. Raises: InvalidParams, LimitExceeded."""
    context.subscriptions.add(request.number, _read_subscription(context.chain, request))
    return request.number


async def unsubscribe(context: DevChain, request: UnsubscribeRequest) -> bool:
    """`eth_unsubscribe`: false for an unknown subscription."""
    return context.subscriptions.remove(request.number)


def _read_subscription(chain: Blockchain, request: SubscribeRequest) -> Subscription:
    options = request.options
    match request.kind:
        case ChainSubscriptionKind.NEW_HEADS:
            return HeadSubscription()
        case ChainSubscriptionKind.NEW_PENDING_TRANSACTIONS:
            if isinstance(options, LogFilter):
                text = "expected true for whole transactions, false or nothing for their hashes, got a filter"
                raise InvalidParams(text, field="params.options")
            return PendingSubscription(is_full=options is True)
        case ChainSubscriptionKind.LOGS:
            if isinstance(options, bool):
                raise InvalidParams(field="params.options", expected="a filter of logs", given=options)
            return _read_log_filter(chain, LogFilter() if options is None else options)


def _read_log_filter(chain: Blockchain, conditions: LogFilter) -> LogSubscription:
    if conditions.block_hash is not None:
        raise InvalidParams("expected a range of blocks, got blockHash", field="params.options.blockHash")
    first = _read_height(chain, conditions.from_block, "params.options.fromBlock")
    last = _read_height(chain, conditions.to_block, "params.options.toBlock")
    return LogSubscription(LogMatcher(conditions), 0 if first is None else first, last)


def _read_height(chain: Blockchain, tag: str | None, at: str) -> int | None:
    """Return a height; None for a tag of the newest blocks, which every new block matches."""
    number = None if tag is None else resolve_tag(chain, tag, at=at)
    return None if number == PENDING_BLOCK else number


OPERATIONS = (
    Operation("eth_subscribe", SubscribeRequest, Uint256, subscribe, positional=True),
    Operation("eth_unsubscribe", UnsubscribeRequest, bool, unsubscribe, positional=True),
)
"""The methods of subscriptions."""
