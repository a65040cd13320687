"""Anchors: signed heads of logs, to be kept where the logs are not.

The rule: an anchor is one line of JSON, signed by a secp256k1 key that the server does not need. Signed is the personal
message (EIP-191) of its first line, `wallet-rpc audit anchor`, and the canonical JSON of everything but the signature,
so that any Ethereum wallet or tool can check it. A copy outside the server's reach shows a log that was cut off,
emptied or written anew, whatever its writer could sign afterwards.
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
    """How many entries there were; the newest one's number is one less."""
    head: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The hash of the newest entry; 64 zeros for none."""


@shape
class Anchor:
    """The heads of logs at one moment, and who says so."""

    version: Annotated[int, Field(strict=True)] = RECORD_VERSION
    at: Time
    logs: tuple[AnchoredLog, ...]
    signer: Address
    signature: Data = _NO_SIGNATURE
    """65 bytes r | s | v by `signer`."""


def sign_anchor(heads: dict[OrganizationId, LogHead], *, at: UnixSeconds, key: bytes) -> Anchor:
    """The signed anchor of these heads; `key` is a private key of 32 bytes."""
    signing = PrivateKey(key)
    logs = tuple(AnchoredLog(org_id=each, entries=head.count, head=head.hash) for each, head in heads.items())
    unsigned = Anchor(at=at, logs=logs, signer=Address(signing.public_key.to_canonical_address()))
    made = signing.sign_msg_hash(personal_sign_digest(build_anchor_message(unsigned))).to_bytes()
    return replace(unsigned, signature=Data(made[:64] + bytes([27 + made[64]])))


def build_anchor_message(anchor: Anchor) -> bytes:
    """What the signer signs as a personal message."""
    rest = encode(Anchor, replace(anchor, signature=_NO_SIGNATURE))
    del rest["signature"]
    return (_FIRST_LINE + canonical_json(rest)).encode()


def format_anchor(anchor: Anchor) -> str:
    """An anchor as it is kept."""
    return canonical_json(encode(Anchor, anchor))


def read_anchor(line: bytes, *, signer: Address) -> Anchor:
    """An anchor that was kept. Raises: ValueError, in words for people, unless it is one that `signer` signed."""
    try:
        value = from_json(line)
    except ValueError:
        raise ValueError("expected an anchor, one line of JSON") from None
    version = value.get("version") if isinstance(value, dict) else None
    if isinstance(version, int) and version > RECORD_VERSION:
        raise ValueError(f"an anchor of form {version}; this program reads forms up to {RECORD_VERSION}")
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
    """All heads that anchors have of one organisation's log."""
    logs = (log for anchor in anchors for log in anchor.logs if log.org_id == organization)
    return frozenset(LogHead(log.entries, log.head) for log in logs) - {EMPTY_HEAD}
