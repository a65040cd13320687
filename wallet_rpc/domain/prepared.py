"""Prepared and signed calls on the wire, and the ids that name them once sent.

Source: the Wallet API's `wallet_prepareCalls` and `wallet_sendPreparedCalls` (seed 002); EIP-5792 call ids; EIP-7702.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams, UnknownBundle
from wallet_rpc.primitives import (
    NATIVE_TOKEN,
    Address,
    ChainId,
    Data,
    Hash32,
    TransactionCount,
    Uint256,
    Wei,
    preview,
)
from wallet_rpc.wire import shape


@shape
class RawMessage:
    """Bytes to sign as a personal message."""

    raw: Hash32


@shape
class PersonalSign:
    """Sign `data.raw` by `personal_sign`; or `rawPayload`, its EIP-191 digest, by a key that signs digests."""

    type: Literal["personal_sign"] = "personal_sign"
    data: RawMessage
    raw_payload: Hash32


@shape
class FeePayment:
    """Who pays the gas, in which token, and at most how much of its smallest unit."""

    sponsored: bool
    token_address: Address = NATIVE_TOKEN
    max_amount: Wei


@shape
class OperationData:
    """The user operation's hash, and the calls it makes where its call data tells them."""

    hash: Hash32
    calls: tuple[Call, ...] | None = None


@shape
class OperationDetails:
    """What a prepared or sent call is on chain."""

    type: Literal["user-operation"] = "user-operation"
    data: OperationData


@shape
class PreparedUserOperation:
    """A user operation, complete but for its signature; `signatureRequest` is absent from a mere estimate."""

    type: Literal["user-operation-v070"] = "user-operation-v070"
    data: UserOperationJson
    chain_id: ChainId
    signature_request: PersonalSign | None = None
    fee_payment: FeePayment
    details: OperationDetails
    submission_ticket: str | None = None
    """For the holder of a session token: without it the token does not send the calls. The same in the other forms."""


@shape
class AuthorizationData:
    """What an account delegates to (the zero address: to nothing) at which of its own nonces."""

    address: Address
    nonce: TransactionCount

    def to_authorization(self, chain_id: int) -> Authorization:
        """The authorization, which holds on that chain alone."""
        return Authorization(chain_id, self.address, self.nonce)


@shape
class SignAuthorization:
    """Sign the authorization (EIP-7702); `rawPayload` is its digest, signed without any prefix."""

    type: Literal["eip7702Auth"] = "eip7702Auth"
    raw_payload: Hash32


@shape
class PreparedAuthorization:
    """An authorization to be signed by the account's own key."""

    type: Literal["authorization"] = "authorization"
    data: AuthorizationData
    chain_id: ChainId
    signature_request: SignAuthorization
    submission_ticket: str | None = None

    @staticmethod
    def from_authorization(authorization: Authorization) -> PreparedAuthorization:
        """What to sign for `authorization`."""
        return PreparedAuthorization(
            data=AuthorizationData(address=authorization.address, nonce=authorization.nonce),
            chain_id=authorization.chain_id,
            signature_request=SignAuthorization(raw_payload=authorization.digest),
        )


@shape
class PreparedArray:
    """The authorization, then the user operation that relies on it; both to be signed and sent back together."""

    type: Literal["array"] = "array"
    data: tuple[PreparedAuthorization, PreparedUserOperation]
    submission_ticket: str | None = None


@shape
class SignTyped:
    """Sign `data` by `eth_signTypedData_v4`; or `rawPayload`, its digest, by a key that signs digests."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    data: dict[str, Any]
    raw_payload: Hash32


@shape
class PreparedPermit:
    """A permit of the account, to be signed before the calls can be prepared.

    `data` shows what is permitted; what is signed is in `signatureRequest`. `modifiedRequest` is what to ask next, with
    the signature as `paymasterPermitSignature`.
    """

    type: Literal["paymaster-permit"] = "paymaster-permit"
    modified_request: dict[str, Any]
    data: dict[str, Any]
    signature_request: SignTyped


PreparedCalls: TypeAlias = Annotated[
    PreparedUserOperation | PreparedArray | PreparedAuthorization | PreparedPermit, Field(discriminator="type")
]
"""What `wallet_prepareCalls` answers."""


@shape
class DelegationDetails:
    """An authorization that was sent alone."""

    type: Literal["delegation"] = "delegation"


@shape
class SignatureParts:
    """A signature as r, s and its parity, given as `yParity` (0 or 1) or `v` (27 or 28)."""

    r: Uint256
    s: Uint256
    y_parity: Uint256 | None = None
    v: Uint256 | None = None


def _signature_kind(value: Any) -> str:
    return "parts" if isinstance(value, SignatureParts | Mapping) else "bytes"


SignatureData: TypeAlias = Annotated[
    Annotated[Data, Tag("bytes")] | Annotated[SignatureParts, Tag("parts")], Discriminator(_signature_kind)
]
"""r | s | v, 65 bytes; or its parts. For a contract's key, the bytes that its ERC-1271 check takes."""


@shape
class Signature:
    """A client's answer to a signature request; `ecdsa` is another name of `secp256k1`."""

    type: Literal["secp256k1", "ecdsa"] = "secp256k1"
    data: SignatureData

    @property
    def raw(self) -> bytes:
        """The bytes r | s | v of `params.signature`. Raises: as `raw_at`."""
        return self.raw_at("params.signature")

    def raw_at(self, at: str) -> bytes:
        """The bytes r | s | v of the signature at `at`. Raises: InvalidParams when the parts make no signature."""
        if not isinstance(self.data, SignatureParts):
            return self.data
        parity = self.data.y_parity if self.data.v is None else self.data.v - 27
        if parity not in {0, 1}:
            raise InvalidParams(
                f"{at}.data: expected yParity 0x0 or 0x1, or v 0x1b or 0x1c",
                field=f"{at}.data",
                reason="signature_malformed",
            )
        return self.data.r.to_bytes(32, "big") + self.data.s.to_bytes(32, "big") + bytes([27 + parity])


def authorization_hash(authority: Address, authorization: Authorization) -> Hash32:
    """What names an authorization that was sent alone: keccak(authority (20) | digest (32)).

    The digest itself is the same for two accounts of equal nonce. It names what was signed and not the transaction that
    carries it, so that sending again answers the same id.
    """
    return keccak(authority + authorization.digest)


def format_call_id(chain_id: int, operation_hash: Hash32) -> Data:
    """The id of a sent call: chain id (32 bytes) | user operation hash, or `authorization_hash` (32 bytes).

    It never ends in the 32 bytes 5792…5792, by which viem marks the ids it made itself and does not ask a server
    about: nobody can find an operation of that hash.
    """
    return Data(chain_id.to_bytes(32, "big") + operation_hash)


def parse_call_id(identifier: bytes) -> tuple[int, Hash32]:
    """Chain id and user operation hash. Raises: UnknownBundle for an id that `call_id` never makes."""
    if len(identifier) != 64 or any(identifier[:28]):
        given = f"{preview(Data(identifier).hex0x())}: expected 64 bytes, chain id and hash"
        raise UnknownBundle(f"no call has the id {given}")
    return int.from_bytes(identifier[:32], "big"), Hash32(identifier[32:])
