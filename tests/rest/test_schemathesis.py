"""The served OpenAPI document against the server that serves it: schemathesis makes up the requests.

Every operation of the catalogue is asked, with a real key in a real organisation that has sessions and tokens.
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
from tests.tenants.granting import CHAINS, grant_sessions
from tests.tenants.tenant import Tenant, new_tenant
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.config.settings import Secret, Settings
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
    with requests.Session() as made:
        yield made


@pytest.fixture(scope="module")
def described(tenant: Tenant) -> Any:
    made = schemathesis.openapi.from_url(f"{tenant.url}/openapi.json")
    made.config.checks.negative_data_rejection.expected_statuses = ["400", "401", "404", "413"]
    return made


@dataclass
class Resources:
    """What is there to be asked about."""

    tenant: Tenant

    def new(self) -> dict[str, Any]:
        """Grants that nobody registered."""
        return grant_sessions(self.tenant).body()

    def group(self) -> dict[str, Any]:
        """A group that was just registered."""
        status, group = self.tenant.rest("POST", self.tenant.sessions, self.new())
        assert status == 200, group
        return dict(group)

    def token(self) -> str:
        """A session token that was just made."""
        status, made = self.tenant.rest("POST", TOKENS, NEW_TOKEN)
        assert status == 200, made
        return str(made["token"])


@pytest.fixture
def known(tenant: Tenant) -> Resources:
    return Resources(tenant)


def valid_request(name: str, known: Resources) -> dict[str, Any]:
    """A request that is granted: its path parameters but `orgId`, its query, its body."""
    match name:
        case "createOrganizationSession":
            return {"body": known.new()}
        case "listOrganizationSessions":
            return {"query": {"limit": 1, "sessionGroupId": known.group()["sessionGroupId"]}}
        case "getOrganizationSession" | "revokeOrganizationSession":
            return {"path_parameters": {"id": known.group()["sessions"][0]["id"]}}
        case "createToken":
            return {"body": NEW_TOKEN}
        case "revokeToken":
            return {"path_parameters": {"id": token_id(known.token())}}
        case "describeToken":
            return {}
        case _:
            raise AssertionError(f"{name}: no request is known that it grants")


def token_id(token: str) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return str(claims["jti"])


class OperationClient:
    """One operation, as the document describes it, with a credential that it takes."""

    def __init__(self, operation: Operation[Any, Any, Any], described: Any, known: Resources) -> None:
        assert operation.rest is not None
        is_for_tokens = operation.rest.credential is Credential.TOKEN
        self.operation = described[operation.rest.paths[0]][operation.rest.verb]
        self.headers = {"Authorization": f"Bearer {known.token()}"} if is_for_tokens else known.tenant.headers
        self.organization = known.tenant.organization
        self.good = valid_request(operation.name, known)

    def send(self, case: Any, session: requests.Session) -> int:
        """The status of the answer, which must be as documented."""
        answer = case.call_and_validate(headers=self.headers, session=session, checks=CHECKS)
        return int(answer.status_code)

    def at_home(self, case: Any) -> None:
        """Aim a case at the organisation of the key."""
        if "orgId" in case.path_parameters:
            case.path_parameters["orgId"] = self.organization
            case.headers.pop("X-Org-ID", None)


@pytest.fixture
def operation_client(request: pytest.FixtureRequest, described: Any, known: Resources) -> OperationClient:
    return OperationClient(request.param, described, known)


every_operation = pytest.mark.parametrize(
    "operation_client", REST_OPERATIONS, indirect=True, ids=lambda each: str(each.name)
)


@every_operation
def test_a_good_request_is_granted_as_documented(operation_client: OperationClient, session: requests.Session) -> None:
    parameters = {"orgId": operation_client.organization, **operation_client.good.get("path_parameters", {})}
    case = operation_client.operation.Case(**{**operation_client.good, "path_parameters": parameters})

    assert operation_client.send(case, session) == 200


@every_operation
def test_whatever_fits_the_document_is_answered_as_documented(
    operation_client: OperationClient, session: requests.Session
) -> None:
    @given(case=operation_client.operation.as_strategy(GenerationMode.POSITIVE), is_near=st.booleans(), data=st.data())
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def check(case: Any, is_near: bool, data: st.DataObject) -> None:
        if is_near:
            operation_client.at_home(case)
            case.path_parameters |= operation_client.good.get("path_parameters", {})
        if is_near and isinstance(case.body, dict):
            kept = data.draw(st.sets(st.sampled_from(sorted(case.body))))
            case.body = {**operation_client.good["body"], **{name: case.body[name] for name in kept}}
        operation_client.send(case, session)

    check()


@every_operation
def test_what_does_not_fit_the_document_is_refused_as_documented(
    operation_client: OperationClient, session: requests.Session
) -> None:
    @given(case=operation_client.operation.as_strategy(GenerationMode.NEGATIVE), is_near=st.booleans())
    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    def check(case: Any, is_near: bool) -> None:
        if is_near:
            operation_client.at_home(case)
        operation_client.send(case, session)

    check()
