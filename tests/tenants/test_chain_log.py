"""Requests that change a chain are logged for the key's organisation before they are forwarded, on every path."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.tenants.tenant import Tenant
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES
from wallet_rpc.devchain.dev_constants import EXTRA_READ_METHODS, EXTRA_WRITE_METHODS
from wallet_rpc.devchain.node import OPERATIONS
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.audit import EventKind

ACCOUNT = "0x00000000000000000000000000000000f00DcAfE"
RAW = "0x02c0"


async def logged_requests(store: RedisStore, tenant: Tenant) -> list[dict[str, Any]]:
    """Return the facts of the log's entries about chain methods, oldest first."""
    entries = await store.for_organization(tenant.organization).audit.entries(0, 1000)
    return [entry.event.facts for entry in entries if entry.event.kind is EventKind.CHAIN_REQUESTED]


def body(method: str, *params: Any, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params), **more}


async def test_every_way_to_change_a_chain_is_logged(tenant: Tenant, directory: RedisStore) -> None:
    url = tenant.url
    ways: list[tuple[str, Any, int]] = [
        (url, body("anvil_setBalance", ACCOUNT, "0x1"), 31337),
        (f"{url}?chainId=421614", body("evm_mine"), 421614),
        (f"{url}/chain/421614", body("eth_sendTransaction", {"from": ACCOUNT}), 421614),
        (f"{url}/v2/{tenant.key}", body("eth_sendRawTransaction", RAW), 31337),
        (url, [body("eth_chainId"), body("evm_mine")], 31337),
        (f"{url}/chain/31337", [body("eth_chainId"), body("hardhat_setNonce", ACCOUNT, "0x1")], 31337),
        (url, {"jsonrpc": "2.0", "method": "evm_mine"}, 31337),
        (f"{url}/chain/31337", {"jsonrpc": "2.0", "method": "evm_mine"}, 31337),
        (f"{url}/chain/31337", body("eth_sendUserOperation", {"sender": ACCOUNT}, ACCOUNT), 31337),
        (f"{url}/chain/31337", {**body("evm_mine"), "params": {}}, 31337),
        (f"{url}/chain/31337", {**body("evm_mine"), "params": 7}, 31337),
    ]
    for number, (at, request, chain) in enumerate(ways, 1):
        tenant.http.post(at, json=request, headers=tenant.headers)
        found = await logged_requests(directory, tenant)
        assert (len(found), found[-1]["chainId"]) == (number, chain), request
        assert found[-1]["method"] == (request[-1] if isinstance(request, list) else request)["method"]

    accounts = [each["account"] for each in await logged_requests(directory, tenant) if "account" in each]
    assert accounts == [ACCOUNT] * 4
    assert (await directory.for_organization(tenant.organization).audit.verify()).failure is None


async def test_a_rejected_send_is_in_the_log_with_its_hash(tenant: Tenant, directory: RedisStore) -> None:
    assert "error" in tenant.rpc("eth_sendRawTransaction", RAW)

    (facts,) = await logged_requests(directory, tenant)
    assert facts == {"chainId": 31337, "method": "eth_sendRawTransaction", "hash": facts["hash"]}


async def test_reads_and_rejected_bodies_leave_no_entry(tenant: Tenant, directory: RedisStore) -> None:
    at = f"{tenant.url}/chain/31337"
    for request in (body("eth_chainId"), body("eth_accounts"), [body("evm_mine")] * 1001, [1], 7, {"method": 7}, []):
        tenant.http.post(at, json=request, headers=tenant.headers)
    tenant.http.post(at, content=b"{", headers={**tenant.headers, "content-type": "application/json"})
    tenant.rpc("eth_blockNumber")

    assert await logged_requests(directory, tenant) == []


async def test_a_caller_without_a_key_has_no_log(tenant: Tenant, directory: RedisStore) -> None:
    before = (await directory.for_organization(OPEN_ORGANIZATION).audit.head()).count
    httpx2.post(tenant.url, json=body("evm_mine"))
    httpx2.post(f"{tenant.url}/chain/31337", json=body("evm_mine"))

    assert (await directory.for_organization(OPEN_ORGANIZATION).audit.head()).count == before


def test_every_method_of_the_embedded_chain_is_classified_as_read_or_write() -> None:
    assert {"eth_sendRawTransaction", "eth_sendUserOperation"} == NODE_WRITES | BUNDLER_WRITES
    unchanging = NODE_READS | BUNDLER_READS | EXTRA_READ_METHODS
    others = {each.name for each in OPERATIONS} - unchanging
    assert others == EXTRA_WRITE_METHODS | NODE_WRITES | BUNDLER_WRITES, "add a new method to one of the two"
    assert not EXTRA_WRITE_METHODS & unchanging
