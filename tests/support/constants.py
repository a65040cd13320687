"""Addresses, ids and durations that many tests use."""

from __future__ import annotations

CHAINS = (31337, 421614)
"""Chains of every stack; the first is the default of a request that names no chain."""
POLICY = "11111111-2222-4333-8444-555555555555"
"""Sponsorship policy; the embedded chains' paymaster accepts any id."""
SPONSORSHIP = {"policyId": POLICY}
"""The `paymasterService` capability with that policy."""
TOKEN = "0x7e57000000000000000000000000000000000001"
"""Test token of the embedded chains."""
ENTRY_POINT = "0x0000000071727De22E5E9d8BAf0edAc6f37da032"
FRIEND = "0x00000000000000000000000000000000f00DcAfE"
"""Recipient of calls, without code."""
HOUR = 3600
LONGEST_SECONDS = 200.0
"""Timeout of each wait of a test, in seconds: long, for a busy machine, but less than that of a whole test."""
ROOT = {"type": "root"}
"""The permission for everything."""
