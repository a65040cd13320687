"""Requests of every operation for each kind of resource that an organisation may have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.constants import FRIEND, HOUR
from tests.support.registration import timestamp_in
from tests.tenants.tenant import Tenant

CHAIN = "0x7a69"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """The identifiers of an organisation's resources, by the names that requests use."""

    organization: str
    signer: str
    account: str
    account_id: str
    session_id: str
    signature: str
    session_key: str
    group_id: str
    call_id: str
    token_id: str


Query = Callable[[Tenant, Resources], Any]


def rpc(method: str, *params: Callable[[Resources], Any]) -> Query:
    return lambda tenant, resources: tenant.rpc(method, *(param(resources) for param in params))


def rest(verb: str, path: Callable[[Resources], str], body: Callable[[Resources], Any] = lambda _: None) -> Query:
    return lambda tenant, resources: tenant.rest(verb, path(resources), body(resources))


def permissions(resources: Resources) -> dict[str, str]:
    return {"sessionId": resources.session_id, "signature": resources.signature}


def context(resources: Resources) -> dict[str, str]:
    return {"context": "0x00" + resources.session_id[2:] + resources.signature[2:]}


def calls(resources: Resources, **capabilities: Any) -> dict[str, Any]:
    return {"from": resources.account, "chainId": CHAIN, "calls": [{"to": FRIEND}], "capabilities": capabilities}


def signed_calls(resources: Resources, **capabilities: Any) -> dict[str, Any]:
    """Return a request that sends an unprepared user operation of the account."""
    gas = dict.fromkeys(
        ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas", "maxPriorityFeePerGas"], "0x1"
    )
    return {
        "type": "user-operation-v070",
        "data": {"sender": resources.account, "nonce": "0x0", "callData": "0x", **gas},
        "chainId": CHAIN,
        "capabilities": capabilities,
        "signature": {"type": "secp256k1", "data": resources.signature},
    }


def grant(resources: Resources) -> dict[str, Any]:
    return {
        "account": resources.account,
        "chainId": CHAIN,
        "expirySec": int(time.time()) + HOUR,
        "key": {"type": "secp256k1", "publicKey": resources.session_key},
        "permissions": [{"type": "root"}],
    }


def registration(resources: Resources) -> dict[str, Any]:
    return {
        "walletId": resources.account_id,
        "sessionAddress": resources.session_key,
        "expiresAt": timestamp_in(HOUR),
        "policies": {},
        "installs": [{"chainId": int(CHAIN, 16), "serialized": context(resources)["context"]}],
    }


def path_of(template: str) -> Callable[[Resources], str]:
    """Return a function that fills the placeholders of a path with the resources' identifiers."""
    return lambda resources: template.format(**asdict(resources))


QUERIES: dict[str, list[Query]] = {
    "wallet_requestAccount": [rpc("wallet_requestAccount", lambda t: {"accountAddress": t.account})],
    "wallet_listAccounts": [rpc("wallet_listAccounts", lambda t: {"signerAddress": t.signer})],
    "wallet_createSession": [rpc("wallet_createSession", grant)],
    "wallet_prepareCalls": [
        rpc("wallet_prepareCalls", calls),
        rpc("wallet_prepareCalls", lambda t: calls(t, permissions=permissions(t))),
        rpc("wallet_prepareCalls", lambda t: calls(t, permissions={"sessionId": t.session_id})),
        rpc("wallet_prepareCalls", lambda t: calls(t, permissions=context(t))),
        rpc(
            "wallet_prepareCalls",
            lambda t: {
                **calls(t, permissions=permissions(t)),
                "key": {"type": "secp256k1", "publicKey": t.session_key},
            },
        ),
    ],
    "wallet_sendPreparedCalls": [
        rpc("wallet_sendPreparedCalls", signed_calls),
        rpc("wallet_sendPreparedCalls", lambda t: signed_calls(t, permissions=permissions(t))),
        rpc("wallet_sendPreparedCalls", lambda t: signed_calls(t, permissions=context(t))),
    ],
    "wallet_getCallsStatus": [rpc("wallet_getCallsStatus", lambda t: t.call_id)],
    "wallet_prepareSign": [
        rpc(
            "wallet_prepareSign",
            lambda t: {
                "from": t.account,
                "chainId": CHAIN,
                "signatureRequest": {"type": "personal_sign", "data": "hello"},
            },
        )
    ],
    "wallet_formatSign": [
        rpc(
            "wallet_formatSign",
            lambda t: {
                "from": t.account,
                "chainId": CHAIN,
                "signature": {"type": "ecdsa", "data": t.signature},
            },
        )
    ],
    "wallet_getCapabilities": [rpc("wallet_getCapabilities", lambda t: t.account, lambda _: [CHAIN])],
    "wallet_requestQuote_v0": [
        rpc("wallet_requestQuote_v0", lambda t: {"from": t.account, "chainId": CHAIN, "fromToken": FRIEND})
    ],
    "wallet_getCrossChainStatus_v0": [rpc("wallet_getCrossChainStatus_v0", lambda t: t.call_id)],
    "wallet_grantPermissions": [
        rpc(
            "wallet_grantPermissions",
            lambda t: {
                "chainId": CHAIN,
                "address": t.account,
                "expiry": int(time.time()) + HOUR,
                "signer": {"type": "key", "data": {"type": "secp256k1", "publicKey": t.session_key}},
                "permissions": [{"type": "native-token-transfer", "data": {"allowance": "0x1"}}],
            },
        )
    ],
    "wallet_requestExecutionPermissions": [
        rpc(
            "wallet_requestExecutionPermissions",
            lambda t: {
                "chainId": CHAIN,
                "from": t.account,
                "to": t.session_key,
                "rules": [{"type": "expiry", "data": {"timestamp": int(time.time()) + HOUR}}],
                "permission": {"type": "native-token-transfer", "data": {"allowance": "0x1"}},
            },
        )
    ],
    "wallet_sendCalls": [rpc("wallet_sendCalls", lambda t: {"from": t.account, "chainId": CHAIN, "calls": []})],
}
REST_QUERIES: dict[tuple[str, str], list[Query]] = {
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
    ("POST", "/api/v1/burner/sessions"): [rest("POST", path_of("/v1/sessions"), lambda t: {"walletAddress": t.signer})],
    ("GET", "/api/v1/burner/sessions/me"): [rest("GET", path_of("/v1/sessions/me"))],
    ("DELETE", "/api/v1/burner/sessions/{id}"): [rest("DELETE", path_of("/v1/sessions/{token_id}"))],
}
