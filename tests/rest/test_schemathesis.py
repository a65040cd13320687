"""The served OpenAPI document against its server, with requests that schemathesis generates.

The tests cover every operation of the catalogue, with a real key of an organisation that has sessions and tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from tests.e2e.server import run_dev_server
from tests.support.constants import CHAINS
from tests.tenants.granting import grant_sessions
from tests.tenants.tenant import Tenant, new_tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import Settings
from wallet_rpc.config.values import Secret
from wallet_rpc.dev_server import DevOptions
from wallet_rpc.operations.catalogue import REST_OPERATIONS
from wallet_rpc.operations.operation import Credential, Operation

SECRET = Secret(b"a secret of the tests, 32 bytes or more")
TOKENS = "/api/v1/burner/sessions"
NEW_TOKEN = {"walletAddress": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "ttlSeconds": 600}
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]


@pytest.fixture(scope="module")
def tenant(redis_server: RedisServer) -> Iterator[Tenant]:
    async def create(url: str, http: httpx2.Client) -> Tenant:
        async with RedisStore.open(redis_server.url) as store:
            return await new_tenant(store, url, http)

    chosen = Settings(redis_url=redis_server.url, token_secrets=(SECRET,))
    options = DevOptions(chains=CHAINS, ephemeral=True)
    with run_dev_server(options, settings=chosen) as url, httpx2.Client(timeout=30) as http:
        yield asyncio.run(create(url, http))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture(scope="module")
def described(tenant: Tenant) -> Any:
    document = schemathesis.openapi.from_url(f"{tenant.url}/openapi.json")
    document.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "404", "413"]
    return document


@dataclass
class Resources:
    """Creates resources of a tenant for requests to name."""

    tenant: Tenant

    def new(self) -> dict[str, Any]:
        """Return the body that registers new grants."""
        return grant_sessions(self.tenant).body()

    def group(self) -> dict[str, Any]:
        """Register new grants and return the group."""
        status, group = self.tenant.rest("POST", self.tenant.sessions, self.new())
        assert status == 200, group
        return dict(group)

    def token(self) -> str:
        """Create a session token."""
        status, answer = self.tenant.rest("POST", TOKENS, NEW_TOKEN)
        assert status == 200, answer
        return str(answer["token"])


@pytest.fixture
def resources(tenant: Tenant) -> Resources:
    return Resources(tenant)


def valid_request(name: str, resources: Resources) -> dict[str, Any]:
    """Return a request that succeeds: its path parameters without `orgId`, its query, its body."""
    match name:
        case "createOrganizationSession":
            return {"body": resources.new()}
        case "listOrganizationSessions":
            return {"query": {"limit": 1, "sessionGroupId": resources.group()["sessionGroupId"]}}
        case "getOrganizationSession" | "revokeOrganizationSession":
            return {"path_parameters": {"id": resources.group()["sessions"][0]["id"]}}
        case "createToken":
            return {"body": NEW_TOKEN}
        case "revokeToken":
            return {"path_parameters": {"id": token_id(resources.token())}}
        case "describeToken":
            return {}
        case _:
            raise AssertionError(f"{name}: no valid request is defined here")


def token_id(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["jti"])


class OperationClient:
    """One operation as the document describes it, with a valid credential."""

    def __init__(self, operation: Operation[Any, Any, Any], described: Any, resources: Resources) -> None:
        assert operation.rest is not None
        is_for_tokens = operation.rest.credential is Credential.TOKEN
        self.operation = described[operation.rest.paths[0]][operation.rest.verb]
        self.headers = {"Authorization": f"Bearer {resources.token()}"} if is_for_tokens else resources.tenant.headers
        self.organization = resources.tenant.organization
        self.valid = valid_request(operation.name, resources)

    def send(self, case: Any, session: requests.Session) -> int:
        """Send a case, check the response against the document, and return its status."""
        answer = case.call_and_validate(headers=self.headers, session=session, checks=CHECKS)
        return int(answer.status_code)

    def set_own_organization(self, case: Any) -> None:
        """Set the case's organisation to the key's own."""
        if "orgId" in case.path_parameters:
            case.path_parameters["orgId"] = self.organization
            case.headers.pop("X-Org-ID", None)


@pytest.fixture
def operation_client(request: pytest.FixtureRequest, described: Any, resources: Resources) -> OperationClient:
    return OperationClient(request.param, described, resources)


every_operation = pytest.mark.parametrize(
    "operation_client", REST_OPERATIONS, indirect=True, ids=lambda each: str(each.name)
)


@every_operation
def test_a_valid_request_succeeds_as_documented(operation_client: OperationClient, session: requests.Session) -> None:
    parameters = {"orgId": operation_client.organization, **operation_client.valid.get("path_parameters", {})}
    case = operation_client.operation.Case(**{**operation_client.valid, "path_parameters": parameters})

    assert operation_client.send(case, session) == 200


@every_operation
def test_requests_that_fit_the_document_get_documented_responses(
    operation_client: OperationClient, session: requests.Session
) -> None:
    @given(case=operation_client.operation.as_strategy(GenerationMode.POSITIVE), is_near=st.booleans(), data=st.data())
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def check(case: Any, is_near: bool, data: st.DataObject) -> None:
        if is_near:
            operation_client.set_own_organization(case)
            case.path_parameters |= operation_client.valid.get("path_parameters", {})
        if is_near and isinstance(case.body, dict):
            names = data.draw(st.sets(st.sampled_from(sorted(case.body))))
            case.body = {**operation_client.valid["body"], **{name: case.body[name] for name in names}}
        operation_client.send(case, session)

    check()


@every_operation
def test_requests_that_violate_the_document_are_rejected_as_documented(
    operation_client: OperationClient, session: requests.Session
) -> None:
    @given(case=operation_client.operation.as_strategy(GenerationMode.NEGATIVE), is_near=st.booleans())
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def check(case: Any, is_near: bool) -> None:
        if is_near:
            operation_client.set_own_organization(case)
        operation_client.send(case, session)

    check()
