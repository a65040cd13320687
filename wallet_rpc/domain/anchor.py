"""Anchors: signed heads of audit logs, for storage outside the server's reach.

An anchor is one line of JSON, signed by a secp256k1 key that the server does not need. The signature is that of a
personal message (EIP-191), so that any Ethereum wallet or tool can check it. The message is the line `wallet-rpc audit
anchor`, followed by the canonical JSON of the anchor without `signature`. A stored anchor reveals a log that was cut
off, emptied or rewritten later, even if its writer can sign new anchors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

from eth_keys.datatypes import PrivateKey
from pydantic import Field
from pydantic_core import from_json

from wallet_rpc.domain.access import ORGANIZATION_ID, OrganizationId
from wallet_rpc.domain.audit import EMPTY_HEAD, LogHead, canonical_json
from wallet_rpc.domain.records import RECORD_VERSION
from wallet_rpc.domain.signature import personal_sign_digest, recover_signer
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data, UnixSeconds
from wallet_rpc.wire import decode, encode, shape

_FIRST_LINE = "wallet-rpc audit anchor\n"
_NO_SIGNATURE = Data()


@shape
class AnchoredLog:
    """The head of one organisation's log."""

    org_id: Annotated[str, Field(pattern=f"^{ORGANIZATION_ID.pattern}$", max_length=80)]
    entries: Annotated[int, Field(ge=0, strict=True)]
    """The number of entries; the newest entry's number is one less."""
    head: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The hash of the newest entry; 64 zeros for none."""


@shape
class Anchor:
    """The heads of logs at one moment, signed."""

    version: Annotated[int, Field(strict=True)] = RECORD_VERSION
    at: Time
    logs: tuple[AnchoredLog, ...]
    signer: Address
    signature: Data = _NO_SIGNATURE
    """65 bytes r | s | v by `signer`."""


def sign_anchor(heads: dict[OrganizationId, LogHead], *, at: UnixSeconds, key: bytes) -> Anchor:
    """Sign an anchor of these heads; `key` is a private key of 32 bytes."""
    private_key = PrivateKey(key)
    logs = tuple(AnchoredLog(org_id=each, entries=head.count, head=head.hash) for each, head in heads.items())
    unsigned = Anchor(at=at, logs=logs, signer=Address(private_key.public_key.to_canonical_address()))
    signature = private_key.sign_msg_hash(personal_sign_digest(build_anchor_message(unsigned))).to_bytes()
    return replace(unsigned, signature=Data(signature[:64] + bytes([27 + signature[64]])))


def build_anchor_message(anchor: Anchor) -> bytes:
    """Build the text that the signer signs as a personal message."""
    rest = encode(Anchor, replace(anchor, signature=_NO_SIGNATURE))
    del rest["signature"]
    return (_FIRST_LINE + canonical_json(rest)).encode()


def format_anchor(anchor: Anchor) -> str:
    """Format an anchor as one line of canonical JSON, without a line break."""
    return canonical_json(encode(Anchor, anchor))


def read_anchor(line: bytes, *, signer: Address) -> Anchor:
    """Read a stored anchor. Raises: ValueError, with a message for the operator, unless `signer` signed it."""
    try:
        value = from_json(line)
    except ValueError:
        raise ValueError("expected an anchor, one line of JSON, got a line that is not JSON") from None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > RECORD_VERSION:
        raise ValueError(f"expected an anchor of version {RECORD_VERSION} or lower, got version {version}")
    try:
        anchor = decode(Anchor, value, at="anchor")
    except InvalidParams as error:
        raise ValueError(error.message) from None
    if anchor.signer != signer:
        raise ValueError(f"signed by {anchor.signer}, expected {signer}")
    if recover_signer(personal_sign_digest(build_anchor_message(anchor)), anchor.signature) != signer:
        raise ValueError("the signature is not that of its signer: the anchor was altered")
    return anchor


def heads_of(anchors: Iterable[Anchor], organization: OrganizationId) -> frozenset[LogHead]:
    """Return all heads of one organisation's log in `anchors`, without empty ones."""
    logs = (log for anchor in anchors for log in anchor.logs if log.org_id == organization)
    return frozenset(LogHead(log.entries, log.head) for log in logs) - {EMPTY_HEAD}
