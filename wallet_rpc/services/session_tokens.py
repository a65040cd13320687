"""What the operations on session tokens share: where they are in REST, and the key that asks."""

from __future__ import annotations

from wallet_rpc.domain.access import ApiKey
from wallet_rpc.errors import Unauthorized
from wallet_rpc.ports import Ports

TOKEN_PATHS = ("/api/v1/burner/sessions", "/v1/sessions")
"""The documented path, and our own name for it. Source: seed 004."""


def build_token_paths(part: str) -> tuple[str, ...]:
    """The paths one level below."""
    return tuple(f"{path}/{part}" for path in TOKEN_PATHS)


def api_key_of(ports: Ports) -> ApiKey:
    """The key that was shown. Raises: Unauthorized for a caller without one."""
    if ports.caller.key is None:
        raise Unauthorized("Invalid API key", reason="api_key_required")
    return ports.caller.key
