"""The embedded development chain: a JSON-RPC node with bundler and paymaster, in a process of ours."""
