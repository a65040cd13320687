"""The served OpenAPI document against its server, with requests that schemathesis generates.

The tests cover every operation of the catalogue, with a real key of an organisation that has sessions and tokens.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
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
from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.wallet import Wallet
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
NEW_WEBHOOK: dict[str, Any] = {"url": "https://hook.invalid/events", "types": ["rule"]}
"""A webhook to which no event is sent."""
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
REQUESTS = settings(derandomize=True, max_examples=15, suppress_health_check=list(HealthCheck))
"""The same requests in each run, so that a rare fault does not fail another change. More: `derandomize=False`."""


@pytest.fixture(scope="module")
def url(redis_server: RedisServer) -> Iterator[str]:
    chosen = Settings(redis_url=redis_server.url, token_secrets=(SECRET,))
    with run_dev_server(DevOptions(chains=CHAINS, ephemeral=True), settings=chosen) as running:
        yield running


@pytest.fixture
def tenant(redis_server: RedisServer, url: str) -> Iterator[Tenant]:
    """An organisation of one test: a generated request can stop all sessions of its organisation for good."""

    async def create(http: httpx2.Client) -> Tenant:
        async with RedisStore.open(redis_server.url) as store:
            return await new_tenant(store, url, http)

    with httpx2.Client(timeout=30) as http:
        yield asyncio.run(create(http))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


@pytest.fixture(scope="module")
def described(url: str) -> Any:
    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
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

    @property
    def stops(self) -> str:
        """The path of the organisation's kill switches."""
        return f"/v1/organizations/{self.tenant.organization}/stops"

    def stop(self) -> dict[str, Any]:
        """Set a kill switch, and return the request that removes it."""
        self.tenant.rest("POST", self.stops, {"scope": {"tag": "payroll"}})
        return {"query": {"tag": "payroll"}}

    @property
    def webhooks(self) -> str:
        return f"/v1/organizations/{self.tenant.organization}/webhooks"

    def webhook(self) -> str:
        """Register a webhook, and return its id."""
        status, created = self.tenant.rest("POST", self.webhooks, NEW_WEBHOOK)
        assert status == 200, created
        return str(created["id"])

    def waiting_call(self) -> dict[str, Any]:
        """Send a call that waits for its approval, and return the request that decides on it."""
        wallet = Wallet(self.tenant.client()).fund(tokens=0)
        grant = wallet.grant(ROOT, rules=[{"type": "approval"}])
        prepared = wallet.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)
        call_id = wallet.send(prepared, grant.key, grant.permissions)
        return {"path_parameters": {"callId": call_id}}

    def token(self) -> str:
        """Create a session token."""
        status, answer = self.tenant.rest("POST", TOKENS, NEW_TOKEN)
        assert status == 200, answer
        return str(answer["token"])


@pytest.fixture
def resources(tenant: Tenant) -> Resources:
    return Resources(tenant)


ON_SESSION = (
    "getOrganizationSession",
    "pauseOrganizationSession",
    "resumeOrganizationSession",
    "revokeOrganizationSession",
)
"""Operations on one session of a group."""


def valid_request(name: str, resources: Resources) -> dict[str, Any]:
    """Return a request that succeeds: its path parameters without `orgId`, its query, its body."""
    requests_by_name: dict[str, Callable[[], dict[str, Any]]] = {
        "createOrganizationSession": lambda: {"body": resources.new()},
        "listOrganizationSessions": lambda: {
            "query": {"limit": 1, "sessionGroupId": resources.group()["sessionGroupId"]}
        },
        **dict.fromkeys(ON_SESSION, lambda: {"path_parameters": {"id": resources.group()["sessions"][0]["id"]}}),
        "listCreatedSessions": lambda: {"query": {"limit": 1, "state": "pending"}},
        "getCreatedSession": lambda: {
            "path_parameters": {"id": resources.group()["sessions"][0]["id"]},
            "query": {"callsLimit": 1},
        },
        "setOrganizationSessionRules": lambda: {
            "path_parameters": {"id": resources.group()["sessions"][0]["id"]},
            "body": {"rules": [{"type": "calls", "limit": 5, "period": "day"}]},
        },
        "setOrganizationSessionTags": lambda: {
            "path_parameters": {"id": resources.group()["sessionGroupId"]},
            "body": {"tags": ["payroll"]},
        },
        "explainOrganizationCalls": lambda: {
            "path_parameters": {"id": resources.group()["sessions"][0]["id"]},
            "body": {"calls": [{"to": FRIEND}]},
        },
        "listOrganizationApprovals": lambda: {"query": {"limit": 1}},
        "approveOrganizationCalls": resources.waiting_call,
        "rejectOrganizationCalls": resources.waiting_call,
        "setOrganizationStop": lambda: {"body": {"scope": {"tag": uuid.uuid4().hex}}},
        "listOrganizationStops": dict,
        "removeOrganizationStop": resources.stop,
        "createWebhook": lambda: {"body": NEW_WEBHOOK},
        "listWebhooks": dict,
        "deleteWebhook": lambda: {"path_parameters": {"id": resources.webhook()}},
        "createToken": lambda: {"body": NEW_TOKEN},
        "revokeToken": lambda: {"path_parameters": {"id": token_id(resources.token())}},
        "describeToken": dict,
    }
    return requests_by_name[name]()


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
    @REQUESTS
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
    @REQUESTS
    def check(case: Any, is_near: bool) -> None:
        if is_near:
            operation_client.set_own_organization(case)
        operation_client.send(case, session)

    check()
