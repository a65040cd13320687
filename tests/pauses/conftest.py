"""Fixtures: the garbage collector's settings of a server, without garbage of other tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from wallet_rpc.edge.listener import tune_collector


@pytest.fixture(scope="module")
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    tune_collector()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
