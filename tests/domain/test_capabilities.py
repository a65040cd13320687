"""Tests of the decoder of capabilities, with requests of real clients."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from wallet_rpc import wire
from wallet_rpc.domain.capabilities import (
    Capabilities,
    ContextPermissions,
    DataSuffix,
    Delegation,
    GasParamsOverride,
    Multiplier,
    NonceOverride,
    SendCapabilities,
    SessionPermissions,
    StateOverride,
)
from wallet_rpc.domain.paymaster_service import PaymasterService
from wallet_rpc.domain.token_gas import Erc20Gas, PostOpSettings
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ZERO_ADDRESS, Data, SessionId, Word

Json = dict[str, Any]
POLICY = "11111111-2222-4333-8444-555555555555"
SECOND = "22222222-2222-4333-8444-555555555555"
SESSION = "0xcd8b2d07a6fa76f1e8a5eaa8f3a7883c"
CONTEXT = (
    "0x00cd8b2d07a6fa76f1e8a5eaa8f3a7883c2fef0ac65f3d3b8fca56299e2594cb804c5849df05f3cb755c742fb7e7ce96297f3853bf616a"
    "102ebbc56e7487260b4c94faa4f4dce1d49691b72a3509773b9a1b"
)
ZERO = "0x0000000000000000000000000000000000000000"
SLOT, WORD = "0x" + "00" * 31 + "01", "0x" + "00" * 31 + "02"
ALL: Json = {
    "permissions": {"sessionId": SESSION, "signature": "0x02"},
    "paymasterService": {
        "policyId": POLICY,
        "onlyEstimation": True,
        "erc20": {
            "tokenAddress": ZERO,
            "maxTokenAmount": "0x63",
            "postOpSettings": {"autoApprove": True, "balanceCheck": False},
        },
        "webhookData": "wh",
    },
    "gasParamsOverride": {"callGasLimit": "0x5", "maxFeePerGas": {"multiplier": 1.5}},
    "eip7702Auth": True,
    "nonceOverride": {"nonceKey": "0x7"},
    "stateOverride": {ZERO: {"balance": "0x1", "nonce": "0x3", "code": "0x60", "stateDiff": {SLOT: WORD}}},
    "experimental_dataSuffix": {"value": "0xabcd"},
}
"""All capabilities. Source: wallet-apis 5.1.0, "prepareCalls all capabilities"; session id and slot in full length."""


def catch_error(given: Json) -> InvalidParams:
    with pytest.raises(InvalidParams) as error_info:
        wire.decode(Capabilities, given)
    assert error_info.value.message.startswith(f"{error_info.value.data['field']}: ")
    return error_info.value


def test_all_capabilities_of_a_client_are_decoded() -> None:
    assert wire.decode(Capabilities, ALL) == Capabilities(
        permissions=SessionPermissions(session_id=SessionId.parse(SESSION), signature=Data(b"\2")),
        paymaster_service=PaymasterService(
            policy_id=UUID(POLICY),
            only_estimation=True,
            webhook_data="wh",
            erc20=Erc20Gas(
                token_address=ZERO_ADDRESS,
                max_token_amount=99,
                post_op_settings=PostOpSettings(auto_approve=True, balance_check=False),
            ),
        ),
        gas_params_override=GasParamsOverride(call_gas_limit=5, max_fee_per_gas=Multiplier(multiplier=1.5)),
        eip7702_auth=True,
        nonce_override=NonceOverride(nonce_key=7),
        state_override={
            ZERO_ADDRESS: StateOverride(
                balance=1, nonce=3, code=Data(b"\x60"), state_diff={Word.parse(SLOT): Word.parse(WORD)}
            )
        },
        data_suffix=DataSuffix(value=Data(b"\xab\xcd")),
    )


def test_a_null_context_counts_as_absent() -> None:
    by_session = {"sessionId": SESSION, "signature": "0x02"}

    read = wire.decode(Capabilities, {"permissions": {"context": None, **by_session}})

    assert read == wire.decode(Capabilities, {"permissions": by_session})


def test_decoded_capabilities_are_encoded_the_same() -> None:
    read = wire.decode(Capabilities, ALL)

    assert wire.encode(Capabilities, read) == ALL
    assert wire.decode(Capabilities, wire.encode(Capabilities, read)) == read


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({}, Capabilities()),
        (
            {"permissions": {"context": CONTEXT}},
            Capabilities(permissions=ContextPermissions(context=Data.parse(CONTEXT))),
        ),
        (
            {"permissions": {"context": CONTEXT, "sessionId": "0x01"}},
            Capabilities(permissions=ContextPermissions(context=Data.parse(CONTEXT))),
        ),
        (
            {"eip7702Auth": {"delegation": ZERO}},
            Capabilities(eip7702_auth=Delegation(delegation=ZERO_ADDRESS)),
        ),
    ],
)
def test_a_part_is_read(given: Json, read: Capabilities) -> None:
    assert wire.decode(Capabilities, given) == read


REPEATED: list[Json] = [
    {"paymasterService": {"policyId": POLICY, "webhookData": "w"}},
    {"paymasterService": {}},
    {"paymasterService": {"policyId": "not an id", "0x7a69": {}}},
    {"gasParamsOverride": {"any": 1}, "whatever": {"optional": False}},
    {name: given for name, given in ALL.items() if name != "permissions"},
]


@pytest.mark.parametrize("repeated", REPEATED)
def test_a_send_reads_the_authority_and_ignores_other_repeated_members(repeated: Json) -> None:
    given = {"permissions": {"sessionId": SESSION, "signature": "0x1234"}, **repeated}

    assert wire.decode(SendCapabilities, given) == SendCapabilities(
        permissions=SessionPermissions(session_id=SessionId.parse(SESSION), signature=Data(b"\x12\x34")),
    )


@pytest.mark.parametrize("key", ["stateDif", "state_diff", "storage", ""])
def test_an_unknown_key_of_a_state_override_is_refused(key: str) -> None:
    error = catch_error({"stateOverride": {ZERO: {"balance": "0x1", key: {}}}})

    assert error.data["field"] == f"params.stateOverride.{ZERO}.{key}"
    assert error.message.endswith(
        ": no such member of this object; its members are balance, nonce, code, state, stateDiff"
    )
    assert error.reason == "unknown_member"


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"permissions": {}}, "permissions.sessionId", "required, but absent"),
        ({"permissions": "0x00"}, "permissions", 'expected an object, got "0x00"'),
        (
            {"permissions": {"sessionId": "0x01", "signature": "0x02"}},
            "permissions.sessionId",
            'expected 0x and 16 hex bytes (a session id), got "0x01"',
        ),
        ({"paymasterService": {"policyId": "x"}}, "paymasterService.policyId", 'expected a version 4 UUID, got "x"'),
        (
            {"paymasterService": {"policyIds": [POLICY, 3]}},
            "paymasterService.policyIds[1]",
            "expected a version 4 UUID, got 3",
        ),
        (
            {"nonceOverride": {"nonceKey": "7"}},
            "nonceOverride.nonceKey",
            'expected a hex quantity below 2^256, got "7"',
        ),
        (
            {"stateOverride": {"0x12": {}}},
            "stateOverride.0x12",
            'expected 0x and 20 hex bytes (an address), got "0x12"',
        ),
        (
            {"stateOverride": {ZERO: {"state": {"0x": WORD}}}},
            f"stateOverride.{ZERO}.state.0x",
            'expected 0x and 32 hex bytes (a word), got "0x"',
        ),
    ],
)
def test_a_malformed_part_is_rejected_with_its_path(given: Json, field: str, text: str) -> None:
    error = catch_error(given)

    assert error.data["field"] == f"params.{field}"
    assert error.message == f"params.{field}: {text}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (True, "expected a hex quantity below 2^128, got true"),
        ("0x", 'expected a hex quantity below 2^128, got "0x"'),
        ("0x1" + "0" * 32, 'expected a hex quantity below 2^128, got "0x100000000000000000000000000000000"'),
        (-1, "expected a hex quantity below 2^128, got -1"),
        ([], "expected a hex quantity below 2^128, got an array of 0"),
    ],
)
@pytest.mark.parametrize("key", ["callGasLimit", "maxFeePerGas"])
def test_a_malformed_amount_of_gas_is_refused(key: str, given: Any, text: str) -> None:
    assert catch_error({"gasParamsOverride": {key: given}}).message == f"params.gasParamsOverride.{key}: {text}"


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (0, "expected more than 0, got 0"),
        (-1.5, "expected more than 0, got -1.5"),
        (1000.5, "expected at most 1000, got 1000.5"),
        (float("inf"), "expected a number, got inf"),
        (float("nan"), "expected a number, got nan"),
        pytest.param(10**5000, "expected a number, got an integer of 16610 bits", id="huge"),
        (True, "expected a number, got true"),
        ("1.5", 'expected a number, got "1.5"'),
        (None, "expected a number, got null"),
    ],
)
def test_a_factor_is_a_positive_number_of_at_most_a_thousand(factor: Any, text: str) -> None:
    at = "params.gasParamsOverride.callGasLimit.multiplier"

    assert catch_error({"gasParamsOverride": {"callGasLimit": {"multiplier": factor}}}).message == f"{at}: {text}"


DELEGATE = "0x69007702764179f14F51cdce752f4f775d74E139"


@pytest.mark.parametrize(
    ("given", "delegate"),
    [
        ("ModularAccountV2", DELEGATE),
        (DELEGATE, DELEGATE),
        (ZERO, ZERO),
        (ZERO.replace("0", "1").replace("1x", "0x"), ZERO.replace("0", "1").replace("1x", "0x")),
    ],
)
def test_a_delegation_names_an_implementation(given: str, delegate: str) -> None:
    read = wire.decode(Capabilities, {"eip7702Auth": {"delegation": given}}).eip7702_auth

    assert isinstance(read, Delegation)
    assert read.delegate.hex0x() == delegate


@pytest.mark.parametrize("given", [False, "yes", {}, {"delegation": "0x12"}, {"delegation": None}])
def test_a_malformed_delegation_is_refused(given: Any) -> None:
    assert catch_error({"eip7702Auth": given}).code == -32602
