"""Tests of gas payment in ERC-20 on the wire, with requests of real clients."""

from __future__ import annotations

from typing import Any

import pytest

from wallet_rpc import wire
from wallet_rpc.domain.paymaster_service import PaymasterService
from wallet_rpc.domain.token_gas import (
    CONFLICTING_SETTINGS,
    AutoApprove,
    AutoPermit,
    Erc20Context,
    Erc20Gas,
    Erc20PaymentTerms,
    PermitContext,
    PermitDetails,
    PostOpSettings,
    PreOpSettings,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data

Json = dict[str, Any]
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
TOKEN = Address.parse(USDC)
AT = "params.capabilities.paymasterService.erc20"


def read(erc20: Any) -> Erc20Gas | None:
    return wire.decode(PaymasterService, {"erc20": erc20}, at="params.capabilities.paymasterService").erc20


SAID: list[tuple[Json, Erc20Gas]] = [
    ({}, Erc20Gas(token_address=TOKEN)),
    ({"maxTokenAmount": "0x63"}, Erc20Gas(token_address=TOKEN, max_token_amount=99)),
    (
        {"preOpSettings": {"autoPermit": {"below": "0x7a120", "amount": "0x7a121", "durationSeconds": "0xe10"}}},
        Erc20Gas(
            token_address=TOKEN,
            pre_op_settings=PreOpSettings(auto_permit=AutoPermit(below=500_000, amount=500_001, duration_seconds=3600)),
        ),
    ),
    (
        {"preOpSettings": {"permitDetails": {"deadline": "0x682fe675", "value": "0x7a120"}}},
        Erc20Gas(
            token_address=TOKEN,
            pre_op_settings=PreOpSettings(permit_details=PermitDetails(deadline=0x682FE675, value=500_000)),
        ),
    ),
    ({"postOpSettings": {}}, Erc20Gas(token_address=TOKEN, post_op_settings=PostOpSettings())),
    (
        {"postOpSettings": {"autoApprove": True, "balanceCheck": False}},
        Erc20Gas(token_address=TOKEN, post_op_settings=PostOpSettings(auto_approve=True, balance_check=False)),
    ),
    (
        {"postOpSettings": {"autoApprove": {"below": "0x1", "amount": "0x2"}}},
        Erc20Gas(token_address=TOKEN, post_op_settings=PostOpSettings(auto_approve=AutoApprove(below=1, amount=2))),
    ),
]
"""Settings and their decoded form. Source: wallet-apis 5.1.0, "sendCalls paymaster-permit then uo"; and all others."""


@pytest.mark.parametrize(("settings", "expected"), SAID)
def test_each_way_of_paying_is_read_and_written_back_the_same(settings: Json, expected: Erc20Gas) -> None:
    given = {"tokenAddress": USDC, **settings}
    assert read(given) == expected
    assert wire.encode(Erc20Gas, expected) == given


INNER: list[tuple[Json, str]] = [
    ({"preOpSettings": {"autoPermit": {"below": "0x1", "amount": "0x1"}, "duration": "0x1"}}, "preOpSettings.duration"),
    (
        {"preOpSettings": {"autoPermit": {"below": "0x1", "amount": "0x1", "duration": "0x1"}}},
        "preOpSettings.autoPermit.duration",
    ),
    (
        {"preOpSettings": {"permitDetails": {"deadline": "0x1", "value": "0x1", "nonce": "0x1"}}},
        "preOpSettings.permitDetails.nonce",
    ),
    ({"postOpSettings": {"autoapprove": True}}, "postOpSettings.autoapprove"),
    (
        {"postOpSettings": {"autoApprove": {"below": "0x1", "amount": "0x1", "most": "0x1"}}},
        "postOpSettings.autoApprove.most",
    ),
]


@pytest.mark.parametrize(("settings", "at"), INNER)
def test_an_unknown_key_inside_a_setting_is_refused(settings: Json, at: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        read({"tokenAddress": USDC, **settings})
    assert error_info.value.message.startswith(f"{AT}.{at}: no such member of this object; its members are ")


@pytest.mark.parametrize("settings", [settings for settings, _ in SAID])
@pytest.mark.parametrize("key", ["preOp", "postOp", "token_address", "optional", ""])
def test_an_unknown_key_is_refused(settings: Json, key: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        read({"tokenAddress": USDC, **settings, key: {}})
    assert error_info.value.message.startswith(
        f"{AT}.{key}: no such member of this object; its members are tokenAddress, "
    )
    assert error_info.value.reason == "unknown_member"


AUTO: Json = {"autoPermit": {"below": "0x1", "amount": "0x2"}}
DETAILS: Json = {"permitDetails": {"deadline": "0x1", "value": "0x2"}}


def test_both_settings_at_once_are_rejected_with_the_hosted_services_message() -> None:
    with pytest.raises(InvalidParams) as error_info:
        read({"tokenAddress": USDC, "preOpSettings": AUTO, "postOpSettings": {}})
    assert error_info.value.message == f"{AT}: {CONFLICTING_SETTINGS}"
    assert error_info.value.data == {"reason": "erc20_settings", "field": AT}


@pytest.mark.parametrize(("one", "other"), [(AUTO, "permitDetails"), (DETAILS, "autoPermit")])
def test_null_counts_as_absent(one: Json, other: str) -> None:
    with_null = {"tokenAddress": USDC, "preOpSettings": {**one, other: None}}
    assert read(with_null) == read({"tokenAddress": USDC, "preOpSettings": one})


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"autoPermit": None},
        {"permitDetails": None},
        {"autoPermit": None, "permitDetails": None},
        {**AUTO, **DETAILS},
    ],
)
def test_exactly_one_of_auto_permit_and_permit_details_is_required(settings: Json) -> None:
    with pytest.raises(InvalidParams, match="expected either autoPermit or permitDetails"):
        read({"tokenAddress": USDC, "preOpSettings": settings})


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (True, ""),
        ([], ""),
        ({}, ".tokenAddress"),
        ({"tokenAddress": "0x12"}, ".tokenAddress"),
        ({"tokenAddress": USDC, "maxTokenAmount": "much"}, ".maxTokenAmount"),
        ({"tokenAddress": USDC, "preOpSettings": "now"}, ".preOpSettings"),
        ({"tokenAddress": USDC, "preOpSettings": {"autoPermit": {"below": "0x1"}}}, ".preOpSettings.autoPermit.amount"),
        (
            {"tokenAddress": USDC, "preOpSettings": {"permitDetails": {"deadline": "0x100000000", "value": "0x1"}}},
            ".preOpSettings.permitDetails.deadline",
        ),
        ({"tokenAddress": USDC, "postOpSettings": {"balanceCheck": True}}, ".postOpSettings.balanceCheck"),
        ({"tokenAddress": USDC, "postOpSettings": {"autoApprove": False}}, ".postOpSettings.autoApprove"),
    ],
)
def test_a_malformed_setting_is_rejected_with_its_path(given: Any, field: str) -> None:
    with pytest.raises(InvalidParams) as error_info:
        read(given)
    assert error_info.value.data["field"] == f"{AT}{field}"


def test_nothing_is_nothing() -> None:
    assert read(None) is None


def test_the_context_and_terms_of_a_service_are_encoded_as_documented() -> None:
    permit = PermitContext(value=3, deadline=4, signature=Data(b"\x05"))
    context = Erc20Context(token_address=TOKEN, mode="preOp", max_token_amount=2, permit=permit)
    assert wire.encode(Erc20Context, context) == {
        "tokenAddress": USDC,
        "mode": "preOp",
        "maxTokenAmount": "0x2",
        "permit": {"value": "0x3", "deadline": "0x4", "signature": "0x05"},
    }
    terms = Erc20PaymentTerms(token_address=TOKEN, exchange_rate=5, max_token_amount=6)
    assert wire.decode(Erc20PaymentTerms, wire.encode(Erc20PaymentTerms, terms)) == terms
