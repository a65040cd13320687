"""The methods of chains that this server answers itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wallet_rpc.edge.chain_feed import ChainFeed
from wallet_rpc.edge.chain_following import SUBSCRIBE, UNSUBSCRIBE, ChainFollowing
from wallet_rpc.edge.interception import Interceptors
from wallet_rpc.edge.operation_checks import SEND_OPERATION, build_operation_check
from wallet_rpc.ports import Ports


def build_interceptors(context: Callable[[], Ports], feeds: Mapping[int, ChainFeed]) -> Interceptors:
    """Build them; `context` returns the ports of the current request, `feeds` are those of the embedded chains."""
    following = ChainFollowing(feeds)
    return {
        SEND_OPERATION: build_operation_check(context),
        SUBSCRIBE: following.subscribe,
        UNSUBSCRIBE: following.unsubscribe,
    }
