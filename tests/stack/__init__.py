"""A chain of real parts: anvil, Alto, Redis and `wallet-rpc serve`, all on this machine."""
