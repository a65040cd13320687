"""`wallet-rpc audit`: the log as printed, verified as intact, and detected as changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.e2e.commanding import TIME, Cli
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId


def test_the_log_is_printed_one_entry_per_line_or_the_last_entries_only(cli: Cli) -> None:
    organization = cli.organization('a"b')
    for _ in range(3):
        cli.text("key", "create", "--org", organization)

    lines = cli.text("audit", "show", "--org", organization).splitlines()

    assert len(lines) == 4
    assert re.fullmatch(rf'0  {TIME}  cli  organization\.created  {{"name": "a\\"b"}}', lines[0])
    assert cli.text("audit", "show", "--org", organization, "--last", "2").splitlines() == lines[2:]
    assert cli.text("audit", "show", "--org", organization, "--last", "99").splitlines() == lines
    assert cli.text("audit", "show", "--org", "org_open") == "org_open: no entries\n"


def test_an_intact_log_is_reported_with_its_head(cli: Cli) -> None:
    organization = cli.organization()
    cli.text("key", "create", "--org", organization)
    head = cli.json("audit", "show", "--org", organization)["entries"][-1]["hash"]

    assert cli.json("audit", "verify", "--org", organization) == {
        "whole": True,
        "logs": [{"orgId": organization, "entries": 2, "head": head, "whole": True}],
    }
    assert cli.text("audit", "verify", "--org", organization) == f"{organization}: 2 entries, intact, head {head}\n"


def alter(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], lines[1].replace(b"read-write", b"read"), *lines[2:]]


def remove_entry(lines: list[bytes]) -> list[bytes]:
    return lines[:1] + lines[2:]


def corrupt(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], b"no entry", *lines[2:]]


def truncate(lines: list[bytes]) -> list[bytes]:
    return lines[:1]


@pytest.mark.parametrize("change", [alter, corrupt, remove_entry, truncate])
def test_a_changed_log_is_reported_with_the_entry(cli: Cli, change: Callable[[list[bytes]], list[bytes]]) -> None:
    intact, changed = cli.organization(), cli.organization()
    for _ in range(2):
        cli.text("key", "create", "--org", changed)

    async def rewrite(store: RedisStore, change: Callable[[list[bytes]], list[bytes]]) -> list[bytes]:
        key = store.for_organization(OrganizationId(changed)).audit.entries_key()
        lines: list[bytes] = await store._link.command("LRANGE", key, 0, -1)
        await store._link.command("DEL", key)
        for line in change(lines):
            await store._link.command("RPUSH", key, line.decode())
        return lines

    lines = cli.run_on_store(lambda store: rewrite(store, change))
    try:
        status, printed = cli.status("audit", "verify")
        one, as_json = cli.status("audit", "verify", "--org", changed, "--json")
        shown = cli.status("audit", "show", "--org", changed)
    finally:
        cli.run_on_store(lambda store: rewrite(store, lambda _: lines))

    assert (status, one) == (1, 1)
    said = {line.partition(": ")[0]: line.partition(": ")[2] for line in printed.splitlines()}
    assert said[intact].startswith("1 entries, intact, head ")
    assert said[changed].startswith("NOT INTACT: entry 1: ")
    (log,) = json.loads(as_json)["logs"]
    assert (log["whole"], log["entry"]) == (False, 1)
    if change is corrupt:
        assert shown == (1, f"{changed}: NOT INTACT: see `wallet-rpc audit verify --org {changed}`\n")
    assert cli.status("audit", "verify")[0] == 0


def test_a_changed_head_is_detected(cli: Cli) -> None:
    organization = cli.organization()

    async def rewrite(store: RedisStore, head: str) -> str:
        key = store.for_organization(OrganizationId(organization)).audit.head_key()
        before: bytes = await store._link.command("GET", key)
        await store._link.command("SET", key, head)
        return before.decode()

    head = cli.run_on_store(lambda store: rewrite(store, "none"))
    try:
        found = cli.status("audit", "verify", "--org", organization)
        shown = cli.status("audit", "show", "--org", organization)
    finally:
        cli.run_on_store(lambda store: rewrite(store, head))

    assert found == (1, f"{organization}: NOT INTACT: entry 1: altered\n")
    assert shown[0] == 1
