// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SignatureValidationInvalid} from "./AccountErrors.sol";
import {AccountStorage} from "./AccountStorage.sol";
import {Execution} from "./Execution.sol";
import {IERC1271} from "./Interfaces.sol";
import {ModuleCalls} from "./ModuleCalls.sol";
import {Packing, ValidationKey, ValidationKeys} from "./Packing.sol";
import {Segments} from "./Segments.sol";
import {Signatures} from "./Signatures.sol";

/// Validates signatures of the account as a contract, ERC-1271.
abstract contract SignatureValidation is Execution {
    using Segments for bytes;

    bytes4 internal constant SIGNATURE_VALID = IERC1271.isValidSignature.selector;
    bytes4 internal constant SIGNATURE_INVALID = 0xffffffff;

    /// A wrong signature is a return value; a malformed one, or a validation that may not sign, is a revert.
    function _isValidSignature(bytes32 hash, bytes calldata signature) internal view virtual returns (bytes4) {
        ValidationKey key;
        (key,, signature) = ValidationKeys.fromSignature(signature);
        bytes25[] memory hooks = AccountStorage.validation(key).validationHooks.hooks();
        for (uint256 i; i < hooks.length; ++i) {
            bytes calldata segment;
            (segment, signature) = signature.take(i);
            ModuleCalls.signatureHook(bytes24(hooks[i]), hash, segment);
        }
        signature = signature.takeFinal();
        bytes32 digest = key.isFallback() ? Signatures.replaySafe(_domainSeparator(), hash) : hash;
        return _isSigned(key, digest, signature) ? SIGNATURE_VALID : SIGNATURE_INVALID;
    }

    /// Modules bind the digest to the account themselves, so they receive it unchanged.
    function _isSigned(ValidationKey key, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        if (key.isFallback()) return _isSignedByOwner(digest, signature);
        bytes24 moduleEntity = _moduleEntity(key);
        if (AccountStorage.validation(key).flags & Packing.VALIDATION_SIGNATURE == 0) {
            revert SignatureValidationInvalid(moduleEntity);
        }
        return ModuleCalls.validateSignature(moduleEntity, digest, signature) == SIGNATURE_VALID;
    }

    /// Returns the direct caller's own address, or the installed module, which is 0 when there is none.
    function _moduleEntity(ValidationKey key) internal view returns (bytes24) {
        address module = key.isDirectCall() ? key.directCaller() : AccountStorage.validation(key).module;
        return Packing.pack(module, key.entityOf());
    }
}
