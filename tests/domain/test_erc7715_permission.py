"""Tests of the translation of ERC-7715 permissions: nothing more is granted, and no limit is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.abilities import Abilities
from tests.domain.strategies import ACCOUNT, CONTRACTS, FUNCTIONS, NOW, TERMS, uint256
from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.erc7715_permission import NO_FUNCTION, Erc7715Permission, translate_permissions
from wallet_rpc.domain.guard import check_and_compile
from wallet_rpc.domain.permission import Permission
from wallet_rpc.errors import InvalidParams, UnsupportedCapability, WalletError
from wallet_rpc.primitives import Address, Selector
from wallet_rpc.wire import decode, encode

Json = dict[str, Any]
TOKEN, OTHER = CONTRACTS[0].hex0x(), CONTRACTS[1].hex0x()
STRANGER = Address(b"\x99" * 20)
NOTHING = {"type": "native-token-transfer", "data": {"allowance": "0x0"}}
PLAIN = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}


def translate(*requested: Json) -> list[Json]:
    """Translate permissions to their form in a request of `wallet_createSession`."""
    at = [f"params.permissions[{index}]" for index in range(len(requested))]
    translated = translate_permissions(decode(tuple[Erc7715Permission, ...], list(requested)), now=NOW, at=at)
    written: list[Json] = encode(tuple[Permission, ...], translated)
    return written


def refusal(*requested: Json) -> WalletError:
    with pytest.raises(WalletError) as error_info:
        translate(*requested)
    return error_info.value


def policy(kind: str, **data: Any) -> Json:
    return {"type": kind, "data": data}


def permission(kind: str, data: Json, *policies: Json, **more: Any) -> Json:
    return {"type": kind, "data": data, "policies": list(policies), **more}


def allowance(amount: int) -> Json:
    return policy("token-allowance", allowance=hex(amount))


def native(amount: int) -> Json:
    return {"type": "native-token-transfer", "data": {"allowance": hex(amount)}}


def token(amount: int) -> Json:
    return {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": hex(amount)}}


def gas(amount: int) -> Json:
    return {"type": "gas-limit", "data": {"limit": hex(amount)}}


TRANSFER = {"type": "functions-on-contract", "data": {"address": TOKEN, "functions": ["0xa9059cbb"]}}
ACCESS = {"type": "contract-access", "data": {"address": TOKEN}}
MAPPED: list[tuple[list[Json], list[Json]]] = [
    ([permission("native-token-transfer", {"ticker": "ETH"}, allowance(5))], [native(5), PLAIN]),
    ([permission("native-token-transfer", {"allowance": "0x5"}, required=False)], [native(5), PLAIN]),
    ([permission("native-token-allowance", {"allowance": "0x5", "startTime": NOW})], [native(5), PLAIN]),
    ([permission("erc20-token-transfer", {"address": TOKEN, "ticker": "USDC"}, allowance(7))], [token(7), NOTHING]),
    ([permission("erc20-token-allowance", {"tokenAddress": TOKEN, "allowance": "0x7"})], [token(7), NOTHING]),
    ([permission("contract-access", {"address": TOKEN})], [ACCESS, NOTHING]),
    ([permission("contract-call", {"address": TOKEN, "calls": ["transfer(address,uint)"]})], [TRANSFER, NOTHING]),
    ([permission("contract-call", {"address": TOKEN, "calls": ["0xa9059cbb"]})], [TRANSFER, NOTHING]),
    ([permission("functions-on-contract", {"address": TOKEN, "functions": ["0xa9059cbb"]})], [TRANSFER, NOTHING]),
    (
        [permission("contract-call", {"address": TOKEN, "calls": ["0xa9059cbb"]}, policy("gas-limit", limit="0x9"))],
        [TRANSFER, gas(9), NOTHING],
    ),
    (
        [permission("native-token-transfer", {"ticker": "ETH"}, policy("gas-limit", limit="0x9"), allowance(5))],
        [native(5), gas(9), PLAIN],
    ),
    (
        [
            permission("gas-limit", {"limit": "0x9"}),
            permission("native-token-transfer", {"allowance": "0x5"}),
            permission("erc20-token-transfer", {"address": TOKEN, "allowance": "0x7"}),
        ],
        [gas(9), native(5), token(7), PLAIN],
    ),
]


@pytest.mark.parametrize(("requested", "expected"), MAPPED)
def test_a_permission_is_translated(requested: list[Json], expected: list[Json]) -> None:
    assert translate(*requested) == expected


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("transfer(address,uint256)", "0xa9059cbb"),
        ("function transfer(address,uint)", "0xa9059cbb"),
        ("pause()", "0x8456cb59"),
        ("f((address,uint256)[],bytes32[2])", None),
    ],
)
def test_a_function_is_named_by_its_signature(text: str, selector: str | None) -> None:
    (translated, _) = translate(permission("contract-call", {"address": TOKEN, "calls": [text]}))
    assert len(translated["data"]["functions"]) == 1
    assert selector in {None, translated["data"]["functions"][0]}


CANONICAL = frozenset({"address", "bool", "string", "bytes", "uint256", "bytes24", "ufixed8x1"})
WORDS = [*sorted(CANONICAL), "function", "function24", "bool8", "address160", "string1", "tuple"]
ONE = st.builds("".join, st.tuples(st.sampled_from(WORDS), st.sampled_from(["", "", "[]", "[3]", "[][2]"])))
TUPLE = st.lists(ONE, min_size=1, max_size=2).map(lambda inner: f"({','.join(inner)})[]")


@given(st.lists(ONE | TUPLE, max_size=3))
def test_only_the_named_function_is_granted(arguments: list[str]) -> None:
    text = f"f({','.join(arguments)})"
    requested = permission("contract-call", {"address": TOKEN, "calls": [text]})
    if set(re.findall(r"[a-z]\w*", text[1:])) <= CANONICAL:
        assert translate(requested)[0]["data"]["functions"] == [selector_of(text).hex0x()]
    else:
        assert refusal(requested).reason == "function_malformed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "transfer",
        "transfer(address to)",
        "transfer(address, uint256)",
        "transfer(address,uint256) returns (bool)",
        "f(foo)",
        "f((uint256,foo))",
        "f(uint7)",
        "f(bytes33)",
        "f(())",
        "f(" + "(" * 120 + "uint256" + ")" * 121 + ")",
        "f(" + "uint256," * 40 + "uint256)",
        "f(uint256" + "[2]" * 17 + ")",
        "0xa9059cb",
        "0xa9059cbb00",
    ],
)
def test_a_function_that_could_be_another_is_refused(text: str) -> None:
    error = refusal(permission("contract-call", {"address": TOKEN, "calls": ["pause()", text]}))
    assert isinstance(error, InvalidParams)
    assert (error.reason, error.field) == ("function_malformed", "params.permissions[0].data.calls[1]")


@pytest.mark.parametrize(
    "kind",
    [
        "rate-limit",
        "call-limit",
        "erc721-token-transfer",
        "erc1155-token-transfer",
        "native-token-stream",
        "native-token-periodic",
        "erc20-token-stream",
        "erc20-token-periodic",
        "erc20-token-revocation",
        "root",
        "account-functions",
        "functions-on-all-contracts",
        "custom",
    ],
)
def test_an_unenforceable_permission_is_rejected_by_name_even_if_optional(kind: str) -> None:
    for required in (True, False):
        error = refusal(permission("contract-access", {"address": TOKEN}), permission(kind, {}, required=required))
        assert isinstance(error, UnsupportedCapability)
        assert (error.code, error.reason, error.facts["capability"]) == (5700, "permission_not_supported", kind)
        assert error.field == "params.permissions[1].type"


@pytest.mark.parametrize("kind", ["rate-limit", "token-allowance", "custom"])
def test_a_policy_that_cannot_be_enforced_is_refused_by_name(kind: str) -> None:
    for one in (
        permission("contract-access", {"address": TOKEN}, policy(kind)),
        permission("gas-limit", {"limit": "0x1"}, policy(kind)),
    ):
        error = refusal(one)
        assert (error.code, error.reason, error.facts["capability"]) == (5700, "policy_not_supported", kind)
        assert error.field == "params.permissions[0].policies[0].type"


def test_a_gas_limit_of_one_permission_among_several_is_refused() -> None:
    access = permission("contract-access", {"address": OTHER})
    limited_one = permission("contract-access", {"address": TOKEN}, policy("gas-limit", limit="0x1"))
    assert refusal(access, limited_one).reason == "policy_not_supported"


@pytest.mark.parametrize(
    ("requested", "reason"),
    [
        (permission("native-token-transfer", {"ticker": "ETH"}), "allowance_missing"),
        (permission("native-token-transfer", {"allowance": "0x1"}, allowance(2)), "duplicate_limit"),
        (permission("erc20-token-transfer", {"address": TOKEN}, allowance(1), allowance(2)), "duplicate_limit"),
        (permission("contract-call", {"address": TOKEN}), "functions_malformed"),
        (permission("native-token-allowance", {"allowance": "0x1", "startTime": NOW + 1}), "start_time_not_supported"),
        (permission("erc20-token-transfer", {"allowance": "0x1"}), "invalid_params"),
        (
            permission("erc20-token-transfer", {"allowance": "0x1", "address": TOKEN, "tokenAddress": OTHER}),
            "invalid_params",
        ),
        (permission("native-token-transfer", {"allowance": "0x1", "to": OTHER}), "unknown_member"),
        (
            permission("contract-call", {"address": TOKEN, "calls": ["0xa9059cbb"], "valueLimit": "0x0"}),
            "unknown_member",
        ),
        (permission("contract-access", {"address": TOKEN}, conditions=[]), "unknown_member"),
    ],
)
def test_a_limit_that_is_unclear_or_unknown_is_refused(requested: Json, reason: str) -> None:
    error = refusal(requested)
    assert error.reason == reason
    assert (error.field or "").startswith("params")


def test_a_grant_of_too_many_parts_is_refused_before_it_is_read() -> None:
    access = permission("contract-access", {"address": TOKEN})
    for one in ([access] * 101, [permission("contract-call", {"address": TOKEN, "calls": ["?"] * 257})]):
        assert refusal(*one).reason == "too_many"


amounts = uint256.map(hex)
addresses = st.sampled_from([one.hex0x() for one in CONTRACTS])
functions = st.lists(st.sampled_from([str(one) for one in FUNCTIONS]), min_size=1, max_size=4, unique=True)
natives = st.one_of(
    st.builds(lambda wei: permission("native-token-transfer", {"allowance": wei}), amounts),
    st.builds(
        lambda wei: permission("native-token-transfer", {"ticker": "ETH"}, policy("token-allowance", allowance=wei)),
        amounts,
    ),
)
on_contracts = st.one_of(
    st.builds(
        lambda at, wei: permission("erc20-token-transfer", {"address": at, "allowance": wei}), addresses, amounts
    ),
    st.builds(lambda at: permission("contract-access", {"address": at}), addresses),
    st.builds(lambda at, some: permission("contract-call", {"address": at, "calls": some}), addresses, functions),
)
mappable = st.builds(
    lambda some, value, limit: [*some, *value, *limit],
    st.lists(on_contracts, max_size=4, unique_by=lambda one: one["data"]["address"]),
    st.lists(natives, max_size=1),
    st.lists(st.builds(lambda wei: permission("gas-limit", {"limit": wei}), amounts), max_size=1),
).filter(lambda some: any(one["type"] != "gas-limit" for one in some))


def is_named(requested: Sequence[Json], to: Address, data: bytes) -> bool:
    """Return True if a plain reading of the requested permissions covers the call."""
    selector = str(Selector(data[:4].ljust(4, b"\0")))
    for one in requested:
        match one["type"]:
            case "native-token-transfer" if selector == str(NO_FUNCTION):
                return True
            case "contract-access" if one["data"]["address"] == to.hex0x():
                return True
            case "contract-call" if one["data"]["address"] == to.hex0x() and selector in one["data"]["calls"]:
                return True
            case "erc20-token-transfer" if one["data"]["address"] == to.hex0x():
                return selector in {"0xa9059cbb", "0x095ea7b3"}
    return False


@given(mappable)
def test_no_unrequested_call_is_allowed(requested: list[Json]) -> None:
    at = [f"params.permissions[{index}]" for index in range(len(requested))]
    translated = translate_permissions(decode(tuple[Erc7715Permission, ...], requested), now=NOW, at=at)
    abilities = Abilities(check_and_compile(translated, TERMS))
    for to in (*CONTRACTS, STRANGER):
        for function in FUNCTIONS:
            for data in (function + bytes(64), b"", b"\x10"):
                assert not abilities.may_call(to, data, account=ACCOUNT) or is_named(requested, to, data)


@given(mappable)
def test_every_requested_limit_is_kept_and_value_is_always_limited(requested: list[Json]) -> None:
    translated = translate(*requested)
    assert [one["type"] for one in translated].count("native-token-transfer") == 1
    (limit,) = [one["data"]["allowance"] for one in translated if one["type"] == "native-token-transfer"]
    stated = [one for one in requested if one["type"] == "native-token-transfer"]
    expected = [one["data"].get("allowance") or one["policies"][0]["data"]["allowance"] for one in stated] or ["0x0"]
    assert [limit] == expected
    for one, result in zip(requested, translated, strict=False):
        if one["type"] in {"gas-limit", "erc20-token-transfer", "contract-access"}:
            assert result == {"type": one["type"], "data": one["data"]}
    assert len(translated) == len(requested) + 1
