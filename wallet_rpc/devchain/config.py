"""Configuration of a development chain, and the frames exchanged with its process.

This module imports nothing of the chain, so that the server's own process stays small.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FRAME_HEADER = struct.Struct(">IQ")
"""A frame's head: length of the body (4 bytes) | request number (8). The body is JSON; empty for no response."""
SEEDED_TIME = 1_767_225_600
"""The first block's time of seeded chains: 2026-01-01T00:00:00Z, before any time that a client's clock shows."""
RUN_SECONDS = 5.0
"""The maximum CPU time that code runs for one request. Source: the default of geth's `--rpc.evmtimeout`."""
NOTIFICATION_BIT = 1 << 63
"""The bit of a frame's number that marks a notification; the other bits are the number of its subscription."""
READY = 0
"""The number of the first frame in each direction: the configuration, and `{}` or `{"failed": why}` in response."""
TIME = 1 << 62
"""The number of a frame of the chain's own, which says by which rule the next block's time follows (`NextTime`).

It precedes the response to the request that changed the rule, and the first response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevChainConfig:
    """The configuration of a development chain."""

    chain_id: int = 31337
    folder: Path | None = None
    """The data folder; None for a chain without persistence."""
    fork_url: str | None = None
    """The URL of the forked chain's node, which provides all state that this chain has not written."""
    fork_block: int | None = None
    """The block to fork; the newest when None. An existing data folder keeps the block that it was created with."""
    deployments: Path | None = None
    """A file of deployment records to load contracts from, instead of the development set."""
    timestamp: int | None = None
    """The first block's time in Unix seconds; now when None."""
    seed: int | None = None
    """The seed of a chain whose ids and times are the same in every run: each block is a second after the last one."""
    token_rates: Mapping[str, int] = field(default_factory=dict)
    """ERC-20 tokens that its paymaster accepts besides the test token, in hex: smallest units for 10^18 wei."""
    run_seconds: float = RUN_SECONDS
    """The maximum CPU time that code runs for one request, in seconds."""
    json_log: bool = False
    """Log JSON lines instead of plain ones."""
    log_level: str = "info"
    """The least severe level of the log's lines."""
