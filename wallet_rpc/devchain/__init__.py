"""The embedded development chain: a JSON-RPC node with bundler and paymaster, run in a child process."""
