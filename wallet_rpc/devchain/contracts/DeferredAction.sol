// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {AccountStorage} from "./AccountStorage.sol";
import {PostHook} from "./Execution.sol";
import {ValidationKey, ValidationKeys} from "./Packing.sol";
import {Reach} from "./Permissions.sol";
import {Signatures} from "./Signatures.sol";
import {SignatureValidation} from "./SignatureValidation.sol";

/// A deferred action is a call of the account to itself, authorized by an earlier signature and carried by a
/// later operation in front of that operation's own signature:
/// `length u32 | locator(21) | deadline u48 | call | length u32 | authorizing signature | rest`.
abstract contract DeferredAction is SignatureValidation {
    bytes32 private constant DEFERRED_ACTION_TYPE =
        keccak256("DeferredAction(uint256 nonce,uint48 deadline,bytes call)");

    /// Checks and runs the action. Every error reverts: a wrong signature here is not "signature failed".
    /// EntryPoint checks the deadline. The action is bound to one nonce, so it can run only once.
    function _performDeferredAction(uint256 nonce, bytes calldata signature)
        internal
        returns (uint48 deadline, bytes calldata rest)
    {
        bytes calldata encoded;
        bytes calldata authorization;
        (encoded, signature) = _takeSized(signature);
        (authorization, rest) = _takeSized(signature);

        uint168 locator = uint168(bytes21(encoded[:21]));
        ValidationKey key = ValidationKeys.fromLocator(locator);
        if (AccountStorage.validation(key).validationHookCount != 0) {
            revert DeferredValidationHasValidationHooks();
        }
        deadline = uint48(bytes6(encoded[21:27]));
        bytes calldata action = encoded[27:];
        bool isGlobal = uint8(locator) & ValidationKeys.GLOBAL != 0;
        _requireApplicable(action, key, isGlobal ? Reach.GLOBAL : Reach.SELECTORS);
        if (!_isSigned(key, _deferredActionDigest(nonce, deadline, action), authorization)) {
            revert DeferredActionSignatureInvalid();
        }
        PostHook[] memory postHooks = _runPreHooks(key, msg.sender, 0, action);
        _call(address(this), 0, action);
        _runPostHooks(postHooks);
    }

    function _takeSized(bytes calldata source) private pure returns (bytes calldata part, bytes calldata rest) {
        uint256 end = 4 + uint256(uint32(bytes4(source[:4])));
        return (source[4:end], source[end:]);
    }

    /// Returns the EIP-712 digest itself, without the replay-safe wrapping.
    function _deferredActionDigest(uint256 nonce, uint48 deadline, bytes calldata action)
        private
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(abi.encode(DEFERRED_ACTION_TYPE, nonce, deadline, keccak256(action)));
        return Signatures.typedData(_domainSeparator(), structHash);
    }
}
