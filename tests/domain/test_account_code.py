"""Tests of the proofs of an account: the factory's proxy code, its implementation's slot, and factory data."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.domain.classed_functions import OPEN
from wallet_rpc.domain.account import PROXY_CODE, modular_deployment, semi_modular_deployment
from wallet_rpc.domain.account_code import (
    IMPLEMENTATION_SLOT,
    is_implementation,
    is_proxy,
    parse_factory_owner,
    parse_proxy_owner,
)
from wallet_rpc.domain.contracts import (
    DELEGATES,
    IMPLEMENTATIONS,
    MODULAR_ACCOUNT,
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    WEBAUTHN_FACTORY,
)
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.primitives import Address, Data

OWNER, OTHER = Address(b"\xa1" * 20), Address(b"\xb2" * 20)
addresses = st.binary(min_size=20, max_size=20).map(Address)
salts = st.integers(0, 2**256 - 1)


def test_the_proxys_code_reads_the_slot_of_its_implementation() -> None:
    """The code has 61 bytes and begins by copying the call data; the factory specifies it."""
    assert (len(PROXY_CODE), PROXY_CODE[:4].hex(), PROXY_CODE[-5:].hex()) == (61, "363d3d37", "5b3d6000f3")
    assert bytes(IMPLEMENTATION_SLOT) in bytes(PROXY_CODE)


def test_only_the_proxys_code_is_a_proxy() -> None:
    assert is_proxy(PROXY_CODE)
    assert is_proxy(PROXY_CODE + OWNER)
    for code in (b"", PROXY_CODE[:-1], PROXY_CODE + b"\0", PROXY_CODE + OWNER + b"\0", b"\0" + PROXY_CODE):
        assert not is_proxy(code)
        assert parse_proxy_owner(code) is None


@given(addresses)
def test_the_owner_follows_the_proxys_code(owner: Address) -> None:
    assert parse_proxy_owner(PROXY_CODE + owner) == owner
    assert parse_proxy_owner(PROXY_CODE) is None


def test_known_implementations_are_the_semi_modular_ones() -> None:
    known = {Address.parse(OPEN[name]) for name in ("SemiModularAccountBytecode", "SemiModularAccountStorageOnly")}
    assert known == IMPLEMENTATIONS
    assert all(is_implementation(bytes(12) + one) for one in known)
    for word in (
        bytes(32),
        b"",
        bytes(12) + SEMI_MODULAR_ACCOUNT_7702,
        bytes(12) + MODULAR_ACCOUNT,
        b"\1" + bytes(11) + SEMI_MODULAR_ACCOUNT_BYTECODE,
        bytes(SEMI_MODULAR_ACCOUNT_BYTECODE),
        bytes(13) + SEMI_MODULAR_ACCOUNT_BYTECODE,
    ):
        assert not is_implementation(word)


def test_known_delegates_are_both_versions_of_one_contract() -> None:
    assert {Address.parse(OPEN[f"SemiModularAccount7702{version}"]) for version in ("", " v1.1")} == DELEGATES


@given(addresses, salts)
def test_factory_data_proves_the_owner_of_the_account_that_it_makes(owner: Address, salt: int) -> None:
    made = semi_modular_deployment(owner, salt)
    assert parse_factory_owner(made.factory, made.address) == owner
    assert parse_factory_owner(made.factory, OTHER) is None
    assert parse_factory_owner(replace(made.factory, address=OTHER), made.address) is None


@given(st.binary(max_size=140))
def test_other_factory_data_proves_nothing(data: bytes) -> None:
    made = semi_modular_deployment(OWNER)
    assert parse_factory_owner(replace(made.factory, data=Data(data)), made.address) is None
    for wrong in (made.factory.data + b"\0", made.factory.data[:-1], made.factory.data[:4] + b"\1" * 64):
        assert parse_factory_owner(Factory(made.factory.address, Data(wrong)), made.address) is None


def test_another_kind_of_account_is_none_of_these() -> None:
    other = modular_deployment(OWNER)
    assert parse_factory_owner(other.factory, other.address) is None
    assert parse_factory_owner(replace(other.factory, address=WEBAUTHN_FACTORY), other.address) is None
