"""Forwarders are found by the selectors in a contract's code, and behind the known forms of proxies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import addresses
from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.account import PROXY_CODE
from wallet_rpc.domain.authorization import designator
from wallet_rpc.domain.forwarding import (
    FORWARDERS,
    SELF_FORWARDERS,
    TOKEN_FUNCTIONS,
    find_forwarders,
    find_implementation,
    has_implementation_slot,
    parse_implementation,
)
from wallet_rpc.primitives import Address

MULTICALL = selector_of("aggregate3((address,bool,bytes)[])")


def test_selectors_are_those_of_their_signatures() -> None:
    """Sources: the contracts' published ABIs."""
    assert FORWARDERS[MULTICALL] == "aggregate3((address,bool,bytes)[])"
    forwarders = "82ad56cb 252dba42 174dea71 b61d27f6 34fcd5be 6a761202 468721a7 8d80ff0a 3593564c"
    assert set(forwarders.split()) <= {each.hex() for each in FORWARDERS}
    assert {each.hex() for each in SELF_FORWARDERS} == {"ac9650d8", "5ae401dc", "1f0464d1"}
    tokens = "a9059cbb 095ea7b3 23b872dd 39509351 d505accf 8fcbaf0c a22cb465 42842e0e f242432a"
    assert set(tokens.split()) <= {each.hex() for each in TOKEN_FUNCTIONS}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_forwarder_is_found_wherever_its_selector_is(before: bytes, after: bytes) -> None:
    assert FORWARDERS[MULTICALL] in find_forwarders(before + MULTICALL + after)


def test_code_without_a_forwarder_has_none_and_each_is_named_once() -> None:
    assert find_forwarders(b"") == ()
    assert find_forwarders(selector_of("transfer(address,uint256)") * 9) == ()
    assert find_forwarders(MULTICALL * 2 + selector_of("forward(address,bytes)")) == (
        "aggregate3((address,bool,bytes)[])",
        "forward(address,bytes)",
    )
    assert (
        find_forwarders(selector_of("multicall(bytes[])")) == ()
    )  # it calls its own contract, all of which is allowed


@given(addresses.filter(any), st.binary(max_size=50))
def test_the_implementation_behind_each_known_form_is_found(target: Address, rest: bytes) -> None:
    minimal = bytes.fromhex("363d3d373d3d3d363d73") + target + bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
    shorter = bytes.fromhex("363d3d373d3d3d3d363d73") + target + bytes.fromhex("5af4") + rest
    assert find_implementation(minimal + rest) == target
    assert find_implementation(shorter) == target
    assert find_implementation(designator(target)) == target
    assert find_implementation(b"\x60" + minimal) is None
    assert has_implementation_slot(PROXY_CODE + rest)
    assert not has_implementation_slot(minimal)
    assert parse_implementation(bytes(12) + target) == target
    assert parse_implementation(bytes(32)) is None
    assert parse_implementation(b"\x01" + bytes(11) + target) is None
