"""wallet-rpc: the open, self-hosted Wallet API."""

__version__ = "0.1.0"
