"""Requests of every REST route for each kind of resource that an organisation may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tests.support.constants import FRIEND, HOUR
from tests.support.registration import timestamp_in
from tests.tenants.isolation_queries import CHAIN, Query, Resources, context, rest


def webhooks(resources: Resources) -> str:
    return f"/v1/organizations/{resources.organization}/webhooks"


def registration(resources: Resources) -> dict[str, Any]:
    return {
        "walletId": resources.account_id,
        "sessionAddress": resources.session_key,
        "expiresAt": timestamp_in(HOUR),
        "policies": {},
        "installs": [{"chainId": int(CHAIN, 16), "serialized": context(resources)["context"]}],
    }


def _decide_elsewhere(decision: str) -> Query:
    """Return a query that decides on the call at the path of the own organisation."""
    return lambda tenant, resources: tenant.rest(
        "POST", f"/v1/organizations/{tenant.organization}/approvals/{resources.call_id}/{decision}"
    )


def path_of(template: str) -> Callable[[Resources], str]:
    """Return a function that fills the placeholders of a path with the resources' identifiers."""
    return lambda resources: template.format(**asdict(resources))


REST_QUERIES: dict[tuple[str, str], list[Query]] = {
    ("POST", "/v1/organizations/{orgId}/webhooks"): [rest("POST", webhooks, lambda _: {"url": "https://127.0.0.1/"})],
    ("GET", "/v1/organizations/{orgId}/webhooks"): [rest("GET", webhooks)],
    ("DELETE", "/v1/organizations/{orgId}/webhooks/{id}"): [rest("DELETE", lambda t: f"{webhooks(t)}/{t.token_id}")],
    ("POST", "/v1/organizations/{orgId}/sessions"): [
        rest("POST", path_of("/v1/organizations/{organization}/sessions"), registration),
        lambda tenant, resources: tenant.rest("POST", tenant.sessions, registration(resources)),
        lambda tenant, resources: tenant.rest(
            "POST", tenant.sessions, registration(resources) | {"walletId": resources.account}
        ),
    ],
    ("GET", "/v1/organizations/{orgId}/sessions"): [
        rest("GET", path_of("/v1/organizations/{organization}/sessions")),
        lambda tenant, _: tenant.rest("GET", tenant.sessions),
        lambda tenant, resources: tenant.rest("GET", f"{tenant.sessions}?sessionAddress={resources.session_key}"),
        lambda tenant, resources: tenant.rest("GET", f"{tenant.sessions}?sessionGroupId={resources.group_id}"),
    ],
    ("GET", "/v1/organizations/{orgId}/created-sessions"): [
        rest("GET", path_of("/v1/organizations/{organization}/created-sessions")),
        rest("GET", path_of("/v1/organizations/{organization}/created-sessions?account={account}")),
    ],
    ("GET", "/v1/organizations/{orgId}/created-sessions/{id}"): [
        rest("GET", path_of("/v1/organizations/{organization}/created-sessions/{session_id}")),
        lambda tenant, resources: tenant.rest(
            "GET", f"/v1/organizations/{tenant.organization}/created-sessions/{resources.session_id}"
        ),
    ],
    ("GET", "/v1/organizations/{orgId}/sessions/{id}"): [
        rest("GET", path_of("/v1/organizations/{organization}/sessions/{session_id}")),
        lambda tenant, resources: tenant.rest("GET", f"{tenant.sessions}/{resources.session_id}"),
        lambda tenant, resources: tenant.rest("GET", f"{tenant.sessions}/{resources.group_id}"),
    ],
    ("DELETE", "/v1/organizations/{orgId}/sessions/{id}"): [
        rest("DELETE", path_of("/v1/organizations/{organization}/sessions/{session_id}")),
        lambda tenant, resources: tenant.rest("DELETE", f"{tenant.sessions}/{resources.session_id}"),
        lambda tenant, resources: tenant.rest("DELETE", f"{tenant.sessions}/{resources.group_id}"),
    ],
    ("POST", "/v1/organizations/{orgId}/sessions/{id}/pause"): [
        rest("POST", path_of("/v1/organizations/{organization}/sessions/{session_id}/pause")),
        lambda tenant, resources: tenant.rest("POST", f"{tenant.sessions}/{resources.session_id}/pause"),
    ],
    ("POST", "/v1/organizations/{orgId}/sessions/{id}/resume"): [
        rest("POST", path_of("/v1/organizations/{organization}/sessions/{session_id}/resume")),
        lambda tenant, resources: tenant.rest("POST", f"{tenant.sessions}/{resources.session_id}/resume"),
    ],
    ("PUT", "/v1/organizations/{orgId}/sessions/{id}/rules"): [
        rest("PUT", path_of("/v1/organizations/{organization}/sessions/{session_id}/rules"), lambda _: {"rules": []}),
        lambda tenant, resources: tenant.rest(
            "PUT", f"{tenant.sessions}/{resources.session_id}/rules", {"rules": [{"type": "approval"}]}
        ),
        lambda tenant, resources: tenant.rest("PUT", f"{tenant.sessions}/{resources.group_id}/rules", {"rules": []}),
    ],
    ("PUT", "/v1/organizations/{orgId}/sessions/{id}/tags"): [
        rest("PUT", path_of("/v1/organizations/{organization}/sessions/{session_id}/tags"), lambda _: {"tags": ["a"]}),
        lambda tenant, resources: tenant.rest("PUT", f"{tenant.sessions}/{resources.session_id}/tags", {"tags": ["a"]}),
        lambda tenant, resources: tenant.rest("PUT", f"{tenant.sessions}/{resources.group_id}/tags", {"tags": ["a"]}),
    ],
    ("POST", "/v1/organizations/{orgId}/sessions/{id}/explain"): [
        rest(
            "POST", path_of("/v1/organizations/{organization}/sessions/{session_id}/explain"), lambda _: {"calls": []}
        ),
        lambda tenant, resources: tenant.rest(
            "POST", f"{tenant.sessions}/{resources.session_id}/explain", {"calls": [{"to": FRIEND}]}
        ),
    ],
    ("GET", "/v1/organizations/{orgId}/approvals"): [
        rest("GET", path_of("/v1/organizations/{organization}/approvals")),
        lambda tenant, resources: tenant.rest(
            "GET", f"/v1/organizations/{tenant.organization}/approvals?account={resources.account}"
        ),
    ],
    **{
        ("POST", f"/v1/organizations/{{orgId}}/approvals/{{callId}}/{decision}"): [
            rest("POST", path_of(f"/v1/organizations/{{organization}}/approvals/{{call_id}}/{decision}")),
            _decide_elsewhere(decision),
        ]
        for decision in ("approve", "reject")
    },
    ("GET", "/v1/organizations/{orgId}/stops"): [rest("GET", path_of("/v1/organizations/{organization}/stops"))],
    ("POST", "/v1/organizations/{orgId}/stops"): [
        rest("POST", path_of("/v1/organizations/{organization}/stops"), lambda t: {"scope": {"account": t.account}})
    ],
    ("DELETE", "/v1/organizations/{orgId}/stops"): [
        rest("DELETE", path_of("/v1/organizations/{organization}/stops?account={account}")),
        lambda tenant, resources: tenant.rest(
            "DELETE", f"/v1/organizations/{tenant.organization}/stops?account={resources.account}"
        ),
    ],
    ("POST", "/api/v1/burner/sessions"): [rest("POST", path_of("/v1/sessions"), lambda t: {"walletAddress": t.signer})],
    ("GET", "/api/v1/burner/sessions/me"): [rest("GET", path_of("/v1/sessions/me"))],
    ("DELETE", "/api/v1/burner/sessions/{id}"): [rest("DELETE", path_of("/v1/sessions/{token_id}"))],
}
