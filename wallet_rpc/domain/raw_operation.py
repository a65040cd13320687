"""User operations in the form that callers send to bundlers themselves: whose they are, and what they install.

The values are read leniently, as some bundler may read them: an operation counts as a session's whenever it could be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.nonce import is_deferred, session_entity
from wallet_rpc.domain.signature import OWN_SEGMENT
from wallet_rpc.domain.validation import ValidationInstall, parse_install
from wallet_rpc.primitives import Address, Data, EntityId

_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII)
_ADDRESS = re.compile(r"(?:0[xX])?([0-9a-fA-F]{40})", re.ASCII)
_LOCATOR_AND_DEADLINE = 27
"""Size of the locator and the deadline in front of a deferred call, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawIdentity:
    """Sender and full nonce of an operation."""

    sender: Address
    nonce: int

    @property
    def entity_id(self) -> EntityId | None:
        """The entity id that the nonce names under a modular account; None for a direct call."""
        return session_entity(self.nonce)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedAction:
    """A deferred action in front of an operation's signature, as the account reads it."""

    authorizer: EntityId | None
    """Entity id of the validation that authorizes the action; None for a direct call."""
    install: ValidationInstall | None
    """Installation that the action makes; None for any other call."""
    action: DeferredAction
    """The action, as it is signed."""
    authorization: Data
    """The signer kind and the signature of the validation that authorizes the action."""
    prefix: Data
    """The bytes of the action with its authorization."""


def read_identity(value: object) -> RawIdentity | None:
    """Read sender and nonce of an operation in JSON; None if they cannot be read."""
    if not isinstance(value, Mapping):
        return None
    sender, nonce = value.get("sender"), _read_number(value.get("nonce"))
    match = _ADDRESS.fullmatch(sender) if isinstance(sender, str) else None
    if match is None or nonce is None or nonce >= 1 << 256:
        return None
    return RawIdentity(sender=Address(bytes.fromhex(match[1])), nonce=nonce)


def _read_number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    if not isinstance(value, str) or len(value) > 80 or _NUMBER.fullmatch(value) is None:
        return None
    is_hex = value[:2] in {"0x", "0X"}
    return int(value[2:] or "0", 16) if is_hex else int(value)


def read_carried_action(nonce: int, signature: bytes) -> CarriedAction | None:
    """Read the deferred action of an operation; None without one.

    Raises: ValueError for a signature from which the account cannot read the action that the nonce announces.
    """
    if not is_deferred(nonce):
        return None
    end = 4 + int.from_bytes(signature[:4], "big")
    last = end + 4 + int.from_bytes(signature[end : end + 4], "big")
    if len(signature) < last or end < 4 + _LOCATOR_AND_DEADLINE or last < end + 4:
        raise ValueError("expected a deferred action in front of the signature")
    encoded = signature[4:end]
    locator, call = int.from_bytes(encoded[:21], "big"), encoded[_LOCATOR_AND_DEADLINE:]
    try:
        install = parse_install(call)
    except ValueError:
        install = None
    deadline = int.from_bytes(encoded[21:_LOCATOR_AND_DEADLINE], "big")
    return CarriedAction(
        authorizer=session_entity(locator << 64),
        install=install,
        action=DeferredAction(nonce=nonce, deadline=deadline, call=Data(call)),
        authorization=Data(signature[end + 4 : last]),
        prefix=Data(signature[:last]),
    )


def split_own_segment(signature: bytes) -> Data | None:
    """Return the signer's own signature, after the segment mark and the signer kind; None for any other form."""
    own = bytes(OWN_SEGMENT)
    return Data(signature[len(own) + 1 :]) if signature.startswith(own) and len(signature) > len(own) + 1 else None
