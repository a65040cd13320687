"""Wallet servers for tests of programs that use one; `plugin` has the fixtures for pytest.

This package starts fast: the client, its types and the libraries of Ethereum are imported when a fixture needs them.
"""

from __future__ import annotations

from wallet_rpc.testing.server import DevAccount, ServerNotStarted, WalletServer

__all__ = ["DevAccount", "ServerNotStarted", "WalletServer"]
