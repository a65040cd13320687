"""`wallet-rpc audit anchor`, and `verify` against its output: it detects any change by a writer of the whole Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from eth_account import Account

from tests.e2e.commanding import Cli
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, OrganizationId
from wallet_rpc.domain.audit import EMPTY_HEAD, AuditEvent, EventKind, next_line

KEY = "0x" + "5a" * 32
SIGNER = Account.from_key(KEY).address


@pytest.fixture
def signing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("WALLET_RPC_AUDIT_KEY", KEY)
    return cli


@pytest.fixture
def organization(cli: Cli) -> Iterator[str]:
    """Create an organisation with three log entries; remove it afterwards, so that other tests find intact logs."""
    made = cli.organization()
    for _ in range(2):
        cli.json("key", "create", "--org", made)
    yield made
    cli.run_on_store(lambda store: forget(store, made))


async def forget(store: RedisStore, organization: str) -> None:
    """Delete every record of an organisation, as if it had never existed."""
    directory, name = store.directory, OrganizationId(organization)
    keys = [
        directory.api_key_key(key.id) for key in await directory.scan_api_keys() if key.organization == organization
    ]
    await store._link.command("ZREM", directory.organizations_key(), organization)
    await store._link.command("DEL", directory.organization_key(name), directory.api_keys_key(name), *keys)
    await empty(store, organization)


async def empty(store: RedisStore, organization: str) -> None:
    log = store.for_organization(OrganizationId(organization)).audit
    await store._link.command("DEL", log.entries_key(), log.head_key())


async def unlist(store: RedisStore, organization: str) -> None:
    await store._link.command("ZREM", store.directory.organizations_key(), organization)


async def rewrite(store: RedisStore, organization: str, events: Sequence[AuditEvent]) -> None:
    """Replace the log by another one, whose own hash chain is intact."""
    log = store.for_organization(OrganizationId(organization)).audit
    head = EMPTY_HEAD
    lines = []
    for event in events:
        head, line = next_line(head, event)
        lines.append(line)
    await empty(store, organization)
    await store._link.command("RPUSH", log.entries_key(), *lines)
    await store._link.command("SET", log.head_key(), f"{head.count} {head.hash} mark")


async def events_of(store: RedisStore, organization: str) -> list[AuditEvent]:
    return [entry.event for entry in await store.for_organization(OrganizationId(organization)).audit.entries(0, 100)]


def append_anchor(cli: Cli, file: Path, *arguments: str) -> Path:
    """Append a new anchor to a file."""
    with file.open("a") as anchors:
        anchors.write(cli.text("audit", "anchor", *arguments))
    return file


def test_an_anchor_is_one_signed_line_of_json(signing: Cli, organization: str) -> None:
    (log,) = signing.json("audit", "verify", "--org", organization)["logs"]
    printed = signing.text("audit", "anchor", "--org", organization)

    anchor = json.loads(printed)
    assert printed.count("\n") == 1
    assert anchor["logs"] == [{"orgId": organization, "entries": 3, "head": log["head"]}]
    assert anchor["signer"] == SIGNER
    assert {each["orgId"] for each in signing.json("audit", "anchor")["logs"]} >= {organization, OPEN_ORGANIZATION}


def test_a_log_that_has_grown_matches_all_its_anchors(signing: Cli, organization: str, tmp_path: Path) -> None:
    file = append_anchor(signing, tmp_path / "anchors")
    signing.json("key", "create", "--org", organization)
    append_anchor(signing, file, "--org", organization)
    signing.json("key", "create", "--org", organization)

    found = signing.json("audit", "verify", "--anchor", str(file), "--org", organization)["logs"][0]
    assert (found["whole"], found["entries"], found["anchored"]) == (True, 5, 4)
    assert "5 entries, intact, head" in signing.text("audit", "verify", "--anchor", str(file))


@pytest.mark.parametrize("is_listed", [True, False])
def test_an_emptied_log_is_detected_without_an_anchor(cli: Cli, organization: str, is_listed: bool) -> None:
    """Detect it by the organisation's record, even if it is missing from the list of organisations."""
    cli.run_on_store(lambda store: empty(store, organization))
    if not is_listed:
        cli.run_on_store(lambda store: unlist(store, organization))

    status, printed = cli.status("audit", "verify")

    assert status == 1
    assert f"{organization}: NOT INTACT: entry 0: emptied\n" in printed


def test_a_log_that_is_in_no_list_is_verified(cli: Cli, organization: str) -> None:
    async def unlist_all(store: RedisStore) -> None:
        directory, name = store.directory, OrganizationId(organization)
        keys = [directory.api_key_key(key.id) for key in await directory.keys_of(name)]
        await unlist(store, organization)
        await store._link.command("DEL", directory.organization_key(name), directory.api_keys_key(name), *keys)

    cli.run_on_store(unlist_all)
    assert f"{organization}: 3 entries, intact" in cli.text("audit", "verify")

    cli.run_on_store(
        lambda store: store._link.command(
            "LTRIM", store.for_organization(OrganizationId(organization)).audit.entries_key(), 1, -1
        )
    )
    assert f"{organization}: NOT INTACT: entry 0: cut out\n" in cli.status("audit", "verify")[1]


def test_a_log_without_the_entries_of_its_keys_is_detected_without_an_anchor(cli: Cli, organization: str) -> None:
    key = cli.json("key", "create", "--org", organization)["keyId"]
    cli.text("key", "revoke", key)
    events = cli.run_on_store(lambda store: events_of(store, organization))
    assert [event.kind for event in events[-2:]] == [EventKind.KEY_CREATED, EventKind.KEY_REVOKED]

    for rest in (events[1:], events[:-1], [*events[:-2], events[-1]]):
        cli.run_on_store(partial(rewrite, organization=organization, events=rest))
        status, printed = cli.status("audit", "verify", "--org", organization)
        assert (status, printed.startswith(f"{organization}: NOT INTACT: entry {len(rest)}: missing")) == (1, True)
    cli.run_on_store(lambda store: rewrite(store, organization, events))
    cli.text("audit", "verify", "--org", organization)


def test_an_intact_log_that_is_not_the_anchored_one_is_rejected(
    signing: Cli, organization: str, tmp_path: Path
) -> None:
    events = signing.run_on_store(lambda store: events_of(store, organization))
    file = append_anchor(signing, tmp_path / "anchors", "--org", organization)
    denied = AuditEvent(kind=EventKind.DENIED, at=1, actor="key", facts={})
    cases = [
        ([*events[:2], denied, events[2]], "entry 2: replaced by another log than the one that was anchored"),
        (events[:2], "entry 2: cut off at the end"),
    ]
    for written, message in cases:
        signing.run_on_store(partial(rewrite, organization=organization, events=written))
        status, printed = signing.status("audit", "verify", "--anchor", str(file))
        assert (status, f"{organization}: NOT INTACT: {message}\n" in printed) == (1, True), printed

    signing.run_on_store(lambda store: forget(store, organization))
    assert (
        f"{organization}: NOT INTACT: entry 0: emptied\n" in signing.status("audit", "verify", "--anchor", str(file))[1]
    )
    assert organization not in signing.text("audit", "verify")  # only the anchor still names it


def test_the_log_of_the_open_organization_is_compared_with_its_anchor(signing: Cli, tmp_path: Path) -> None:
    denied = AuditEvent(kind=EventKind.DENIED, at=1, actor="key", facts={})
    signing.run_on_store(lambda store: store.for_organization(OPEN_ORGANIZATION).audit.append(denied))
    file = append_anchor(signing, tmp_path / "anchors", "--org", OPEN_ORGANIZATION)
    signing.run_on_store(lambda store: empty(store, OPEN_ORGANIZATION))

    assert signing.text("audit", "verify", "--org", OPEN_ORGANIZATION).startswith(
        f"{OPEN_ORGANIZATION}: 0 entries, intact"
    )
    assert signing.status("audit", "verify", "--anchor", str(file), "--org", OPEN_ORGANIZATION) == (
        1,
        f"{OPEN_ORGANIZATION}: NOT INTACT: entry 0: emptied\n",
    )


def test_a_changed_log_is_not_anchored(signing: Cli, organization: str) -> None:
    signing.run_on_store(lambda store: empty(store, organization))
    assert signing.status("audit", "anchor") == (1, f"{organization}: NOT INTACT: entry 0: emptied\n")


def test_only_anchors_of_the_named_signer_are_accepted(
    signing: Cli, organization: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = append_anchor(signing, tmp_path / "anchors", "--org", organization)
    verify = ("audit", "verify", "--anchor", str(file), "--org", organization)
    monkeypatch.delenv("WALLET_RPC_AUDIT_KEY")

    assert signing.status(*verify)[0] == 2
    assert "--signer: required with --anchor if WALLET_RPC_AUDIT_KEY is not set" in signing.stderr
    assert signing.status("audit", "anchor")[0] == 2
    assert "WALLET_RPC_AUDIT_KEY: required by audit anchor" in signing.stderr
    assert "matches the anchors up to 3 entries" in signing.text(*verify, "--signer", SIGNER)
    assert signing.status(*verify, "--signer", "0x" + "11" * 20)[0] == 2
    assert f"line 1: signed by {SIGNER}, expected 0x1111" in signing.stderr
    assert signing.status(*verify, "--signer", "0x12")[0] == 2

    file.write_text(file.read_text().replace('"entries":3', '"entries":2'))
    assert signing.status(*verify, "--signer", SIGNER)[0] == 2
    assert "line 1: the signature is not that of its signer" in signing.stderr


def test_a_file_without_an_anchor_is_reported(signing: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "other").write_text("{}\n")
    for name, message in (
        ("none", "No such file"),
        ("empty", "expected anchors, one per line, got none"),
        ("other", "line 1: anchor.at"),
    ):
        assert signing.status("audit", "verify", "--anchor", str(tmp_path / name))[0] == 2
        assert message in signing.stderr
    assert signing.status("audit", "verify", "--org", "org_nobody")[0] == 2
    assert "no organisation" in signing.stderr
