"""Events of accounts and of the Allowlist that show an account's sessions and the contracts that they may call.

Source: IModularAccount and AllowlistModule of Modular Account v2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE
from wallet_rpc.domain.module_rows import ANY_CONTRACT
from wallet_rpc.domain.validation_install import HALF_ENTITY
from wallet_rpc.primitives import Address, EntityId, Hash32, Selector

VALIDATION_INSTALLED = abi.keccak(b"ValidationInstalled(address,uint32)")
"""Topic of an installation; further topics: module, entity id."""
VALIDATION_UNINSTALLED = abi.keccak(b"ValidationUninstalled(address,uint32,bool)")
"""Topic of an uninstallation; further topics: module, entity id."""
TARGET_UPDATED = abi.keccak(b"AddressAllowlistUpdated(uint32,address,address,(bool,bool,bool))")
"""Topic of a changed row of a contract; further topics: entity id, account, contract."""
FUNCTION_UPDATED = abi.keccak(b"SelectorAllowlistUpdated(uint32,address,bytes24,bool)")
"""Topic of a changed row of a function; further topics: entity id, account, contract (20 bytes) | selector (4)."""
TOKEN_UPDATED = abi.keccak(b"ERC20SpendLimitUpdated(uint32,address,address,uint256)")
"""Topic of a changed limit of a token; further topics: entity id, account, token."""


class ChainLog(Protocol):
    """One log entry with its place on chain."""

    @property
    def address(self) -> bytes:
        """The contract that logged it."""

    @property
    def topics(self) -> tuple[bytes, ...]:
        """Up to four topics."""

    @property
    def block_number(self) -> int:
        """The number of its block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationEvent:
    """An installation or uninstallation of a validation."""

    entity_id: EntityId
    module: Address
    is_installation: bool
    block_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowlistNames:
    """The names of the rows that the Allowlist has had for an entity id of an account."""

    tokens: frozenset[Address]
    targets: Mapping[Address, frozenset[Selector]]


def read_validation_events(logs: Iterable[ChainLog], account: Address) -> list[ValidationEvent]:
    """Return the account's events of sessions, in the order of the logs; those of the owner's id 0 are left out."""
    events = []
    for log in logs:
        topics = log.topics
        if (
            log.address != account
            or len(topics) != 3
            or topics[0] not in (VALIDATION_INSTALLED, VALIDATION_UNINSTALLED)
        ):
            continue
        entity_id = int.from_bytes(topics[2], "big")
        if entity_id:
            events.append(
                ValidationEvent(
                    entity_id=EntityId(entity_id),
                    module=Address(topics[1][12:]),
                    is_installation=topics[0] == VALIDATION_INSTALLED,
                    block_number=log.block_number,
                )
            )
    return events


def read_allowlist_names(logs: Iterable[ChainLog], account: Address, entity_id: int) -> AllowlistNames:
    """Return the rows that the Allowlist's events name for a session: under its entity id and that of its limits."""
    ids = {abi.uint(entity_id), abi.uint(entity_id + HALF_ENTITY)}
    tokens: set[Address] = set()
    targets: dict[Address, frozenset[Selector]] = {}
    for log in logs:
        topics = log.topics
        if log.address != ALLOWLIST_MODULE or len(topics) != 4:
            continue
        if topics[1] not in ids or topics[2] != abi.address(account):
            continue
        if topics[0] == TOKEN_UPDATED:
            tokens.add(Address(topics[3][12:]))
        elif topics[0] == TARGET_UPDATED:
            targets.setdefault(Address(topics[3][12:]), frozenset())
        elif topics[0] == FUNCTION_UPDATED:
            target = Address(topics[3][:20])
            targets[target] = targets.get(target, frozenset()) | {Selector(topics[3][20:24])}
    targets.setdefault(ANY_CONTRACT, frozenset())
    return AllowlistNames(tokens=frozenset(tokens), targets=targets)


def validation_topics(entity_id: int | None = None) -> tuple[tuple[Hash32, ...], ...]:
    """Return the topics of an account's events, of one entity id if it is given."""
    ids = () if entity_id is None else (Hash32(abi.uint(entity_id)),)
    return (VALIDATION_INSTALLED, VALIDATION_UNINSTALLED), (), ids


def allowlist_topics(account: Address, entity_id: int | None = None) -> tuple[tuple[Hash32, ...], ...]:
    """Return the topics of the Allowlist's events of an account, of one session if its entity id is given."""
    own = () if entity_id is None else (Hash32(abi.uint(entity_id)), Hash32(abi.uint(entity_id + HALF_ENTITY)))
    return (TARGET_UPDATED, FUNCTION_UPDATED, TOKEN_UPDATED), own, (Hash32(abi.address(account)),)
