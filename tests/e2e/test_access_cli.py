"""`wallet-rpc org` and `key`: created, record and revoked records, and errors for invalid options."""

from __future__ import annotations

import hashlib
import json
import re
import time
from argparse import Namespace
from datetime import datetime

import pytest

from tests.e2e.commanding import TIME, Cli
from wallet_rpc.adapters.redis_audit import RedisAudit
from wallet_rpc.adapters.redis_directory import RedisDirectory
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.cli import access
from wallet_rpc.config.settings import SettingError
from wallet_rpc.domain.access import OrganizationId, derive_key_id, sha256_hex
from wallet_rpc.errors import Unavailable

KEY = re.compile(r"wrk_[A-Za-z0-9_-]{43}")


def seconds(text: str) -> int:
    assert re.fullmatch(TIME, text)
    return int(datetime.fromisoformat(text).timestamp())


def test_an_organization_is_created_and_listed(cli: Cli) -> None:
    made = cli.json("org", "create", "Läden & Söhne")

    assert set(made) == {"orgId"}
    assert re.fullmatch(r"org_[0-9a-f]{20}", made["orgId"])
    (organization,) = [each for each in cli.json("org", "list")["organizations"] if each["orgId"] == made["orgId"]]
    assert organization["name"] == "Läden & Söhne"
    assert abs(seconds(organization["createdAt"]) - time.time()) < 60
    assert f"{made['orgId']}  Läden & Söhne" in cli.text("org", "list").splitlines()


def test_the_next_command_is_printed(cli: Cli) -> None:
    printed = cli.text("org", "create", "Example shop")

    found = re.search(r"^Create a key: +wallet-rpc (key create --org org_[0-9a-f]{20})$", printed, re.MULTILINE)
    assert found is not None
    assert KEY.search(cli.text(*found[1].split()))


def test_a_key_is_printed_once_and_never_stored(cli: Cli) -> None:
    organization = cli.organization()
    made = cli.json("key", "create", "--org", organization)

    assert set(made) == {"keyId", "key"}
    assert KEY.fullmatch(made["key"])
    assert made["keyId"] == f"key_{hashlib.sha256(made['key'].encode()).hexdigest()[:20]}"
    later = [cli.text("key", "list", "--org", organization), cli.text("key", "list", "--org", organization, "--json")]
    later += [cli.text("audit", "show", "--org", organization), cli.text("key", "revoke", made["keyId"])]
    assert all(made["keyId"] in text and made["key"] not in text for text in later)


def test_a_key_has_the_given_options(cli: Cli) -> None:
    organization = cli.organization()
    end = "2099-01-31T13:00:00+01:00"
    chosen = ["--scope", "read", "--rpm", "30", "--monthly", "10_000", "--expires", end, "--name", "reports"]
    made = cli.json("key", "create", "--org", organization, *chosen)

    (record,) = cli.json("key", "list", "--org", organization)["keys"]

    created = record.pop("createdAt")
    assert abs(seconds(created) - time.time()) < 60
    assert record == {
        "keyId": made["keyId"],
        "name": "reports",
        "scope": "read",
        "rpm": 30,
        "monthly": 10_000,
        "expiresAt": "2099-01-31T12:00:00.000Z",
        "revokedAt": None,
    }
    stored = cli.run_on_store(lambda store: store.directory.key(derive_key_id(made["key"])))
    assert stored is not None
    assert stored.digest == sha256_hex(made["key"])
    expected = (
        f"{made['keyId']}, read, 30 a minute, 10000 a month, made {created}, ends 2099-01-31T12:00:00.000Z, reports"
    )
    assert cli.text("key", "list", "--org", organization) == expected + "\n"


def test_a_key_without_options_may_write_3000_times_a_minute_without_expiry(cli: Cli) -> None:
    organization = cli.organization()
    cli.text("key", "create", "--org", organization)

    (record,) = cli.json("key", "list", "--org", organization)["keys"]

    assert (record["scope"], record["rpm"]) == ("read-write", 3000)
    assert [record[name] for name in ("monthly", "expiresAt", "revokedAt")] == [None, None, None]


@pytest.mark.parametrize(("end", "is_future"), [(99, False), (100, False), (101, True)])
def test_a_new_key_expires_a_second_later_at_the_earliest(end: int, is_future: bool) -> None:
    chosen = Namespace(days=None, expires=end)
    try:
        found = access._expiry(chosen, 100)
    except SettingError:
        found = None
    assert found == (end if is_future else None)


def test_a_key_can_expire_after_days(cli: Cli) -> None:
    organization = cli.organization()
    cli.text("key", "create", "--org", organization, "--days", "30")

    (record,) = cli.json("key", "list", "--org", organization)["keys"]

    assert seconds(record["expiresAt"]) - seconds(record["createdAt"]) == 30 * 86_400


def test_keys_are_listed_by_organization_in_order_of_creation(cli: Cli) -> None:
    first, second, empty = cli.organization(), cli.organization(), cli.organization()
    made = [cli.json("key", "create", "--org", each)["keyId"] for each in (first, second, first, first)]

    assert [each["keyId"] for each in cli.json("key", "list", "--org", first)["keys"]] == made[:1] + made[2:]
    assert [each["keyId"] for each in cli.json("key", "list", "--org", second)["keys"]] == made[1:2]
    assert cli.text("key", "list", "--org", empty) == f"{empty} has no keys\n"


@pytest.mark.parametrize("given", ["keyId", "key"])
def test_a_key_is_revoked_once_by_its_id_or_by_the_key_itself(cli: Cli, given: str) -> None:
    organization = cli.organization()
    made = cli.json("key", "create", "--org", organization)

    first = cli.json("key", "revoke", made[given])
    again = cli.text("key", "revoke", made[given])

    assert first["keyId"] == made["keyId"]
    assert cli.json("key", "list", "--org", organization)["keys"][0]["revokedAt"] == first["revokedAt"]
    assert again == f"{made['keyId']} was revoked already, at {first['revokedAt']}\n"
    assert cli.json("key", "revoke", made[given]) == first
    kinds = [each["kind"] for each in cli.json("audit", "show", "--org", organization)["entries"]]
    assert kinds == ["organization.created", "key.created", "key.revoked"]


@pytest.mark.parametrize("part", [RedisAudit, RedisDirectory])
def test_a_partly_failed_revocation_is_in_the_log_once_it_succeeds(cli: Cli, part: type) -> None:
    organization = cli.organization()
    made = cli.json("key", "create", "--org", organization)

    async def fail(*_: object, **__: object) -> None:
        raise Unavailable("the store does not answer", part="store")

    with cli.environ.context() as patch:
        patch.setattr(part, "append" if part is RedisAudit else "revoke_key", fail)
        assert cli.status("key", "revoke", made["keyId"]) == (1, "")
    assert cli.text("key", "revoke", made["keyId"]) == f"{made['keyId']} is revoked\n"
    cli.text("key", "revoke", made["keyId"])

    entries = cli.json("audit", "show", "--org", organization)["entries"][2:]
    assert [(each["kind"], each["facts"]) for each in entries] == [("key.revoked", {"keyId": made["keyId"]})] * (
        1 if part is RedisAudit else 2
    )


def test_every_change_is_in_the_log_and_no_key_is(cli: Cli) -> None:
    organization = cli.organization("Example shop")
    made = cli.json("key", "create", "--org", organization, "--scope", "read")
    cli.text("key", "revoke", made["keyId"])

    entries = cli.json("audit", "show", "--org", organization)["entries"]

    assert [(each["number"], each["actor"]) for each in entries] == [(0, "cli"), (1, "cli"), (2, "cli")]
    assert entries[0]["facts"] == {"name": "Example shop"}
    assert (entries[1]["facts"]["keyId"], entries[1]["facts"]["scope"]) == (made["keyId"], "read")
    assert entries[2]["facts"] == {"keyId": made["keyId"]}
    assert made["key"] not in json.dumps(entries)
    assert sha256_hex(made["key"]) not in json.dumps(entries)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["org"], "the following arguments are required: ACTION"),
        (["org", "create"], "the following arguments are required: NAME"),
        (["org", "create", " "], "NAME: expected a name of 1 to 100 printable characters"),
        (["org", "create", "x" * 101], "NAME: expected a name of 1 to 100 printable characters"),
        (["org", "create", "a\x1b[2J"], "NAME: expected a name of 1 to 100 printable characters"),
        (["key", "create"], "the following arguments are required: --org"),
        (["key", "create", "--org", "org_nobody"], '--org: no organisation "org_nobody": see `wallet-rpc org list`'),
        (["key", "create", "--org", "org_open", "--scope", "all"], "--scope: invalid choice: 'all'"),
        (["key", "create", "--org", "org_open", "--rpm", "0"], "--rpm: expected a whole number from 1, got '0'"),
        (["key", "create", "--org", "org_open", "--rpm", "1.5"], "--rpm: expected a whole number from 1, got '1.5'"),
        (["key", "create", "--org", "org_open", "--monthly", "-1"], "--monthly: expected a whole number from 1"),
        (["key", "create", "--org", "org_open", "--days", "36501"], "--days: expected days from 1 to 36500"),
        (
            ["key", "create", "--org", "org_open", "--days", "1", "--expires", "2099-01-01T00:00:00Z"],
            "not allowed with",
        ),
        (
            ["key", "create", "--org", "org_open", "--expires", "2099-01-01"],
            "--expires: expected an RFC 3339 time with",
        ),
        (
            ["key", "create", "--org", "org_open", "--expires", "2020-01-01T00:00:00Z"],
            "--expires: expected a time in the future, got 2020-01-01T00:00:00.000Z",
        ),
        (["key", "list", "--org", "org_nobody"], "--org: no organisation"),
        (["key", "revoke", "key_00000000000000000000"], "key revoke: no such key; expected its id"),
        (["audit", "verify", "--org", "org_nobody"], "--org: no organisation"),
        (["audit", "show", "--org", "org_nobody"], "--org: no organisation"),
        (["audit", "show", "--org", "org_open", "--last", "none"], "--last: expected a whole number from 1"),
    ],
)
def test_an_invalid_command_is_rejected_in_one_sentence(cli: Cli, arguments: list[str], message: str) -> None:
    for more in ([], ["--json"]):
        status, printed = cli.status(*arguments, *more)

        assert (status, printed) == (2, "")
        assert message in cli.stderr.splitlines()[-1]
        assert "Traceback" not in cli.stderr


def test_an_unknown_key_is_not_repeated(cli: Cli) -> None:
    status, _ = cli.status("key", "revoke", "wrk_somebodys_secret")

    assert status == 2
    assert "somebodys" not in cli.stderr


def test_a_record_of_a_newer_server_ends_a_command_with_one_sentence(cli: Cli) -> None:
    organization = OrganizationId(cli.organization())

    async def rewrite(store: RedisStore, before: bytes, after: bytes) -> None:
        key = store.directory.organization_key(organization)
        record: bytes = await store._link.command("HGET", key, "record")
        assert before in record
        await store._link.command("HSET", key, "record", record.replace(before, after).decode())

    cli.run_on_store(lambda store: rewrite(store, b'"version":1', b'"version":99'))
    status, printed = cli.status("key", "list", "--org", organization)
    cli.run_on_store(lambda store: rewrite(store, b'"version":99', b'"version":1'))

    assert (status, printed) == (1, "")
    assert cli.stderr.startswith("wallet-rpc: the organization record has version 99")


def test_an_unreachable_redis_is_named(cli: Cli) -> None:
    cli.environ.setenv("WALLET_RPC_REDIS_URL", "unix:///nowhere/redis.sock")

    assert cli.status("org", "list") == (2, "")
    assert cli.stderr == "wallet-rpc: WALLET_RPC_REDIS_URL: the store does not answer\n"
