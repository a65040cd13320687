"""Errors of malformed requests about sessions, rules, stops and explanations name the field and what was given."""

from __future__ import annotations

from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.support.clocks import ShiftedClock
from tests.support.constants import CHAINS, FRIEND
from wallet_rpc.domain.signature import ERC6492_SUFFIX

CHAIN = hex(CHAINS[0])
SESSION = {"account": FRIEND, "chainId": CHAIN, "entityId": 1}
UNKNOWN = "0x" + "ab" * 16
CALL = {"to": FRIEND}
LOCAL = {"account": FRIEND, "chainId": CHAIN, "context": "0x0177"}
ABI = "wallet_explainCalls", "params.abis[0].abi[0]"


def explain(*entries: Any, **fields: Any) -> dict[str, Any]:
    return {**SESSION, "calls": [CALL], "abis": [{"abi": list(entries)}], **fields}


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": "pay", **fields}


MALFORMED: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("wallet_explainCalls", {**SESSION, "calls": [CALL] * 101}, "bundle_too_large", "params.calls", "got 101"),
    ("wallet_prepareCalls", {"from": FRIEND, "chainId": CHAIN, "calls": [CALL] * 5000}, "bundle_too_large", "", "5000"),
    (ABI[0], explain("pay(uint"), "abi_malformed", ABI[1], 'got "pay(uint"'),
    (ABI[0], explain("pay(uint1 x)"), "abi_malformed", ABI[1], 'got "pay(uint1 x)"'),
    (ABI[0], explain(function(inputs="x")), "abi_malformed", ABI[1], 'got an object with the name "pay"'),
    (ABI[0], explain(function(inputs=[{"name": "x"}])), "abi_malformed", ABI[1], 'got an object with the name "pay"'),
    (ABI[0], explain(function(name="a b")), "abi_malformed", ABI[1], 'got an object with the name "a b"'),
    (ABI[0], explain({"type": "function"}), "abi_malformed", ABI[1], "got an object"),
    (ABI[0], explain(7), "abi_malformed", ABI[1], "got 7"),
    (ABI[0], explain(*["f()"] * 501), "too_many", "params.abis", "got 1 with 501"),
    ("wallet_getSession", {"sessionId": UNKNOWN}, "session_not_found", "params.sessionId", UNKNOWN),
    ("wallet_getSession", {"context": "0x00" + UNKNOWN[2:]}, "session_not_found", "params.context", UNKNOWN),
    ("wallet_getSession", LOCAL, "deferred_action_malformed", "params.context", 'got "0x77"'),
    ("wallet_setSessionTags", {"sessionId": UNKNOWN, "tags": []}, "session_not_found", "params.sessionId", UNKNOWN),
    (
        "wallet_revokeExecutionPermission",
        {"permissionContext": "0x00" + UNKNOWN[2:]},
        "session_not_found",
        "params.permissionContext",
        UNKNOWN,
    ),
    ("wallet_listSessions", {"onChain": True, "tag": "a"}, "session_filter", "params.onChain", "got tag"),
    ("wallet_prepareSessionChange", {**SESSION, "action": "setRules"}, "change_content", "params.rules", "absent"),
    (
        "wallet_prepareSessionChange",
        {**SESSION, "action": "pause", "callId": "0x" + "00" * 64},
        "change_content",
        "params.callId",
        "got one",
    ),
    (
        "wallet_stopSessions",
        {"scope": {"account": FRIEND}, "chainId": CHAIN},
        "stop_scope",
        "params.chainId",
        f"got {CHAIN}",
    ),
    ("wallet_listStops", {"chainId": CHAIN}, "stop_scope", "params.chainId", f"got {CHAIN}"),
]


@pytest.mark.parametrize(
    ("method", "request_", "reason", "field", "given"), MALFORMED, ids=lambda value: value if type(value) is str else ""
)
async def test_an_error_names_the_field_and_what_was_given(
    client: OrgClient, method: str, request_: dict[str, Any], reason: str, field: str, given: str
) -> None:
    error = await client.refusal(method, **request_)

    assert (error.reason, error.field) == (reason, field or "params.calls")
    assert given in error.text
    assert error.message == f"{error.field}: {error.text}"


SIGNED: list[tuple[str, dict[str, Any]]] = [
    ("wallet_pauseSession", SESSION),
    ("wallet_resumeSession", SESSION),
    ("wallet_revokeSession", SESSION),
    ("wallet_setSessionRules", {**SESSION, "rules": []}),
    ("wallet_stopSessions", {"scope": {"account": FRIEND}, "chainId": CHAIN}),
    ("wallet_resumeSessions", {"scope": {"account": FRIEND}, "chainId": CHAIN}),
]


@pytest.mark.parametrize(("method", "request_"), SIGNED, ids=lambda value: value if type(value) is str else "")
async def test_a_malformed_erc6492_signature_is_named(client: OrgClient, method: str, request_: dict[str, Any]) -> None:
    assert isinstance(client.clock, ShiftedClock)
    signature = "0x" + "11" * 96 + ERC6492_SUFFIX.hex()
    signed = {"nonce": "0x1", "deadline": client.clock.now() + 60, "signature": signature}

    error = await client.refusal(method, **request_, ownerSignature=signed)

    assert (error.reason, error.field) == ("signature_malformed", "params.ownerSignature.signature")
    assert error.text == "expected an ERC-6492 signature, got 96 bytes in another encoding before its suffix"


async def test_a_malformed_erc6492_signature_of_a_grant_is_named(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(chains=CHAINS[:1])
    malformed = {**wallet.grants[0].permissions, "signature": "0x" + "11" * 96 + ERC6492_SUFFIX.hex()}

    error = await client.refusal("wallet_prepareCalls", **wallet.calls(CHAINS[0], malformed))

    assert (error.reason, error.field) == ("signature_malformed", "params.capabilities.permissions")
    assert "got 96 bytes" in error.text
