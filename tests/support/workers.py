"""Distribution of tests over worker processes: real Redis, anvil and Alto start once, and long modules run first."""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

_PARAMETERS = re.compile(r"\[(.*)\]$")
_REAL_PARTS = "tests/clients/test_clients_on_real_parts.py"
_STRICT = "tests/e2e/test_bundler_rules.py"
_JAVASCRIPT = "tests/js/test_package.py"
_LONG = (
    "tests/clients/",
    "tests/documents/",
    "tests/e2e/",
    "tests/golden/",
    "tests/org_sessions/",
    "tests/packages/",
    "tests/rest/",
    "tests/snapshots/",
    "tests/testing/",
)

_WAITING = (
    "tests/chaos/",
    "tests/contract/test_failover",
    "tests/contract/test_probes",
    "tests/contract/test_redis_",
    "tests/contract/test_time_budget",
    "tests/e2e/test_dead_dependencies",
    "tests/edge/test_drain",
    "tests/edge/test_hang_ups",
    "tests/edge/test_slow_readers",
    "tests/edge/test_worker_processes",
    "tests/faults/",
    "tests/follow/",
)
"""Modules that mostly wait: for processes to die and start, for leases and for probes."""


class ByParts(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no type information
    """Scheduler that gives one worker all tests of one real stack, or one module's tests on the embedded chains.

    The last of three workers or more begins with the modules that mostly wait, next to the others' work.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        waits = len(self.nodes) > 2 and node is self.nodes[-1]
        chosen = next((scope for scope in self.workqueue if scope.startswith(_WAITING) == waits), None)
        if chosen is not None:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)


def scope_of(nodeid: str) -> str:
    """Return the group of tests that one worker runs in sequence: `real`, `published`, or the path of a module."""
    module = nodeid.partition("::")[0]
    if module == _REAL_PARTS:
        return "real"
    found = _PARAMETERS.search(nodeid)
    parameters = () if found is None or module == _STRICT else found[1].split("-")
    return next((stack for stack in ("real", "published") if stack in parameters), module)


def long_first(items: list[pytest.Item]) -> None:
    """Sort tests by the approximate duration of their scope, longest first: the run ends with its last test."""

    def rank(item: pytest.Item) -> int:
        scope = scope_of(item.nodeid)
        if scope in ("real", _STRICT, _JAVASCRIPT):
            return 0
        if scope == "published" or scope.startswith(_LONG):
            return 1
        return 2

    items.sort(key=rank)
