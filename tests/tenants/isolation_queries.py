"""Requests of every operation for each kind of resource that an organisation may have."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.constants import FRIEND, HOUR
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


NAMED_SESSION: list[Callable[[Resources], Any]] = [
    lambda t: {"sessionId": t.session_id},
    lambda t: {**context(t), "account": t.account, "chainId": CHAIN},
    lambda t: {"entityId": 9, "account": t.account, "chainId": CHAIN},
]
"""Requests that name a session, by its id, its context and its entity id."""
QUERIES: dict[str, list[Query]] = {
    # first: later queries create sessions
    "wallet_listSessions": [
        rpc("wallet_listSessions", lambda _: {}),
        rpc("wallet_listSessions", lambda t: {"account": t.account}),
        rpc("wallet_listSessions", lambda t: {"key": t.session_key}),
    ],
    "wallet_requestAccount": [rpc("wallet_requestAccount", lambda t: {"accountAddress": t.account})],
    "wallet_listAccounts": [rpc("wallet_listAccounts", lambda t: {"signerAddress": t.signer})],
    "wallet_createSession": [rpc("wallet_createSession", grant)],
    "wallet_getSession": [
        rpc("wallet_getSession", lambda t: {"sessionId": t.session_id}),
        rpc("wallet_getSession", lambda t: {"sessionId": t.session_id, "account": t.account, "chainId": CHAIN}),
        rpc("wallet_getSession", context),
        rpc("wallet_getSession", lambda t: {"entityId": 77, "account": t.account, "chainId": CHAIN}),
    ],
    "wallet_getSupportedExecutionPermissions": [rpc("wallet_getSupportedExecutionPermissions")],
    "wallet_getGrantedExecutionPermissions": [
        rpc("wallet_getGrantedExecutionPermissions"),
        rpc("wallet_getGrantedExecutionPermissions", lambda t: {"from": t.account}),
    ],
    "wallet_revokeExecutionPermission": [
        rpc("wallet_revokeExecutionPermission", lambda t: {"permissionContext": context(t)["context"]}),
    ],
    "wallet_setSessionTags": [
        rpc("wallet_setSessionTags", lambda t: {"sessionId": t.session_id, "tags": ["x"]}),
    ],
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
    "wallet_explainCalls": [
        rpc("wallet_explainCalls", lambda t: {"sessionId": t.session_id, "calls": []}),
        rpc("wallet_explainCalls", lambda t: {**context(t), "calls": [{"to": FRIEND}]}),
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
    "wallet_subscribe": [rpc("wallet_subscribe", lambda _: "calls", lambda t: {"account": t.account})],
    "wallet_unsubscribe": [rpc("wallet_unsubscribe", lambda t: t.token_id)],
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
    "wallet_prepareSessionChange": [
        rpc("wallet_prepareSessionChange", lambda t: {"sessionId": t.session_id, "action": "pause"}),
    ],
    "wallet_pauseSession": [rpc("wallet_pauseSession", query) for query in NAMED_SESSION],
    "wallet_resumeSession": [rpc("wallet_resumeSession", query) for query in NAMED_SESSION],
    "wallet_revokeSession": [rpc("wallet_revokeSession", query) for query in NAMED_SESSION],
    "wallet_rotateSessionKey": [
        rpc(
            "wallet_rotateSessionKey",
            lambda t: {"sessionId": t.session_id, "newKey": {"type": "secp256k1", "publicKey": FRIEND}},
        )
    ],
    "wallet_stopSessions": [
        rpc(
            "wallet_stopSessions",
            lambda t: {
                "scope": {"account": t.account},
                "chainId": CHAIN,
                "ownerSignature": {"nonce": "0x1", "deadline": int(time.time()) + HOUR, "signature": t.signature},
            },
        )
    ],
    "wallet_listStops": [rpc("wallet_listStops", lambda _: {})],
    "wallet_resumeSessions": [rpc("wallet_resumeSessions", lambda t: {"scope": {"account": t.account}})],
    "wallet_setSessionRules": [
        rpc("wallet_setSessionRules", lambda t: {"sessionId": t.session_id, "rules": []}),
        rpc(
            "wallet_setSessionRules",
            lambda t: {"account": t.account, "chainId": CHAIN, "entityId": 9, "rules": []},
        ),
    ],
    "wallet_listApprovals": [rpc("wallet_listApprovals", lambda t: {"account": t.account})],
    "wallet_approveCalls": [rpc("wallet_approveCalls", lambda t: {"callId": t.call_id})],
    "wallet_rejectCalls": [rpc("wallet_rejectCalls", lambda t: {"callId": t.call_id})],
    "wallet_sendCalls": [rpc("wallet_sendCalls", lambda t: {"from": t.account, "chainId": CHAIN, "calls": []})],
}
