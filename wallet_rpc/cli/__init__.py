"""The commands of `wallet-rpc` and their options."""
