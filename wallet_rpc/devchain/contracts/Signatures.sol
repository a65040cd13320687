// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {InvalidSignatureType} from "./AccountErrors.sol";
import {IERC1271} from "./Interfaces.sol";

/// Checks signatures of the form `type u8 | body` and makes the digests that they sign.
library Signatures {
    enum SignatureType {
        EOA, // body: r(32) | s(32) | v(1), v 27 or 28, low s
        CONTRACT // body: any signature that the signer's isValidSignature accepts
    }

    uint256 private constant HALF_CURVE_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    bytes32 private constant REPLAY_SAFE_TYPE = keccak256("ReplaySafeHash(bytes32 hash)");

    /// Checks that `signer` made this signature. A missing type is InvalidSignatureType, an unknown one is
    /// Panic(0x21); every other error returns false.
    function matches(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (signature.length == 0) revert InvalidSignatureType();
        SignatureType kind = SignatureType(uint8(signature[0]));
        bytes calldata body = signature[1:];
        if (kind == SignatureType.CONTRACT) return matchesContract(signer, digest, body);
        return body.length == 65 && matchesKey(signer, digest, body);
    }

    /// ECDSA by the key of `signer`: 65 bytes, or 64 bytes in the compact form of EIP-2098.
    function matchesKey(address signer, bytes32 digest, bytes calldata body) internal pure returns (bool) {
        bytes32 r = bytes32(body[:32]);
        bytes32 s = bytes32(body[32:64]);
        uint8 v;
        if (body.length == 64) {
            v = uint8(uint256(s) >> 255) + 27;
            s = bytes32(uint256(s) & (uint256(1) << 255) - 1);
        } else {
            v = uint8(body[64]);
        }
        if (uint256(s) > HALF_CURVE_ORDER) return false;
        address recovered = ecrecover(digest, v, r, s);
        return recovered != address(0) && recovered == signer;
    }

    /// ERC-1271. A signer without code, a revert and short return data all mean false.
    function matchesContract(address signer, bytes32 digest, bytes calldata body) internal view returns (bool) {
        (bool ok, bytes memory answer) =
            signer.staticcall(abi.encodeCall(IERC1271.isValidSignature, (digest, body)));
        return ok && answer.length >= 32
            && abi.decode(answer, (bytes32)) == bytes32(IERC1271.isValidSignature.selector);
    }

    /// EIP-191 over 32 bytes: the digest that personal_sign of a hash signs.
    function personalMessage(bytes32 hash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
    }

    /// EIP-712.
    function typedData(bytes32 domainSeparator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator, structHash));
    }

    /// The hash that binds an ERC-1271 signature to one account, by way of the domain.
    function replaySafe(bytes32 domainSeparator, bytes32 hash) internal pure returns (bytes32) {
        return typedData(domainSeparator, keccak256(abi.encode(REPLAY_SAFE_TYPE, hash)));
    }
}
