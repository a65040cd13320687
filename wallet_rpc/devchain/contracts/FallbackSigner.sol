// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {FallbackSignerDisabled, FallbackSignerMismatch} from "./AccountErrors.sol";
import {AccountStorage, FallbackSignerStorage} from "./AccountStorage.sol";
import {Signatures} from "./Signatures.sol";

/// The owner of a semi-modular account: validation entity 0, which needs no installation.
abstract contract FallbackSigner {
    bytes32 private constant DOMAIN_TYPE = keccak256("EIP712Domain(uint256 chainId,address verifyingContract)");

    event FallbackSignerUpdated(address indexed newFallbackSigner, bool isDisabled);

    /// The owner as long as none is stored.
    function _defaultSigner() internal view virtual returns (address);

    function _signer() internal view returns (address) {
        address stored = AccountStorage.fallbackSigner().signer;
        return stored == address(0) ? _defaultSigner() : stored;
    }

    function _isSignerDisabled() internal view returns (bool) {
        return AccountStorage.fallbackSigner().isDisabled;
    }

    /// Both values are overwritten; (0, false) gives the account back to its default owner.
    function _setSigner(address signer, bool isDisabled) internal {
        FallbackSignerStorage storage row = AccountStorage.fallbackSigner();
        row.signer = signer;
        row.isDisabled = isDisabled;
        emit FallbackSignerUpdated(signer, isDisabled);
    }

    function _isSignedByOwner(bytes32 digest, bytes calldata signature) internal view returns (bool) {
        _requireSignerEnabled();
        return Signatures.matches(_signer(), digest, signature);
    }

    function _requireCallByOwner() internal view {
        _requireSignerEnabled();
        if (msg.sender != _signer()) revert FallbackSignerMismatch();
    }

    function _domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, block.chainid, address(this)));
    }

    function _requireSignerEnabled() private view {
        if (_isSignerDisabled()) revert FallbackSignerDisabled();
    }
}
