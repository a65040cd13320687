"""`wallet-rpc session` and `stop`: an operator stops sessions of an organisation, with and without its chain."""

from __future__ import annotations

import pytest

from tests.e2e.commanding import Cli
from tests.support.calls import call_data, transfer
from tests.support.constants import CHAINS, FRIEND, ROOT, TOKEN
from tests.support.keys import new_key, sign_request
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.primitives import SessionId


@pytest.fixture
def cli(redis_server: RedisServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(redis_server.url, capsys, monkeypatch)


@pytest.fixture
def wallet(tenant: Tenant) -> Wallet:
    return Wallet(tenant.client()).fund(tokens=0)


@pytest.fixture
def grant(wallet: Wallet) -> Grant:
    made = wallet.grant(ROOT)
    assert wallet.act(made, {"to": FRIEND}, sponsored=False)["status"] == 200
    return made


def reason(wallet: Wallet, grant: Grant) -> str | None:
    """Return the reason with which the session is refused; None if it is not."""
    try:
        wallet.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)
    except RpcError as error:
        return error.reason
    return None


def configure_chain(cli: Cli, server: str) -> None:
    cli.environ.setenv("WALLET_RPC_CHAINS", f"{CHAINS[0]}={server}/chain/{CHAINS[0]}")


def test_a_session_is_paused_and_resumed(cli: Cli, tenant: Tenant, wallet: Wallet, grant: Grant) -> None:
    named = (grant.session_id, "--org", tenant.organization)
    assert cli.json("session", "pause", *named)["state"] == "paused"
    assert reason(wallet, grant) == "session_paused"
    assert "State:     active" in cli.text("session", "resume", *named)
    assert reason(wallet, grant) is None
    logged = cli.text("audit", "show", "--org", tenant.organization)
    assert "session.paused" in logged
    assert "session.resumed" in logged


def test_text_of_callers_has_no_control_characters(cli: Cli, tenant: Tenant) -> None:
    tenant.client().rpc("wallet_stopSessions", {"scope": {"tag": "a\n\x1b[2Jb"}})
    (line,) = cli.text("stop", "list", "--org", tenant.organization).splitlines()
    assert line.startswith("tag:a\\n\\x1b[2Jb  pause")


@pytest.mark.parametrize("tag", ["", "x" * 129])
def test_a_tag_that_no_session_can_have_is_an_error(cli: Cli, tenant: Tenant, tag: str) -> None:
    for command in (("stop", "add"), ("session", "list")):
        status, _ = cli.status(*command, "--org", tenant.organization, "--tag", tag)
        assert (status, "--tag: expected 1 to 128 characters, got" in cli.stderr) == (2, True)
    assert "no stops" in cli.text("stop", "list", "--org", tenant.organization)


def test_stops_that_an_owner_signed_are_listed(cli: Cli, tenant: Tenant, wallet: Wallet, grant: Grant) -> None:
    owned = {"account": wallet.account, "chainId": hex(CHAINS[0])}
    change = wallet.client.rpc("wallet_prepareSessionChange", {"action": "pauseAccount", **owned})
    signature = sign_request(wallet.owner, change["signatureRequest"])
    signed = {"nonce": change["nonce"], "deadline": change["deadline"], "signature": signature}
    request = {"scope": {"account": wallet.account}, "chainId": hex(CHAINS[0]), "ownerSignature": signed}
    stop = wallet.client.rpc("wallet_stopSessions", request)["stop"]
    tenant.client().rpc("wallet_stopSessions", {"scope": {"tag": "a"}})

    for arguments in (("--account", wallet.account), ("--account", wallet.account, "--chain", str(CHAINS[0]))):
        assert cli.json("stop", "list", "--org", tenant.organization, *arguments)["stops"] == [stop]
    by_owner, by_tag = cli.text("stop", "list", "--org", tenant.organization).splitlines()
    assert by_owner.startswith(f"account:{wallet.account} on chain {CHAINS[0]}  pause  ")
    assert by_owner.endswith("  owner")
    assert by_tag.startswith("tag:a  pause")
    of_other = ("--account", FRIEND, "--chain", str(CHAINS[0]))
    assert "no stops" in cli.text("stop", "list", "--org", tenant.organization, *of_other)


@pytest.mark.parametrize("is_configured", [False, True])
def test_stops_of_an_unknown_chain_are_an_error(
    cli: Cli, tenants_url: str, tenant: Tenant, is_configured: bool
) -> None:
    configured = "no chain"
    if is_configured:
        configure_chain(cli, tenants_url)
        configured = str(CHAINS[0])
    status, _ = cli.status("stop", "list", "--org", tenant.organization, "--chain", "999")
    expected = f"--chain: expected a chain of WALLET_RPC_CHAINS ({configured}) or of a session of the organisation"
    assert (status, expected in cli.stderr) == (2, True)


def test_a_session_is_revoked_without_its_chain(cli: Cli, tenant: Tenant, wallet: Wallet, grant: Grant) -> None:
    printed = cli.text("session", "revoke", grant.session_id, "--org", tenant.organization)
    assert "State:     revoked" in printed
    assert "no removal was prepared" in printed
    assert reason(wallet, grant) == "session_revoked"
    status, _ = cli.status("session", "resume", grant.session_id, "--org", tenant.organization)
    assert (status, "is revoked, which is permanent" in cli.stderr) == (2, True)


def test_a_stop_that_is_refused_is_not_logged(cli: Cli, tenant: Tenant, grant: Grant) -> None:
    organization = ("--org", tenant.organization)
    cli.text("session", "revoke", grant.session_id, *organization)
    cli.text("stop", "add", "--tag", "payroll", "--revoke", *organization)
    before = cli.text("audit", "show", *organization)
    for refused in (("session", "pause", grant.session_id), ("stop", "add", "--tag", "payroll")):
        assert cli.status(*refused, *organization)[0] == 2
    assert cli.text("audit", "show", *organization) == before


def test_a_session_is_revoked_and_removed(
    cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet, grant: Grant
) -> None:
    configure_chain(cli, tenants_url)
    named = (grant.session_id, "--org", tenant.organization)
    removal = cli.json("session", "revoke", *named)["removal"]
    wallet.wait_until_final(wallet.send(removal, wallet.owner))
    assert "On chain:  removed" in cli.text("session", "revoke", *named)


def test_a_session_gets_another_key(cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet, grant: Grant) -> None:
    new = new_key()
    arguments = ("session", "rotate", grant.session_id, "--org", tenant.organization, "--new-key", new.address)
    status, _ = cli.status(*arguments)
    assert (status, "WALLET_RPC_CHAINS: expected chain" in cli.stderr) == (2, True)
    configure_chain(cli, tenants_url)
    operation = cli.json(*arguments)["operation"]
    wallet.wait_until_final(wallet.send(operation, wallet.owner))
    assert "State:       final" in cli.text(*arguments)
    prepared = wallet.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)
    assert wallet.send(prepared, new, grant.permissions)


def test_a_grant_that_is_signed_anew_is_shown_with_all_that_the_owner_signs(
    cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet
) -> None:
    configure_chain(cli, tenants_url)
    unused = wallet.grant(ROOT)
    arguments = ("session", "rotate", unused.session_id, "--org", tenant.organization, "--new-key", new_key().address)
    *_, grant, operation = cli.text(*arguments).splitlines()
    listed = wallet.client.rpc("wallet_listSessions", {"account": wallet.account})["sessions"]
    (new_id,) = {each["sessionId"] for each in listed} - {unused.session_id}
    assert grant.startswith("Owner signs: 0x")
    assert f"(the grant of the new session {new_id}: --json)" in grant
    assert operation.endswith("(the operation: --json)")


@pytest.mark.parametrize("kind", ["all", "account", "session-key", "tag"])
def test_a_kill_switch_is_set_listed_and_removed(
    cli: Cli, tenant: Tenant, wallet: Wallet, grant: Grant, kind: str
) -> None:
    async def tag(store: RedisStore) -> None:

        index = store.for_organization(tenant.organization).session_index
        assert await index.set_tags(SessionId.parse(grant.session_id), ["payroll"])

    cli.run_on_store(tag)
    values = {"all": (), "account": (wallet.account,), "session-key": (grant.key.address,), "tag": ("payroll",)}
    scope = ("--org", tenant.organization, f"--{kind}", *values[kind])
    stop = cli.json("stop", "add", *scope)["stop"]
    assert (stop["mode"], stop["by"]) == ("pause", "cli")
    assert reason(wallet, grant) == "session_paused"
    assert cli.json("stop", "list", "--org", tenant.organization)["stops"] == [stop]
    cli.text("stop", "remove", *scope)
    assert reason(wallet, grant) is None
    assert "no stops" in cli.text("stop", "list", "--org", tenant.organization)
    cli.text("stop", "add", *scope, "--revoke")
    assert reason(wallet, grant) == "session_revoked"
    assert cli.status("stop", "remove", *scope)[0] == 2


def test_another_organisation_has_no_such_session(cli: Cli, grant: Grant) -> None:
    other = cli.organization()
    for action in ("pause", "resume", "revoke"):
        status, _ = cli.status("session", action, grant.session_id, "--org", other)
        assert (status, "no session" in cli.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments", [("session", "pause", "0x12"), ("stop", "add"), ("stop", "add", "--all", "--tag", "a")]
)
def test_wrong_options_are_refused(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli.status(*arguments, "--org", "org_x")[0] == 2


def test_sessions_are_listed_with_what_is_left_of_them(
    cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet
) -> None:
    limited = {"type": "native-token-transfer", "data": {"allowance": hex(5 * 10**17)}}
    allowed = {"type": "contract-access", "data": {"address": FRIEND}}
    grant = wallet.grant(limited, allowed, tags=["payroll"])
    wallet.act(grant, {"to": FRIEND, "value": hex(10**17)}, sponsored=False)
    other = wallet.grant(ROOT, expirySec=0)
    everything = ("session", "list", "--org", tenant.organization)

    unread = cli.text(*everything)
    assert unread.count(" unknown ") == 2
    assert f"Chain {CHAINS[0]}: it is not in WALLET_RPC_CHAINS" in unread
    cli.environ.setenv("WALLET_RPC_CHAINS", f"{CHAINS[0]}=http://127.0.0.1:9")
    silent = cli.text("session", "list", "--org", tenant.organization)
    assert f"Chain {CHAINS[0]}: its node did not answer, so the state of these sessions is unknown" in silent

    configure_chain(cli, tenants_url)
    lines = cli.text(*everything).splitlines()
    assert lines[0].split() == ["SESSION", "STATE", "CHAIN", "ACCOUNT", "SIGNER", "UNTIL", "LEFT", "TAGS"]
    (line,) = [line for line in lines if line.startswith(grant.session_id)]
    assert "installed" in line
    assert "0.4 of 0.5 native" in line
    assert line.endswith("payroll")
    for option, value in (("--tag", "payroll"), ("--session-key", grant.key.address), ("--state", "installed")):
        assert [each["sessionId"] for each in cli.json(*everything, option, value)["sessions"]] == [grant.session_id]
    first = cli.json(*everything, "--limit", "1")
    rest = cli.json(*everything, "--account", wallet.account, "--cursor", first["cursor"])
    named = [each["sessionId"] for each in (*first["sessions"], *rest["sessions"])]
    assert sorted(named) == sorted([grant.session_id, other.session_id])
    assert f"More: --cursor {first['cursor']}" in cli.text(*everything, "--limit", "1")
    assert cli.status(*everything, "--state", "lost")[0] == 2
    assert "--state: expected one of removed, revoked," in cli.stderr


def test_a_session_is_shown_as_the_method_shows_it(
    cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet, grant: Grant
) -> None:
    configure_chain(cli, tenants_url)
    shown = cli.json("session", "show", grant.session_id, "--org", tenant.organization)
    answered = wallet.client.rpc("wallet_getSession", {"sessionId": grant.session_id})
    assert shown == answered | {"blockNumber": shown["blockNumber"]}
    place = ("--account", wallet.account, "--chain", str(CHAINS[0]), "--entity", str(shown["entityId"]))
    assert cli.json("session", "show", *place, "--org", tenant.organization) == shown
    text = cli.text("session", "show", grant.session_id, "--org", tenant.organization)
    assert f"Grant:     The key {grant.key.address} may, until " in text
    assert f"Call:      {'20'}" in text
    assert "confirmed" in text
    assert cli.status("session", "show", "--org", tenant.organization, "--chain", "1")[0] == 2
    assert "expected SESSION_ID, or --account, --chain and --entity" in cli.stderr


def test_calls_of_a_session_are_shown_by_their_functions(
    cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet
) -> None:
    grant = wallet.grant(ROOT)
    unknown = {"to": FRIEND, "data": "0xd09de08a"}
    move = bytes.fromhex(transfer(0)["data"][2:])
    outer = {"to": FRIEND, "data": call_data("multicall(bytes[])", [move])}
    wallet.act(grant, transfer(0), {"to": FRIEND, "value": hex(10**17)}, unknown, outer, sponsored=False)
    configure_chain(cli, tenants_url)

    lines = cli.text("session", "show", grant.session_id, "--org", tenant.organization).splitlines()

    at = next(index for index, line in enumerate(lines) if line.startswith("Call: "))
    moved, paid, other, several, inner = lines[at + 1 :]
    assert lines[at].endswith("  confirmed")
    token, friend = (f"{each[:6]}…{each[-4:]}" for each in (TOKEN, FRIEND))
    assert moved.strip().startswith(f"{token}  transfer(to=0x")
    assert moved.endswith(f", amount=0); amount: 0 of token {TOKEN}")
    assert (paid.strip(), other.strip()) == (f"{friend}  0.1 native", f"{friend}  0xd09de08a")
    assert several.strip().startswith(f"{friend}  multicall(data=")
    assert inner.startswith(f"{' ' * 13}{friend}  transfer(to=0x")


def test_calls_of_a_session_are_explained(cli: Cli, tenants_url: str, tenant: Tenant, wallet: Wallet) -> None:
    spend = {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}}
    session = wallet.grant(spend).session_id
    configure_chain(cli, tenants_url)
    named = ("session", "explain", session, "--org", tenant.organization)

    found = cli.json(*named, "--call", TOKEN, "0", transfer(101)["data"], "--call", FRIEND, "0x1")
    printed = cli.text(*named, "--call", TOKEN, "0", transfer(101)["data"])

    assert [one["reason"] for one in found["calls"]] == ["erc20_limit_exceeded", "contract_not_allowed"]
    assert "Decision:  denied: denied by the session's permission erc20-token-transfer" in printed
    assert "amount: 0.000000000000000101 of token" in printed
    for call in (["0x12"], [FRIEND, "x"], [FRIEND, "-1"], [FRIEND, "0", "0x", "0x"]):
        status, _ = cli.status(*named, "--call", *call)
        assert (status, "--call: expected" in cli.stderr) == (2, True)
