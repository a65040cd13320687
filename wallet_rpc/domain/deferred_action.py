"""Deferred actions: a call that the owner signs once and that runs with the session's first user operation.

The owner signs EIP-712 typed data whose domain is the account. The account reads the call and its authorization from
the user operation's signature. Source: ModularAccountBase of Modular Account v2 (deferred actions); seed 001 for the
typed data's form.

    blob = flag (1) | nonce (32) | length (4) = 27 + call | locator (21) | deadline (6) | call
         | length (4) | authorization
    locator = 16 zero bytes | entity id (4) of the validation that authorizes | 1 if global else 0 (1)
    authorization = signer kind (1) | signature
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.signature import (
    Domain,
    SignerKind,
    domain_separator,
    prefix_signer_kind,
    typed_digest,
    unwrap_erc6492,
)
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, Hash32, preview

DEFERRED_ACTION_TYPE = keccak(b"DeferredAction(uint256 nonce,uint48 deadline,bytes call)")
"""The EIP-712 type hash."""
DEFERRED_ACTION_TYPES: Mapping[str, Sequence[Mapping[str, str]]] = {
    "DeferredAction": (
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint48"},
        {"name": "call", "type": "bytes"},
    )
}
"""The struct types of the typed data."""
_BEFORE_OPERATION = 33
"""Size of flag and nonce, in bytes. A user operation's signature omits them, as the operation has its own nonce."""
_FIXED = 27
"""Size of locator and deadline, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredAction:
    """An action to sign: `call` (the account's own call data) runs with the operation that has this nonce.

    `nonce` is the full 256-bit nonce. `deadline` is the last second in which it may run, in Unix seconds below 2**48;
    0 means no deadline.
    """

    nonce: int
    deadline: int
    call: Data

    def is_expired(self, now: int) -> bool:
        """Return True when the deadline has passed."""
        return self.deadline != 0 and self.deadline < now

    @property
    def struct_hash(self) -> Hash32:
        """keccak(type hash | nonce | deadline | keccak(call)), a word each."""
        return keccak(DEFERRED_ACTION_TYPE + abi.uint(self.nonce) + abi.uint(self.deadline, 48) + keccak(self.call))

    def digest(self, *, account: Address, chain_id: int) -> Hash32:
        """Return the EIP-712 digest that the owner signs; it is not wrapped into ReplaySafeHash."""
        return typed_digest(domain_separator(Domain(chain_id, account)), self.struct_hash)

    def typed_data(self, *, account: Address, chain_id: int) -> dict[str, Any]:
        """Build the JSON for `eth_signTypedData_v4`: a minimal hex nonce, decimal deadline and chain id (seed 001)."""
        return {
            "domain": {"chainId": chain_id, "verifyingContract": account.hex0x()},
            "types": {name: [dict(field) for field in members] for name, members in DEFERRED_ACTION_TYPES.items()},
            "primaryType": "DeferredAction",
            "message": {"nonce": hex(self.nonce), "deadline": self.deadline, "call": self.call.hex0x()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizer:
    """The validation that authorizes a deferred action; by default the owner's (entity id 0, global)."""

    entity_id: int = 0
    is_global: bool = True

    @property
    def locator(self) -> bytes:
        """21 bytes: entity id << 8 | global."""
        return (self.entity_id << 8 | self.is_global).to_bytes(21, "big")


OWNER_AUTHORIZER = Authorizer()
"""The owner's validation, whose locator is 1."""


def unsigned_blob(
    action: DeferredAction, *, has_execution_hooks: bool, authorizer: Authorizer = OWNER_AUTHORIZER
) -> Data:
    """Build the blob up to the authorization's length. The SDK calls it the full pre-signature digest (or payload)."""
    length = (_FIXED + len(action.call)).to_bytes(4, "big")
    deadline = action.deadline.to_bytes(6, "big")
    nonce = action.nonce.to_bytes(32, "big")
    return Data(bytes([has_execution_hooks]) + nonce + length + authorizer.locator + deadline + action.call)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDeferredAction:
    """A deferred action with its authorization (signer kind | signature).

    `has_execution_hooks` is True if operations of the validation that it installs need executeUserOp.
    """

    action: DeferredAction
    has_execution_hooks: bool
    authorization: Data
    authorizer: Authorizer = OWNER_AUTHORIZER

    @property
    def blob(self) -> Data:
        """The complete blob, as in a local context."""
        unsigned = unsigned_blob(self.action, has_execution_hooks=self.has_execution_hooks, authorizer=self.authorizer)
        return Data(unsigned + len(self.authorization).to_bytes(4, "big") + self.authorization)

    @property
    def signature_prefix(self) -> Data:
        """The prefix of the session key's signature: the blob without flag and nonce."""
        return Data(self.blob[_BEFORE_OPERATION:])


def encode_deferred_authorization(
    signature: bytes, *, kind: SignerKind = SignerKind.KEY, field: str | None = None
) -> Data:
    """Encode a wallet's signature for a blob: kind (1 byte) | signature, without an ERC-6492 wrapper.

    Raises: InvalidParams (signature_malformed) for a malformed wrapper.
    """
    wrapped = unwrap_erc6492(signature, field=field)
    return prefix_signer_kind(kind, signature if wrapped is None else wrapped.signature)


def parse_blob(blob: bytes, *, field: str = "context") -> SignedDeferredAction:
    """Parse a blob.

    Raises: InvalidParams (deferred_action_malformed) when a length does not fit, the flag is neither 0 nor 1, or the
    locator has more than an entity id and the global bit.
    """
    if len(blob) < 37 + _FIXED or blob[0] > 1:
        raise _malformed_error("flag 00 or 01, nonce, length, locator and deadline", blob, field)
    end = 37 + int.from_bytes(blob[33:37], "big")
    if end < 37 + _FIXED or len(blob) < end + 4:
        raise _malformed_error("a call and an authorization of the stated lengths", blob, field)
    if len(blob) - end - 4 != int.from_bytes(blob[end : end + 4], "big"):
        raise _malformed_error("an authorization of the stated length", blob, field)
    locator = int.from_bytes(blob[37:58], "big")
    if locator >= 1 << 40 or locator & 0xFF > 1:
        raise _malformed_error("a locator of 16 zero bytes, an entity id and 00 or 01", blob, field)
    return SignedDeferredAction(
        action=DeferredAction(
            nonce=int.from_bytes(blob[1:33], "big"),
            deadline=int.from_bytes(blob[58:64], "big"),
            call=Data(blob[64:end]),
        ),
        has_execution_hooks=bool(blob[0]),
        authorization=Data(blob[end + 4 :]),
        authorizer=Authorizer(entity_id=locator >> 8, is_global=bool(locator & 1)),
    )


def _malformed_error(expected: str, blob: bytes, field: str) -> InvalidParams:
    text = f"expected a deferred action with {expected}, got {preview('0x' + blob.hex())}"
    return InvalidParams(text, reason="deferred_action_malformed", field=field)
