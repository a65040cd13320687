"""Unpadded base64url, as in API keys, tokens and cursors. Source: RFC 4648, section 5; RFC 7515, appendix C."""

from __future__ import annotations

import base64


def encode_base64url(data: bytes) -> str:
    """Encode bytes without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """Decode unpadded text. Raises: ValueError for padding, and for any other character of another alphabet."""
    if "=" in text:
        raise ValueError("expected base64url without padding")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
