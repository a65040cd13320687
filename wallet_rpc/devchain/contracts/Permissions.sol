// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {AccountStorage} from "./AccountStorage.sol";
import {Batches} from "./Batches.sol";
import {FallbackSigner} from "./FallbackSigner.sol";
import {IAccount} from "./IAccount.sol";
import {IERC165, IERC721Receiver, IERC1155Receiver, IERC1271} from "./Interfaces.sol";
import {Packing, ValidationKey} from "./Packing.sol";

/// The source of a validation's right to a function.
enum Reach {
    SELECTORS, // the function is in the validation's list
    GLOBAL, // the validation is global and the function is open to global validations
    EITHER
}

/// Rules about which validation may be used for which call.
abstract contract Permissions is FallbackSigner {
    bytes4 internal constant EXECUTE_USER_OP = IAccount.executeUserOp.selector;

    /// Checks that this validation may be used for this call. One leading executeUserOp selector is removed
    /// first, and the rest is read as a plain call, never as the arguments of executeUserOp.
    function _requireApplicable(bytes calldata callData, ValidationKey key, Reach reach) internal view {
        if (callData.length < 4) revert UnrecognizedFunction(bytes4(callData));
        if (bytes4(callData) == EXECUTE_USER_OP) callData = callData[4:];
        bytes4 selector = bytes4(callData[:4]);
        _requirePermitted(selector, key, reach);
        if (selector == IAccount.execute.selector) {
            _requireOtherTarget(callData[4:]);
        } else if (selector == IAccount.executeBatch.selector) {
            _requirePermittedElements(callData[4:], key, reach);
        }
    }

    /// Functions that a global validation may call; others must be listed by their selector.
    function _isGloballyAllowed(bytes4 selector) internal pure returns (bool) {
        return selector == IAccount.execute.selector || selector == IAccount.executeBatch.selector
            || selector == EXECUTE_USER_OP || selector == IAccount.executeWithRuntimeValidation.selector
            || selector == IAccount.installValidation.selector || selector == IAccount.uninstallValidation.selector
            || selector == IAccount.installExecution.selector || selector == IAccount.uninstallExecution.selector
            || selector == IAccount.performCreate.selector || selector == IAccount.upgradeToAndCall.selector
            || selector == IAccount.updateFallbackSignerData.selector;
    }

    /// Functions of the account itself.
    function _isNative(bytes4 selector) internal pure returns (bool) {
        return _isGloballyAllowed(selector) || selector == IAccount.validateUserOp.selector
            || selector == IAccount.getValidationData.selector || selector == IAccount.getExecutionData.selector
            || selector == IAccount.getFallbackSignerData.selector || selector == IAccount.entryPoint.selector
            || selector == IAccount.accountId.selector || selector == IAccount.proxiableUUID.selector
            || selector == IERC1271.isValidSignature.selector || selector == IERC165.supportsInterface.selector
            || selector == IERC721Receiver.onERC721Received.selector
            || selector == IERC1155Receiver.onERC1155Received.selector
            || selector == IERC1155Receiver.onERC1155BatchReceived.selector;
    }

    /// The target is not bounds checked: truncated arguments pass here and fail in execution. Bits above the
    /// address are ignored.
    function _requireOtherTarget(bytes calldata arguments) private view {
        if (arguments.length < 32) return;
        if (address(uint160(uint256(bytes32(arguments)))) == address(this)) revert SelfCallRecursionDepthExceeded();
    }

    /// Calls of a batch to the account itself need the right to the inner function and may not nest deeper.
    function _requirePermittedElements(bytes calldata arguments, ValidationKey key, Reach reach) private view {
        (uint256 count, bytes calldata elements) = Batches.open(arguments);
        for (uint256 i; i < count; ++i) {
            (address target, bytes calldata element) = Batches.elementAt(elements, i);
            if (target != address(this)) continue;
            bytes4 selector = bytes4(Batches.dataOf(element)[:4]);
            if (selector == IAccount.execute.selector || selector == IAccount.executeBatch.selector) {
                revert SelfCallRecursionDepthExceeded();
            }
            _requirePermitted(selector, key, reach);
        }
    }

    function _requirePermitted(bytes4 selector, ValidationKey key, Reach reach) private view {
        if (reach != Reach.SELECTORS && _isGloballyAllowed(selector) && _isGlobal(key)) return;
        if (reach != Reach.GLOBAL && AccountStorage.validation(key).selectors.contains(selector)) return;
        revert ValidationFunctionMissing(selector);
    }

    /// The owner is global by entity 0, and by the owner's own address while calling and not disabled.
    function _isGlobal(ValidationKey key) private view returns (bool) {
        if (key.isFallback() || AccountStorage.validation(key).flags & Packing.VALIDATION_GLOBAL != 0) return true;
        bool isOwnKey = key.isDirectCall() && key.directCaller() == msg.sender;
        return isOwnKey && msg.sender == _signer() && !_isSignerDisabled();
    }
}
