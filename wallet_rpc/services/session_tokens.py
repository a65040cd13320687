"""Paths and the API key lookup that the REST operations on session tokens share."""

from __future__ import annotations

from wallet_rpc.domain.access import ApiKey
from wallet_rpc.errors import Unauthorized
from wallet_rpc.ports import Ports

TOKEN_PATHS = ("/api/v1/burner/sessions", "/v1/sessions")
"""The hosted service's documented path, and wallet-rpc's own alias. Source: seed 004."""


def build_token_paths(part: str) -> tuple[str, ...]:
    """Return the token paths, each with one more segment."""
    return tuple(f"{path}/{part}" for path in TOKEN_PATHS)


def api_key_of(ports: Ports) -> ApiKey:
    """Return the caller's API key. Raises: Unauthorized for a caller without one."""
    if ports.caller.key is None:
        raise Unauthorized("Invalid API key", reason="api_key_required")
    return ports.caller.key
