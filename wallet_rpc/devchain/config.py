"""What a development chain is told when it is opened, and the frames in which its process is spoken to.

The rule: this module imports nothing of the chain, so that the server's own process stays small.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct(">IQ")
"""A frame's head: length of the body (4 bytes) | request number (8). The body is JSON; no bytes are no answer."""
RUN_SECONDS = 5.0
"""The most CPU time that code runs for one request. Source: geth's `--rpc.evmtimeout`, which is of the same length."""
READY = 0
"""The number of the first frame each way: the configuration there, `{}` or `{"failed": why}` back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevChainConfig:
    """Which development chain to open."""

    chain_id: int = 31337
    folder: Path | None = None
    """Where it is kept; None keeps nothing."""
    fork_url: str | None = None
    """The node that is asked for what this chain does not have."""
    fork_block: int | None = None
    """Its block to look at; the newest when None. A folder keeps the block it began with."""
    deployments: Path | None = None
    """Deployment records to take contracts from instead of the development set."""
    timestamp: int | None = None
    """Of the first block, in Unix seconds; now when None."""
    token_rates: Mapping[str, int] = field(default_factory=dict)
    """Tokens in which its paymaster takes gas beside the test token, in hex: smallest units for 10^18 wei."""
    run_seconds: float = RUN_SECONDS
    """The most CPU time that code runs for one request."""
    json_log: bool = False
    """Whether its process logs JSON lines, not plain ones for people."""
