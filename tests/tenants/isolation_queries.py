"""A question about everything that an organisation may have, for every operation there is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.e2e.client import FRIEND
from tests.tenants.tenant import Tenant

CHAIN = "0x7a69"
HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What an organisation may have, by the names under which it is asked about."""

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
    return lambda tenant, things: tenant.rpc(method, *(param(things) for param in params))


def rest(verb: str, path: Callable[[Resources], str], body: Callable[[Resources], Any] = lambda _: None) -> Query:
    return lambda tenant, things: tenant.rest(verb, path(things), body(things))


def permissions(things: Resources) -> dict[str, str]:
    return {"sessionId": things.session_id, "signature": things.signature}


def context(things: Resources) -> dict[str, str]:
    return {"context": "0x00" + things.session_id[2:] + things.signature[2:]}


def calls(things: Resources, **capabilities: Any) -> dict[str, Any]:
    return {"from": things.account, "chainId": CHAIN, "calls": [{"to": FRIEND}], "capabilities": capabilities}


def signed_calls(things: Resources, **capabilities: Any) -> dict[str, Any]:
    """A user operation of the account that nobody prepared."""
    gas = dict.fromkeys(
        ["callGasLimit", "verificationGasLimit", "preVerificationGas", "maxFeePerGas", "maxPriorityFeePerGas"], "0x1"
    )
    return {
        "type": "user-operation-v070",
        "data": {"sender": things.account, "nonce": "0x0", "callData": "0x", **gas},
        "chainId": CHAIN,
        "capabilities": capabilities,
        "signature": {"type": "secp256k1", "data": things.signature},
    }


def grant(things: Resources) -> dict[str, Any]:
    return {
        "account": things.account,
        "chainId": CHAIN,
        "expirySec": int(time.time()) + HOUR,
        "key": {"type": "secp256k1", "publicKey": things.session_key},
        "permissions": [{"type": "root"}],
    }


def registration(things: Resources) -> dict[str, Any]:
    return {
        "walletId": things.account_id,
        "sessionAddress": things.session_key,
        "expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HOUR)),
        "policies": {},
        "installs": [{"chainId": int(CHAIN, 16), "serialized": context(things)["context"]}],
    }


def own(tenant_path: str) -> Callable[[Resources], str]:
    """A path below the organisation that asks; `{…}` are things."""
    return lambda things: tenant_path.format(**asdict(things))


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
        rest("POST", own("/v1/organizations/{organization}/sessions"), registration),
        lambda tenant, things: tenant.rest("POST", tenant.sessions, registration(things)),
        lambda tenant, things: tenant.rest(
            "POST", tenant.sessions, registration(things) | {"walletId": things.account}
        ),
    ],
    ("GET", "/v1/organizations/{orgId}/sessions"): [
        rest("GET", own("/v1/organizations/{organization}/sessions")),
        lambda tenant, _: tenant.rest("GET", tenant.sessions),
        lambda tenant, things: tenant.rest("GET", f"{tenant.sessions}?sessionAddress={things.session_key}"),
        lambda tenant, things: tenant.rest("GET", f"{tenant.sessions}?sessionGroupId={things.group_id}"),
    ],
    ("GET", "/v1/organizations/{orgId}/sessions/{id}"): [
        rest("GET", own("/v1/organizations/{organization}/sessions/{session_id}")),
        lambda tenant, things: tenant.rest("GET", f"{tenant.sessions}/{things.session_id}"),
        lambda tenant, things: tenant.rest("GET", f"{tenant.sessions}/{things.group_id}"),
    ],
    ("DELETE", "/v1/organizations/{orgId}/sessions/{id}"): [
        rest("DELETE", own("/v1/organizations/{organization}/sessions/{session_id}")),
        lambda tenant, things: tenant.rest("DELETE", f"{tenant.sessions}/{things.session_id}"),
        lambda tenant, things: tenant.rest("DELETE", f"{tenant.sessions}/{things.group_id}"),
    ],
    ("POST", "/api/v1/burner/sessions"): [rest("POST", own("/v1/sessions"), lambda t: {"walletAddress": t.signer})],
    ("GET", "/api/v1/burner/sessions/me"): [rest("GET", own("/v1/sessions/me"))],
    ("DELETE", "/api/v1/burner/sessions/{id}"): [rest("DELETE", own("/v1/sessions/{token_id}"))],
}
