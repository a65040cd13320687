"""API keys of organisations, and the callers that use them."""

from __future__ import annotations

import secrets
import time
from typing import Any

from wallet_rpc.domain.access import (
    OPEN_ORGANIZATION,
    ApiKey,
    Caller,
    Claims,
    derive_key_id,
    new_api_key,
    sha256_hex,
)


def build_api_key(key: str, **fields: Any) -> ApiKey:
    """Return the record of an API key, by default of no organisation and with a rate limit that no test reaches."""
    values: dict[str, Any] = {
        "id": derive_key_id(key),
        "organization": OPEN_ORGANIZATION,
        "digest": sha256_hex(key),
        "requests_per_minute": 100_000,
        "created_at": int(time.time()),
    }
    return ApiKey(**(values | fields))


def issue_api_key(**fields: Any) -> tuple[str, ApiKey]:
    """Return a new API key and its record."""
    key = new_api_key(secrets.token_bytes(32))
    return key, build_api_key(key, **fields)


def caller_of(key: ApiKey, *, token: Claims | None = None) -> Caller:
    name = key.id if token is None else f"{key.id}/{token.id}"
    return Caller(name=name, organization=key.organization, key=key, token=token)
