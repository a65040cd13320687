"""Prepared and signed calls on the wire, and the ids of sent calls.

Source: the Wallet API's `wallet_prepareCalls` and `wallet_sendPreparedCalls` (seed 002); EIP-5792 call ids; EIP-7702.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Discriminator, Field, Tag

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.authorization import Authorization
from wallet_rpc.domain.signature import personal_sign_digest
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
    """A hash to sign as a personal message."""

    raw: Hash32


@shape
class PersonalSign:
    """Sign `data.raw` by `personal_sign`; or `rawPayload`, its EIP-191 digest, by a key that signs digests."""

    type: Literal["personal_sign"] = "personal_sign"
    data: RawMessage
    raw_payload: Hash32

    @staticmethod
    def from_hash(operation_hash: Hash32) -> PersonalSign:
        """Build the request to sign a user operation's hash."""
        return PersonalSign(data=RawMessage(raw=operation_hash), raw_payload=personal_sign_digest(operation_hash))


@shape
class FeePayment:
    """The payer of the gas (`sponsored`: a paymaster), the token, and the maximum in the token's smallest unit."""

    sponsored: bool
    token_address: Address = NATIVE_TOKEN
    max_amount: Wei


@shape
class OperationData:
    """The user operation's hash, and its calls if they can be decoded from its call data."""

    hash: Hash32
    calls: tuple[Call, ...] | None = None


@shape
class OperationDetails:
    """Details of a prepared or sent user operation."""

    type: Literal["user-operation"] = "user-operation"
    data: OperationData


@shape
class PreparedUserOperation:
    """A user operation, complete except for its signature; `signatureRequest` is absent from an estimate."""

    type: Literal["user-operation-v070"] = "user-operation-v070"
    data: UserOperationJson
    chain_id: ChainId
    signature_request: PersonalSign | None = None
    fee_payment: FeePayment
    details: OperationDetails
    submission_ticket: str | None = None
    """The ticket that a caller with a session token needs to send the calls. The other response types have it too."""


@shape
class AuthorizationData:
    """The address that an account delegates to (the zero address removes the delegation), and the account's nonce."""

    address: Address
    nonce: TransactionCount

    def to_authorization(self, chain_id: int) -> Authorization:
        """Return the authorization, valid on chain `chain_id` only."""
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
        """Build the response with the signature request for `authorization`."""
        return PreparedAuthorization(
            data=AuthorizationData(address=authorization.address, nonce=authorization.nonce),
            chain_id=authorization.chain_id,
            signature_request=SignAuthorization(raw_payload=authorization.digest),
        )


@shape
class PreparedArray:
    """An authorization and the user operation that relies on it, to be signed and sent together."""

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

    `data` describes the permit; `signatureRequest` holds the payload to sign. `modifiedRequest` is the next request, to
    be sent with the signature as `paymasterPermitSignature`.
    """

    type: Literal["paymaster-permit"] = "paymaster-permit"
    modified_request: dict[str, Any]
    data: dict[str, Any]
    signature_request: SignTyped


PreparedCalls: TypeAlias = Annotated[
    PreparedUserOperation | PreparedArray | PreparedAuthorization | PreparedPermit, Field(discriminator="type")
]
"""The result of `wallet_prepareCalls`."""


@shape
class DelegationDetails:
    """An authorization that was sent without a user operation."""

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
"""r | s | v, 65 bytes; or the parts. For a contract signer, the bytes that its ERC-1271 check accepts."""


@shape
class Signature:
    """A client's response to a signature request; `ecdsa` is an alias of `secp256k1`."""

    type: Literal["secp256k1", "ecdsa"] = "secp256k1"
    data: SignatureData

    @property
    def raw(self) -> bytes:
        """The bytes r | s | v of `params.signature`. Raises: as `raw_at`."""
        return self.raw_at("params.signature")

    def raw_at(self, at: str) -> bytes:
        """Return the bytes r | s | v of the signature at the path `at`.

        Raises: InvalidParams (signature_malformed) when the parts have no valid parity.
        """
        if not isinstance(self.data, SignatureParts):
            return self.data
        parity = self.data.y_parity if self.data.v is None else self.data.v - 27
        if parity not in {0, 1}:
            raise InvalidParams(
                "expected yParity 0x0 or 0x1, or v 0x1b or 0x1c",
                field=f"{at}.data",
                reason="signature_malformed",
            )
        return self.data.r.to_bytes(32, "big") + self.data.s.to_bytes(32, "big") + bytes([27 + parity])


def authorization_hash(authority: Address, authorization: Authorization) -> Hash32:
    """Return the hash in the call id of an authorization sent without a user operation.

    It is keccak(authority (20) | digest (32)), because two accounts with equal nonces have the same digest. The hash
    identifies the signed authorization, not the transaction, so that sending the authorization again returns the same
    id.
    """
    return keccak(authority + authorization.digest)


def format_call_id(chain_id: int, operation_hash: Hash32) -> Data:
    """Format the id of a sent call: chain id (32 bytes) | user operation hash or `authorization_hash` (32 bytes).

    viem marks the ids that it makes itself with the suffix 5792…5792 (32 bytes) and never sends them to a server. No id
    of wallet-rpc has that suffix, because finding an operation with that hash is infeasible.
    """
    return Data(chain_id.to_bytes(32, "big") + operation_hash)


def _unnest_call_id(value: Any) -> Any:
    """Accept the id nested in an array of its own, as some guides show it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


NestedCallId: TypeAlias = Annotated[Data, BeforeValidator(_unnest_call_id)]
"""The id of a call or a swap in a request, as text or in an array of its own."""


def parse_call_id(identifier: bytes) -> tuple[int, Hash32]:
    """Split a call id into chain id and hash. Raises: UnknownBundle for an id that `format_call_id` cannot return."""
    if len(identifier) != 64 or any(identifier[:28]):
        given = preview(Data(identifier).hex0x())
        raise UnknownBundle(f"no call has the id {given}: expected 64 bytes, chain id and hash")
    return int.from_bytes(identifier[:32], "big"), Hash32(identifier[32:])
