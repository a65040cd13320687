"""Production bytecode of the contracts: it is no part of this project, and tests that read it skip without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.scenarios import DEPLOYMENTS, Contracts, production_contracts


def find_deployments() -> Path:
    """Return the published deployment records, or skip the test."""
    if not DEPLOYMENTS.is_file():
        pytest.skip("the published contracts are not on this machine")  # a clone has no production bytecode to test
    return DEPLOYMENTS


def published_contracts() -> Contracts:
    """Return the published contracts, or skip the test."""
    return production_contracts(find_deployments())
