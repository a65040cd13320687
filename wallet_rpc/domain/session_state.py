"""The state of a session by facts of the chain and of this server, and its differences from the grant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.domain.module_rows import ANY_CONTRACT, ModuleRows
from wallet_rpc.domain.validation import Hook, ValidationInstall, installed_signer
from wallet_rpc.domain.views import ValidationData
from wallet_rpc.primitives import Address, Data, UnixSeconds
from wallet_rpc.wire import shape


class SessionStatus(StrEnum):
    """States of a session, the strongest first: of several that hold, the first one is shown."""

    REMOVED = "removed"
    """The chain no longer has it, and its grant cannot install it: uninstalled, or its nonce was used otherwise."""
    REVOKED = "revoked"
    """This server rejects it for good."""
    EXPIRED = "expired"
    """Its time has passed, by the chain or by its registration here."""
    PAUSED = "paused"
    """This server rejects it until it is resumed."""
    CHANGED = "changed"
    """It is installed, but differs from the grant."""
    INSTALLED = "installed"
    """The account has it."""
    PENDING = "pending"
    """Its first call installs it."""
    UNKNOWN = "unknown"
    """The chain's node did not answer."""


@shape
class Difference:
    """A part of an installed session that is not as it was granted."""

    part: str
    """`signer`, `hooks`, `functions`, `scope`, `timeRange`, `contracts` or `limits`."""
    text: str
    """One sentence on the granted and the found value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFacts:
    """The facts that decide a session's state."""

    is_installed: bool
    can_install: bool
    """True if its grant is not used yet."""
    is_revoked: bool
    is_paused: bool
    end: UnixSeconds | None
    """The last valid second; None: no end."""
    differs: bool


def decide_state(facts: StateFacts, *, now: UnixSeconds) -> SessionStatus:
    """Return the strongest state that the facts show."""
    if not facts.is_installed and not facts.can_install:
        return SessionStatus.REMOVED
    if facts.is_revoked:
        return SessionStatus.REVOKED
    if facts.end is not None and now > facts.end:
        return SessionStatus.EXPIRED
    if facts.is_paused:
        return SessionStatus.PAUSED
    if not facts.is_installed:
        return SessionStatus.PENDING
    return SessionStatus.CHANGED if facts.differs else SessionStatus.INSTALLED


def hook_of(config: bytes) -> Hook:
    """Return the hook of a configuration of 25 bytes, without installation data."""
    return Hook(Address(config[:20]), int.from_bytes(config[20:24], "big"), config[24], Data())


def find_differences(
    install: ValidationInstall, granted: ModuleRows, validation: ValidationData, signer: Address, found: ModuleRows
) -> tuple[Difference, ...]:
    """Compare an installed session with its grant. Amounts that were spent are no difference."""
    return (*_compare_validation(install, validation, signer), *_compare_rows(granted, found))


def _compare_validation(
    install: ValidationInstall, validation: ValidationData, signer: Address
) -> Iterator[Difference]:
    key = installed_signer(install)
    if signer != key:
        yield Difference(part="signer", text=f"{key} was granted, {signer} signs now")
    if validation.flags != install.flags:
        yield Difference(part="scope", text=f"flags {install.flags} were granted, found {validation.flags}")
    if set(validation.selectors) != set(install.selectors):
        yield Difference(part="functions", text=f"{_list(install.selectors)}, found {_list(validation.selectors)}")
    expected = [bytes(hook.config) for hook in install.hooks]
    hooks = [*validation.validation_hooks, *validation.execution_hooks]
    if sorted(hooks) != sorted(expected):
        yield Difference(part="hooks", text=f"{_list(expected)}, found {_list(hooks)}")


def _list(values: Sequence[bytes]) -> str:
    return ", ".join(f"0x{value.hex()}" for value in values) or "none"


def _compare_rows(granted: ModuleRows, found: ModuleRows) -> Iterator[Difference]:
    if granted.time_range is not None and found.time_range is not None and granted.time_range != found.time_range:
        before, after = granted.time_range, found.time_range
        text = f"until {before.valid_until} was granted, found from {after.valid_after} until {after.valid_until}"
        yield Difference(part="timeRange", text=text)
    if granted.native is not None and found.native is not None and found.native > granted.native:
        yield Difference(part="limits", text=f"{granted.native} wei were granted, found {found.native}")
    if granted.gas is not None and found.gas is not None and found.gas > granted.gas:
        yield Difference(part="limits", text=f"{granted.gas} wei for gas were granted, found {found.gas}")
    for token, limit in granted.tokens.items():
        left = found.tokens.get(token)
        if left is None or left > limit:
            text = f"{limit} units of {token} were granted, found {'no limit' if left is None else left}"
            yield Difference(part="limits", text=text)
    for target, functions in granted.targets.items():
        if found.targets.get(target, frozenset()) != functions:
            contract = "all other contracts" if target == ANY_CONTRACT else str(target)
            yield Difference(part="contracts", text=f"the allowed functions of {contract} are not those granted")
