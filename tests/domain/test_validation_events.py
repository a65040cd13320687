"""Events that show an account's sessions and the rows of their allowlists; topics as in the contracts' reference."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, SINGLE_SIGNER_MODULE
from wallet_rpc.domain.validation_events import (
    FUNCTION_UPDATED,
    TARGET_UPDATED,
    TOKEN_UPDATED,
    VALIDATION_INSTALLED,
    VALIDATION_UNINSTALLED,
    allowlist_topics,
    read_allowlist_names,
    read_validation_events,
    validation_topics,
)
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Selector

ACCOUNT, OTHER, TOKEN = (Address(bytes([n]) * 20) for n in (1, 2, 3))
FUNCTION = Selector(b"\x12\x34\x56\x78")
HALF = 0x7FFFFFFF


@dataclass(frozen=True)
class Entry:
    address: bytes
    topics: tuple[bytes, ...]
    block_number: int = 5


def row(topic: bytes, entity: int, name: bytes, *, account: bytes = ACCOUNT, by: bytes = ALLOWLIST_MODULE) -> Entry:
    return Entry(by, (topic, abi.uint(entity), abi.address(account), name))


def test_the_topics_are_those_of_the_contracts() -> None:
    assert VALIDATION_INSTALLED.hex() == "c36a28045e90a1163d24d4216c8cfd8c44c4e835a486fb84d511d6b9e0736db9"
    assert VALIDATION_UNINSTALLED.hex() == "43f7309d11ba6b2e180e9ab8a6da09d2fa1f585d7daed4b26c1c7f2a90b867a2"
    assert TARGET_UPDATED.hex() == "bcde3c5e16b49944424e5c913bc897693693f09dc50b91fd09b671f30ecfc6fa"
    assert TOKEN_UPDATED.hex() == "ff01feb598b0c4780e1f2294e82c3bee2fec761df5d93118ba8dfa1ba133607a"


def test_only_the_accounts_own_events_of_sessions_count() -> None:
    module = abi.address(SINGLE_SIGNER_MODULE)
    entries = [
        Entry(ACCOUNT, (VALIDATION_INSTALLED, module, abi.uint(7)), 9),
        Entry(ACCOUNT, (VALIDATION_UNINSTALLED, module, abi.uint(8))),
        Entry(ACCOUNT, (VALIDATION_INSTALLED, module, abi.uint(0))),
        Entry(OTHER, (VALIDATION_INSTALLED, module, abi.uint(9))),
        Entry(ACCOUNT, (VALIDATION_INSTALLED, module)),
        Entry(ACCOUNT, (TOKEN_UPDATED, module, abi.uint(9))),
    ]
    found = read_validation_events(entries, ACCOUNT)
    assert [(each.entity_id, each.is_installation, each.block_number) for each in found] == [
        (7, True, 9),
        (8, False, 5),
    ]
    assert {each.module for each in found} == {SINGLE_SIGNER_MODULE}


def test_the_rows_of_a_session_are_named_under_both_of_its_ids() -> None:
    entries = [
        row(TOKEN_UPDATED, 7 + HALF, abi.address(TOKEN)),
        row(TARGET_UPDATED, 7, abi.address(TOKEN)),
        row(FUNCTION_UPDATED, 7, (TOKEN + FUNCTION).ljust(32, b"\0")),
        row(FUNCTION_UPDATED, 7, (ZERO_ADDRESS + FUNCTION).ljust(32, b"\0")),
        row(TARGET_UPDATED, 8, abi.address(OTHER)),
        row(TARGET_UPDATED, 7, abi.address(OTHER), account=OTHER),
        row(TARGET_UPDATED, 7, abi.address(OTHER), by=OTHER),
        row(VALIDATION_INSTALLED, 7, abi.address(OTHER)),
        Entry(ALLOWLIST_MODULE, (TARGET_UPDATED,)),
    ]
    found = read_allowlist_names(entries, ACCOUNT, 7)
    assert found.tokens == {TOKEN}
    assert found.targets == {TOKEN: {FUNCTION}, ZERO_ADDRESS: {FUNCTION}}


def test_the_filters_name_one_session_or_all() -> None:
    assert validation_topics() == ((VALIDATION_INSTALLED, VALIDATION_UNINSTALLED), (), ())
    assert validation_topics(7)[2] == (abi.uint(7),)
    assert allowlist_topics(ACCOUNT)[1:] == ((), (abi.address(ACCOUNT),))
    assert allowlist_topics(ACCOUNT, 7)[1] == (abi.uint(7), abi.uint(7 + HALF))
