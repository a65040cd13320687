"""One development chain with its bundler and its paymaster."""

from __future__ import annotations

from dataclasses import dataclass, field

from wallet_rpc.devchain.bundler import DevBundler
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.filter_store import FilterStore
from wallet_rpc.devchain.fork import Upstream
from wallet_rpc.devchain.paymaster import DevPaymaster
from wallet_rpc.devchain.recent_calls import RecentCalls
from wallet_rpc.devchain.subscription_store import SubscriptionStore


@dataclass(frozen=True, slots=True)
class DevChain:
    """The context of every operation of a development chain."""

    chain: Blockchain
    bundler: DevBundler
    paymaster: DevPaymaster
    upstream: Upstream | None = None
    """The forked chain's node."""
    filters: FilterStore = field(default_factory=FilterStore)
    """The filters that clients poll."""
    recent_calls: RecentCalls = field(default_factory=RecentCalls)
    """The results of the last calls."""
    subscriptions: SubscriptionStore = field(default_factory=SubscriptionStore)
    """The subscriptions of the chain's server."""

    def drop_newer(self) -> None:
        """Drop what is newer than the chain's head, after a change to another history: filters and held operations."""
        self.filters.rewind(self.chain.head.number)
        self.bundler.held.clear()
