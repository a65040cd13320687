"""wallet-rpc: the open, self-hosted Wallet API."""

import os

__version__ = "0.2.0"

os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")  # six times as fast as the default of eth-hash
