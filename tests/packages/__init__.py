"""The distribution of wallet-rpc: its pinned requirements, sdist, wheel and their dependencies."""
