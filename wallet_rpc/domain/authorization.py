"""EIP-7702 authorizations, by which an externally owned account delegates to the code of a contract.

The authority signs `keccak(05 | rlp([chainId, address, nonce]))` without any prefix. Source: EIP-7702.
"""

from __future__ import annotations

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]  # rlp 4 has no types

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.signature import recover_signer
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32

MAGIC = b"\x05"
"""The byte before the RLP list. Source: EIP-7702."""
DESIGNATOR_PREFIX = bytes.fromhex("ef0100")
"""The first three bytes of a delegated account's code. Source: EIP-7702."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """An unsigned delegation. `chain_id` 0 means any chain; the zero `address` removes the delegation.

    `nonce` is the authority's transaction count at the time the authorization is applied (below 2**64).
    """

    chain_id: int
    address: Address
    nonce: int

    @property
    def preimage(self) -> Data:
        """The bytes to hash: 05 | rlp([chainId, address, nonce]); integers are minimal, zero is empty."""
        return Data(MAGIC + rlp.encode([self.chain_id, bytes(self.address), self.nonce]))

    @property
    def digest(self) -> Hash32:
        """The hash that the authority signs, without any prefix."""
        return keccak(self.preimage)

    def add_signature(self, signature: bytes) -> SignedAuthorization:
        """Add a wallet's signature of 65 bytes: r | s | v (v 27 or 28; 0 and 1 are equivalent).

        Raises: ValueError when the signature has a wrong length or a wrong v.
        """
        if len(signature) != 65 or signature[64] not in (0, 1, 27, 28):
            raise ValueError("expected a signature of 65 bytes whose last byte is 0, 1, 27 or 28")
        return SignedAuthorization(
            chain_id=self.chain_id,
            address=self.address,
            nonce=self.nonce,
            r=int.from_bytes(signature[:32], "big"),
            s=int.from_bytes(signature[32:64], "big"),
            y_parity=signature[64] % 27,
        )


@dataclass(frozen=True, slots=True)
class SignedAuthorization(Authorization):
    """A delegation with the authority's signature; r and s below 2**256, `y_parity` 0 or 1."""

    r: int
    s: int
    y_parity: int

    @property
    def signature(self) -> Data:
        """The signature as wallets return it, 65 bytes: r | s | 27 + y_parity."""
        return Data(self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big") + bytes([27 + self.y_parity]))

    @property
    def authority(self) -> Address | None:
        """The account that signed; None when the signature is not valid for any account."""
        return recover_signer(self.digest, self.signature)


DUMMY_R = int.from_bytes(bytes.fromhex("ff" * 15 + "f0" + "00" * 16), "big")
"""r of the authorization used for gas estimation. Source: the official SDK v5."""
DUMMY_S = int.from_bytes(bytes.fromhex("7a" + "aa" * 31), "big")
"""s of the authorization used for gas estimation. Source: the official SDK v5."""


def add_dummy_signature(authorization: Authorization) -> SignedAuthorization:
    """Add a placeholder signature of the right format, for gas estimation (y_parity 1)."""
    return SignedAuthorization(
        chain_id=authorization.chain_id,
        address=authorization.address,
        nonce=authorization.nonce,
        r=DUMMY_R,
        s=DUMMY_S,
        y_parity=1,
    )


def designator(implementation: Address) -> Data:
    """Return the code of an account delegated to `implementation`: ef0100 | address, or empty for the zero address."""
    return Data(b"" if implementation == ZERO_ADDRESS else DESIGNATOR_PREFIX + implementation)


def delegate_of(code: bytes) -> Address | None:
    """Return the implementation that `code` delegates to; None when the code is not a designator."""
    if len(code) == 23 and code.startswith(DESIGNATOR_PREFIX):
        return Address(code[3:])
    return None
