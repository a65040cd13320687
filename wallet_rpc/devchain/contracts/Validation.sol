// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {AccountStorage, ValidationRecord} from "./AccountStorage.sol";
import {DeferredAction} from "./DeferredAction.sol";
import {PackedUserOperation} from "./Interfaces.sol";
import {ModuleCalls} from "./ModuleCalls.sol";
import {Packing, ValidationKey, ValidationKeys} from "./Packing.sol";
import {Reach} from "./Permissions.sol";
import {Segments} from "./Segments.sol";
import {Signatures} from "./Signatures.sol";
import {ValidationData} from "./ValidationData.sol";

/// Validates operations and runtime authorizations.
abstract contract Validation is DeferredAction {
    using Segments for bytes;

    /// Returns the validation data for EntryPoint. The order is part of the behaviour: deferred action, permission,
    /// wrapping, hooks, final signature.
    function _validateUserOp(PackedUserOperation calldata op, bytes32 opHash) internal returns (uint256 result) {
        (ValidationKey key, uint8 options) = ValidationKeys.fromNonce(op.nonce);
        bytes calldata signature = op.signature;
        uint48 deadline;
        if (options & ValidationKeys.DEFERRED_ACTION != 0) {
            (deadline, signature) = _performDeferredAction(op.nonce, signature);
        }
        _requireApplicable(op.callData, key, _reachOf(options));
        ValidationRecord storage record = AccountStorage.validation(key);
        if (record.executionHookCount != 0 && bytes4(op.callData) != EXECUTE_USER_OP) {
            revert RequireUserOperationContext();
        }
        result = _validateWithHooks(key, op, opHash, signature);
        if (deadline != 0) {
            result = ValidationData.merge(uint160(result), result, ValidationData.pack(0, deadline, 0));
        }
    }

    /// Hooks in installation order, each with its own segment, then the caller's authorization.
    function _validateRuntime(ValidationKey key, bytes calldata data, bytes calldata authorization) internal {
        bytes25[] memory hooks = AccountStorage.validation(key).validationHooks.hooks();
        for (uint256 i; i < hooks.length; ++i) {
            bytes calldata segment;
            (segment, authorization) = authorization.take(i);
            ModuleCalls.runtimeHook(bytes24(hooks[i]), data, segment);
        }
        authorization = authorization.takeFinal();
        if (key.isFallback()) _requireCallByOwner();
        else ModuleCalls.validateRuntime(_moduleEntity(key), data, authorization);
    }

    function _reachOf(uint8 options) internal pure returns (Reach) {
        return options & ValidationKeys.GLOBAL != 0 ? Reach.GLOBAL : Reach.SELECTORS;
    }

    /// The hooks' times and failures are merged into the validation data. Without hooks it stays unchanged.
    function _validateWithHooks(
        ValidationKey key,
        PackedUserOperation calldata op,
        bytes32 opHash,
        bytes calldata signature
    ) private returns (uint256) {
        bytes25[] memory hooks = AccountStorage.validation(key).validationHooks.hooks();
        if (hooks.length == 0 && key.isFallback()) return _askOwner(opHash, signature.takeFinal());
        PackedUserOperation memory shown = _copy(op);
        uint256 hookData;
        for (uint256 i; i < hooks.length; ++i) {
            bytes calldata segment;
            (segment, signature) = signature.take(i);
            shown.signature = segment;
            hookData = _runUserOpHook(bytes24(hooks[i]), shown, opHash, hookData);
        }
        signature = signature.takeFinal();
        shown.signature = signature;
        uint256 answer = key.isFallback() ? _askOwner(opHash, signature) : _askModule(key, shown, opHash);
        return hooks.length == 0 ? answer : _withHookData(hookData, answer);
    }

    /// Hooks and modules receive the operation with their own part of the signature only. It is copied field by
    /// field, because malformed data is then an empty revert.
    function _copy(PackedUserOperation calldata op) private pure returns (PackedUserOperation memory) {
        return PackedUserOperation({
            sender: op.sender,
            nonce: op.nonce,
            initCode: op.initCode,
            callData: op.callData,
            accountGasLimits: op.accountGasLimits,
            preVerificationGas: op.preVerificationGas,
            gasFees: op.gasFees,
            paymasterAndData: op.paymasterAndData,
            signature: ""
        });
    }

    /// A hook may return "failed" but no aggregator. A failure is recorded, and later hooks still run.
    function _runUserOpHook(bytes24 hook, PackedUserOperation memory op, bytes32 opHash, uint256 earlier)
        private
        returns (uint256)
    {
        uint256 answer = ModuleCalls.userOpHook(hook, op, opHash);
        uint160 authorizer = uint160(answer);
        if (authorizer > ValidationData.SIGNATURE_FAILED) revert UnexpectedAggregator(hook, address(authorizer));
        return ValidationData.merge(authorizer | uint160(earlier), answer, earlier);
    }

    function _withHookData(uint256 hookData, uint256 answer) private pure returns (uint256) {
        uint160 failed = uint160(hookData);
        return ValidationData.merge(failed == 0 ? uint160(answer) : failed, hookData, answer);
    }

    function _askOwner(bytes32 opHash, bytes calldata signature) private view returns (uint256) {
        bool isSigned = _isSignedByOwner(Signatures.personalMessage(opHash), signature);
        return isSigned ? 0 : ValidationData.SIGNATURE_FAILED;
    }

    function _askModule(ValidationKey key, PackedUserOperation memory op, bytes32 opHash)
        private
        returns (uint256)
    {
        bytes24 moduleEntity = _moduleEntity(key);
        if (AccountStorage.validation(key).flags & Packing.VALIDATION_USER_OP == 0) {
            revert UserOpValidationInvalid(moduleEntity);
        }
        return ModuleCalls.validateUserOp(moduleEntity, op, opHash);
    }
}
