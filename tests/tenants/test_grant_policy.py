"""An organisation's policy makes warnings about new sessions errors, set by `wallet-rpc org policy`."""

from __future__ import annotations

import asyncio

import pytest

from tests.e2e.commanding import Cli
from tests.support.constants import FRIEND, ROOT
from tests.support.rpc_client import RpcError
from tests.support.wallet import Wallet
from tests.tenants.holding import token_client
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.grant_warnings import WarningCode

CREATE = "wallet_createSession"
ON_FRIEND = {"type": "contract-access", "data": {"address": FRIEND}}


@pytest.fixture
def cli(redis_server: RedisServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(redis_server.url, capsys, monkeypatch)


def test_a_refused_warning_is_an_error_for_one_organization_until_it_is_allowed_again(
    cli: Cli, tenant: Tenant, other: Tenant
) -> None:
    wallet, elsewhere = Wallet(tenant.client()), Wallet(other.client())
    set_policy = ("org", "policy", "--org", tenant.organization)
    root = wallet.build_session([ROOT], wallet.owner.address)
    assert "result" in tenant.rpc(CREATE, root)

    assert cli.json(*set_policy, "--refuse", "root", "--refuse", "no_end")["refusedWarnings"] == ["no_end", "root"]

    error = tenant.rpc(CREATE, root)["error"]
    assert (error["code"], error["data"]["reason"], error["data"]["warning"]) == (-32602, "warning_is_error", "root")
    assert error["data"]["field"] == "params.permissions[0]"
    assert tenant.rpc(CREATE, {**root, "warnings": False})["error"]["data"]["warning"] == "root"
    endless = wallet.build_session([ON_FRIEND], wallet.owner.address, expirySec=0)
    assert tenant.rpc(CREATE, endless)["error"]["data"]["field"] == "params.expirySec"
    allowed = tenant.rpc(CREATE, wallet.build_session([ON_FRIEND], wallet.owner.address))["result"]
    assert [each["code"] for each in allowed["warnings"]] == ["native_value_unlimited"]
    assert "result" in other.rpc(CREATE, elsewhere.build_session([ROOT], elsewhere.owner.address))

    printed = cli.text(*set_policy, "--allow", "root")
    assert "root: warning" in printed
    assert "no_end: error" in printed
    assert "result" in tenant.rpc(CREATE, root)
    assert "error" in tenant.rpc(CREATE, endless)


def test_a_policy_holds_for_session_tokens_and_drafts_too(cli: Cli, tenant: Tenant) -> None:
    wallet = Wallet(tenant.client())
    page = token_client(tenant, wallet.owner.address)
    request = wallet.build_session([ON_FRIEND], wallet.owner.address)
    assert page.rpc(CREATE, request)["warnings"]
    cli.json("org", "policy", "--org", tenant.organization, "--refuse", "native_value_unlimited")
    with pytest.raises(RpcError, match="native_value_unlimited"):
        page.rpc(CREATE, request)
    draft = {
        "chainId": wallet.chain_id,
        "account": wallet.account,
        "expiry": request["expirySec"] + 400 * 86_400,
        "signer": {"type": "account", "data": {"address": wallet.owner.address}},
        "permissions": [{"type": "contract-access", "data": {"address": FRIEND}}],
    }
    assert "result" in tenant.rpc("wallet_grantPermissions", draft)  # it has a native limit of zero
    cli.json("org", "policy", "--org", tenant.organization, "--refuse", "far_end")
    error = tenant.rpc("wallet_grantPermissions", draft)["error"]
    assert (error["data"]["warning"], error["data"]["field"]) == ("far_end", "params.expiry")


def test_a_change_is_on_the_audit_log_and_an_unchanged_policy_is_not(cli: Cli, tenant: Tenant) -> None:
    policy = ("org", "policy", "--org", tenant.organization)

    def entries() -> list[str]:
        shown = cli.text("audit", "show", "--org", tenant.organization)
        return [line for line in shown.splitlines() if "grant.policy.changed" in line]

    cli.json(*policy)
    cli.json(*policy, "--allow", "root")
    assert entries() == []
    cli.json(*policy, "--refuse", "root")
    cli.json(*policy, "--refuse", "root")
    (entry,) = entries()
    assert entry.split()[2:4] == ["cli", "grant.policy.changed"]
    assert '{"refusedWarnings": ["root"]}' in entry


@pytest.mark.parametrize("code", [*WarningCode])
def test_every_warning_can_be_refused_and_allowed(cli: Cli, tenant: Tenant, code: WarningCode) -> None:
    policy = ("org", "policy", "--org", tenant.organization)
    assert cli.json(*policy, "--refuse", code)["refusedWarnings"] == [code]
    assert cli.json(*policy, "--allow", code)["refusedWarnings"] == []


def test_invalid_options_are_named(cli: Cli, tenant: Tenant) -> None:
    status, _ = cli.status("org", "policy", "--org", tenant.organization, "--refuse", "everything")
    assert status == 2
    assert "'everything'" in cli.stderr
    assert "native_value_unlimited" in cli.stderr
    status, _ = cli.status("org", "policy", "--org", "org_of_nobody", "--refuse", "root")
    assert (status, "--org" in cli.stderr) == (2, True)
    both = ("--refuse", "root", "--allow", "root")
    status, _ = cli.status("org", "policy", "--org", tenant.organization, *both)
    assert (status, "--allow" in cli.stderr) == (2, True)


def test_a_code_of_a_newer_server_is_left_out(tenant: Tenant, redis_server: RedisServer) -> None:
    async def read() -> frozenset[WarningCode]:
        async with RedisStore.open(redis_server.url) as store:
            policy = store.for_organization(tenant.organization).grant_policy
            await policy.refuse_warnings([WarningCode.ROOT])
            await policy._link.command("SADD", policy.refused_key(), "of_a_newer_server")
            return await policy.refused_warnings()

    assert asyncio.run(read()) == {WarningCode.ROOT}
