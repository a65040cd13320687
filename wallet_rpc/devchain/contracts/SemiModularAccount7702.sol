// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {UnauthorizedCallContext, UpgradeNotAllowed} from "./AccountErrors.sol";
import {AccountStorage} from "./AccountStorage.sol";
import {SEMI_MODULAR_ACCOUNT_7702_V1_0, SEMI_MODULAR_ACCOUNT_7702_V1_1} from "./Addresses.sol";
import {ValidationKeys} from "./Packing.sol";
import {SemiModularAccount} from "./SemiModularAccount.sol";
import {Signatures} from "./Signatures.sol";

/// The account that an EOA delegates to (EIP-7702): its default owner is the EOA itself.
abstract contract SemiModularAccount7702 is SemiModularAccount {
    /// The delegation determines the code, so no caller can upgrade.
    function upgradeToAndCall(address, bytes calldata) external payable {
        revert UpgradeNotAllowed();
    }

    function proxiableUUID() external view returns (bytes32) {
        if (address(this) != _implementation()) revert UnauthorizedCallContext();
        return IMPLEMENTATION_SLOT;
    }

    function _implementation() internal pure virtual returns (address);

    function _defaultSigner() internal view override returns (address) {
        return address(this);
    }
}

contract SemiModularAccount7702V1_0 is SemiModularAccount7702 {
    function accountId() external pure returns (string memory) {
        return "alchemy.sma-7702.1.0.0";
    }

    function _implementation() internal pure override returns (address) {
        return SEMI_MODULAR_ACCOUNT_7702_V1_0;
    }
}

/// Accepts also a bare ECDSA signature of the EOA over the unwrapped hash, as if it had no code.
contract SemiModularAccount7702V1_1 is SemiModularAccount7702 {
    function accountId() external pure returns (string memory) {
        return "alchemy.sma-7702.1.1.0";
    }

    function _implementation() internal pure override returns (address) {
        return SEMI_MODULAR_ACCOUNT_7702_V1_1;
    }

    function _isValidSignature(bytes32 hash, bytes calldata signature) internal view override returns (bytes4) {
        if (!_isBareSignatureAllowed(signature.length)) return super._isValidSignature(hash, signature);
        bool isSigned = Signatures.matchesKey(address(this), hash, signature);
        return isSigned ? SIGNATURE_VALID : SIGNATURE_INVALID;
    }

    /// The EOA must be the owner, not be disabled, and have no validation hooks, which this would bypass.
    function _isBareSignatureAllowed(uint256 length) private view returns (bool) {
        return (length == 64 || length == 65) && !_isSignerDisabled() && _signer() == address(this)
            && AccountStorage.validation(ValidationKeys.FALLBACK).validationHookCount == 0;
    }
}
