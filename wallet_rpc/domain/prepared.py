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
from wallet_rpc.primitives import NATIVE_TOKEN, Address, ChainId, Data, Hash32, TransactionCount, Uint256, Wei, preview
from wallet_rpc.wire import shape


@shape
class RawMessage:
    """A hash to sign as a personal message."""

    raw: Hash32
    """Hash of the user operation, to be signed as 32 bytes."""


@shape
class PersonalSign:
    """Sign `data.raw` by `personal_sign`; or `rawPayload`, its EIP-191 digest, by a key that signs digests."""

    type: Literal["personal_sign"] = "personal_sign"
    """Wallet method that signs `data`."""
    data: RawMessage
    """Message for `personal_sign`, which adds the EIP-191 prefix."""
    raw_payload: Hash32
    """EIP-191 digest of the message, for signers that sign digests."""

    @staticmethod
    def from_hash(operation_hash: Hash32) -> PersonalSign:
        """Build the request to sign a user operation's hash."""
        return PersonalSign(data=RawMessage(raw=operation_hash), raw_payload=personal_sign_digest(operation_hash))


@shape
class FeePayment:
    """The payer of the gas (`sponsored`: a paymaster), the token, and the maximum in the token's smallest unit."""

    sponsored: bool
    """True if a policy of a paymaster pays for the gas."""
    token_address: Address = NATIVE_TOKEN
    """Token in which the account pays; `0xEeee…` is the chain's native token."""
    max_amount: Wei
    """Maximum charge in the token's smallest unit; for a sponsored operation the maximum that the paymaster pays."""


@shape
class OperationData:
    """The user operation's hash, and its calls if they can be decoded from its call data."""

    hash: Hash32
    """Hash that the entry point computes for the user operation (ERC-4337)."""
    calls: tuple[Call, ...] | None = None
    """Calls that the operation makes; absent if its call data has an unknown form."""


@shape
class OperationDetails:
    """Details of a prepared or sent user operation."""

    type: Literal["user-operation"] = "user-operation"
    """Kind of details."""
    data: OperationData
    """Hash and calls of the operation."""


@shape
class PreparedUserOperation:
    """A user operation, complete except for its signature; `signatureRequest` is absent from an estimate."""

    type: Literal["user-operation-v070"] = "user-operation-v070"
    """Form of the result: one user operation for entry point v0.7."""
    data: UserOperationJson
    """Unsigned user operation, to be returned unchanged to `wallet_sendPreparedCalls`."""
    chain_id: ChainId
    """Chain that the operation is valid on."""
    signature_request: PersonalSign | None = None
    """Payload for the acting key; absent for `onlyEstimation`."""
    fee_payment: FeePayment
    """Payer of the gas and the maximum amount."""
    details: OperationDetails
    """Hash and calls of the operation, for display."""
    submission_ticket: str | None = None
    """The ticket that a caller with a session token needs to send the calls. The other response types have it too."""


@shape
class AuthorizationData:
    """The address that an account delegates to (the zero address removes the delegation), and the account's nonce."""

    address: Address
    """Implementation to delegate to; the zero address removes the delegation."""
    nonce: TransactionCount
    """Transaction count of the account, which the authorization uses up."""

    def to_authorization(self, chain_id: int) -> Authorization:
        """Return the authorization, valid on chain `chain_id` only."""
        return Authorization(chain_id, self.address, self.nonce)


@shape
class SignAuthorization:
    """Sign the authorization (EIP-7702); `rawPayload` is its digest, signed without any prefix."""

    type: Literal["eip7702Auth"] = "eip7702Auth"
    """Kind of signature: an EIP-7702 authorization."""
    raw_payload: Hash32
    """keccak256(05 | rlp(chain id, address, nonce)), to be signed without a prefix."""


@shape
class PreparedAuthorization:
    """An authorization to be signed by the account's own key."""

    type: Literal["authorization"] = "authorization"
    """Form of the result: an EIP-7702 authorization."""
    data: AuthorizationData
    """Unsigned authorization, to be returned unchanged to `wallet_sendPreparedCalls`."""
    chain_id: ChainId
    """Only chain on which the authorization is valid."""
    signature_request: SignAuthorization
    """Payload for the account's own key."""
    submission_ticket: str | None = None
    """Ticket that a caller with a session token needs to send the authorization."""

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
    """Form of the result: several items that are sent together."""
    data: tuple[PreparedAuthorization, PreparedUserOperation]
    """Authorization and user operation, each with its own signature request."""
    submission_ticket: str | None = None
    """Ticket that a caller with a session token needs to send both items."""


@shape
class SignTyped:
    """Sign `data` by `eth_signTypedData_v4`; or `rawPayload`, its digest, by a key that signs digests."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    """Wallet method that signs `data`."""
    data: dict[str, Any]
    """Typed data to sign, with `domain`, `types`, `primaryType` and `message`."""
    raw_payload: Hash32
    """EIP-712 digest of `data`, for signers that sign digests."""


@shape
class PreparedPermit:
    """A permit of the account, to be signed before the calls can be prepared.

    `data` describes the permit; `signatureRequest` holds the payload to sign. `modifiedRequest` is the next request, to
    be sent with the signature as `paymasterPermitSignature`.
    """

    type: Literal["paymaster-permit"] = "paymaster-permit"
    """Form of the result: a permit that has to be signed first."""
    modified_request: dict[str, Any]
    """Next request for `wallet_prepareCalls`, to which the caller adds `paymasterPermitSignature`."""
    data: dict[str, Any]
    """Typed data of the token's permit (EIP-2612), for display."""
    signature_request: SignTyped
    """Payload for the account's owner: the permit, bound to the account against replay."""


PreparedCalls: TypeAlias = Annotated[
    PreparedUserOperation | PreparedArray | PreparedAuthorization | PreparedPermit, Field(discriminator="type")
]
"""The result of `wallet_prepareCalls`."""


@shape
class DelegationDetails:
    """An authorization that was sent without a user operation."""

    type: Literal["delegation"] = "delegation"
    """Kind of details: an authorization without a user operation."""


@shape
class SignatureParts:
    """A signature as r, s and its parity, given as `yParity` (0 or 1) or `v` (27 or 28)."""

    r: Uint256
    """First half of the signature, below the order of secp256k1."""
    s: Uint256
    """Second half of the signature."""
    y_parity: Uint256 | None = None
    """Parity of the curve point, 0 or 1; used if `v` is absent."""
    v: Uint256 | None = None
    """Recovery id, 27 or 28."""


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
    """Kind of signature, also for contract signers; `ecdsa` is an alias."""
    data: SignatureData
    """65 bytes r | s | v, their parts, or the bytes that a contract signer accepts (ERC-1271)."""

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
