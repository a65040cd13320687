"""A stack of real services: anvil, Alto, Redis and `wallet-rpc serve`, all on this machine."""
