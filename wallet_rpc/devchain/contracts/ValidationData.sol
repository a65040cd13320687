// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// ERC-4337 validation data: authorizer u160, validUntil u48 at bit 160, validAfter u48 at bit 208.
library ValidationData {
    uint256 internal constant SIGNATURE_FAILED = 1;

    function pack(uint160 authorizer, uint48 validUntil, uint48 validAfter) internal pure returns (uint256) {
        return uint256(authorizer) | uint256(validUntil) << 160 | uint256(validAfter) << 208;
    }

    /// Merges the times of both, under the given authorizer: the earlier end and the later start. An end of 0 means
    /// none and becomes 2^48 - 1 if the other has none either.
    function merge(uint160 authorizer, uint256 one, uint256 other) internal pure returns (uint256) {
        uint48 validUntil = _min(_endOf(one), _endOf(other));
        uint48 validAfter = _max(uint48(one >> 208), uint48(other >> 208));
        return pack(authorizer, validUntil, validAfter);
    }

    function _endOf(uint256 data) private pure returns (uint48 validUntil) {
        validUntil = uint48(data >> 160);
        if (validUntil == 0) validUntil = type(uint48).max;
    }

    function _min(uint48 a, uint48 b) private pure returns (uint48) {
        return a < b ? a : b;
    }

    function _max(uint48 a, uint48 b) private pure returns (uint48) {
        return a > b ? a : b;
    }
}
