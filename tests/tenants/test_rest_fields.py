"""Errors of REST routes that do what methods of JSON-RPC do: their codes, and fields of the body."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.constants import FRIEND
from tests.tenants.granting import grant_sessions
from tests.tenants.tenant import Tenant

ANY_CALL = "0x" + "ab" * 64


@pytest.fixture
def session(tenant: Tenant) -> str:
    """Register sessions, and return the path of the first."""
    status, group = tenant.rest("POST", tenant.sessions, grant_sessions(tenant).body())
    assert status == 200, group
    return f"{tenant.sessions}/{group['sessions'][0]['id']}"


@pytest.mark.parametrize(
    ("verb", "path", "body", "field"),
    [
        ("PUT", "/rules", {"rules": [{"type": "approval"}, {"type": "recipients"}]}, "rules[1]"),
        ("PUT", "/rules", {"rules": [{"type": "calls", "limit": "1", "period": "day"}]}, "rules[0].limit"),
        ("PUT", "/rules", {}, "rules"),
        ("PUT", "/tags", {"tags": [""]}, "tags[0]"),
        ("POST", "/explain", {"calls": [{"to": FRIEND}], "abis": [{"abi": ["f("]}]}, "abis[0].abi[0]"),
        ("POST", "/explain", {"calls": [{"to": FRIEND}] * 101}, "calls"),
        ("POST", "/explain", {"calls": [{"to": FRIEND, "chainId": "0x5"}]}, "calls[0].chainId"),
        ("POST", "/explain", {"calls": [], "sponsored": "yes"}, "sponsored"),
    ],
)
def test_an_error_names_the_field_of_the_body(
    tenant: Tenant, session: str, verb: str, path: str, body: dict[str, Any], field: str
) -> None:
    status, answer = tenant.rest(verb, session + path, body)

    assert (status, answer["code"]) == (400, 400002), answer
    assert [each["field"] for each in answer["details"]] == [field]


def test_a_decision_on_an_unknown_call_is_not_found(tenant: Tenant) -> None:
    approvals = f"/v1/organizations/{tenant.organization}/approvals"
    for call_id, decision in ((ANY_CALL, "approve"), (ANY_CALL, "reject"), ("0x12", "approve")):
        status, answer = tenant.rest("POST", f"{approvals}/{call_id}/{decision}")
        assert (status, answer["code"]) == (404, 404006), answer
    status, answer = tenant.rest("GET", f"{approvals}?limit=0")
    assert (status, answer["code"]) == (400, 400010), answer
