"""Text of a state dump: hex of gzip-compressed JSON, as anvil's, with one section for each holder of state.

`accounts` has the newest state in anvil's format, so that anvil loads the file too. `chain` has this chain's whole
history. Sections that this module does not know are kept: the server that runs the chain adds the wallet's own.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from wallet_rpc.errors import InvalidParams, LimitExceeded
from wallet_rpc.wire import count_marks, parse_json

MAX_STATE_BYTES = 16 << 20
"""The maximum size of a dump's JSON. Parsing holds the interpreter, so no thread lets the event loop go on."""
MAX_STATE_VALUES = 250_000
"""The maximum number of values in it: a chain with about 1,000 sessions that made a call each."""
_LIMITS = f"{MAX_STATE_BYTES} bytes of JSON with {MAX_STATE_VALUES} values"
_GZIP = 31
"""The window size for zlib that means gzip."""


def encode_state(sections: Mapping[str, Any]) -> str:
    """Encode the sections of a dump. Raises: LimitExceeded for a state that is too large to be loaded."""
    text = to_json(sections)
    if _is_too_large(text):
        raise LimitExceeded(
            f"expected a state of at most {_LIMITS}, got {len(text)} bytes with up to {count_marks(text)} values",
            reason="state_too_large",
            limit=MAX_STATE_VALUES,
        )
    return "0x" + gzip.compress(text, 6, mtime=0).hex()


def decode_state(data: bytes) -> dict[str, Any]:
    """Decode the sections of a dump, which may be plain JSON too. Raises: InvalidParams for anything else."""
    try:
        unpacked = data
        if data[:2] == b"\x1f\x8b":
            decoder = zlib.decompressobj(_GZIP)
            unpacked = decoder.decompress(data, MAX_STATE_BYTES)
            if not decoder.eof:
                raise unreadable_state(f"at most {MAX_STATE_BYTES} bytes of JSON, compressed completely")
        if _is_too_large(unpacked):
            raise unreadable_state(f"at most {_LIMITS}")
        sections = parse_json(unpacked)
    except (ValueError, zlib.error) as error:
        raise unreadable_state("gzip-compressed JSON of anvil_dumpState") from error
    if not isinstance(sections, dict):
        raise unreadable_state("a JSON object")
    return sections


def _is_too_large(text: bytes) -> bool:
    return len(text) > MAX_STATE_BYTES or count_marks(text) > MAX_STATE_VALUES


def unreadable_state(expected: str) -> InvalidParams:
    """Build the error of a dump that cannot be loaded."""
    return InvalidParams(
        f"failed to decode the state dump: expected {expected}", reason="unreadable_state", field="params.state"
    )
