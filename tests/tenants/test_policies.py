"""A sponsorship policy of one organisation does not exist for another."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import httpx2

from tests.e2e.server import run_dev_server
from tests.support.api_keys import issue_api_key
from tests.support.constants import FRIEND
from tests.support.policies import write_policies
from tests.support.wallet import Wallet
from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.domain.access import OrganizationId

POLICY = "22222222-2222-4333-8444-555555555555"


def an_organization() -> OrganizationId:
    return OrganizationId(f"org_{secrets.token_hex(10)}")


def find_paymaster(tenant: Tenant) -> str | None:
    """Return the paymaster that pays under the policy; None if the call is rejected."""
    request = Wallet(tenant.client()).build_calls({"to": FRIEND}, paymasterService={"policyId": POLICY})
    answer = tenant.rpc("wallet_prepareCalls", request)
    return answer["result"]["data"]["paymaster"] if "result" in answer else None


def test_a_policy_applies_to_its_organisation_only(tmp_path: Path, redis_server: RedisServer) -> None:
    owner = an_organization()
    other = an_organization()
    policies = write_policies(tmp_path, {"id": POLICY, "organization": owner, "limits": {"total_operations": 1}})
    keys = {organization: issue_api_key(organization=organization) for organization in (owner, other)}

    async def store_keys() -> None:
        async with RedisStore.open(redis_server.url) as store:
            for _, record in keys.values():
                await store.directory.add_key(record)

    asyncio.run(store_keys())
    settings = Settings(redis_url=redis_server.url, policies=policies)
    with run_dev_server(DevOptions(ephemeral=True), settings=settings) as url, httpx2.Client(timeout=30) as http:
        member, outsider = (Tenant(url, organization, key, http) for organization, (key, _) in keys.items())

        first = find_paymaster(member)
        second = find_paymaster(member)
        unlimited = [find_paymaster(outsider) for _ in range(3)]

    assert first is not None
    assert second is None
    assert None not in unlimited  # the embedded chain's own paymaster accepts any id without a policy
