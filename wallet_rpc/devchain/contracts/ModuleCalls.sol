// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {
    IExecutionHookModule,
    IValidationHookModule,
    IValidationModule,
    PackedUserOperation
} from "./Interfaces.sol";
import {Packing} from "./Packing.sol";

/// Calls of the account to its modules. A failure is wrapped with the called entity and the complete return
/// data, also when the call succeeded but its return data is malformed.
library ModuleCalls {
    using Packing for bytes24;

    /// More gas than available, so a call gets all that EIP-150 allows. With an explicit amount the code has no GAS,
    /// which ERC-7562 allows only right before a call; the compiler may put an instruction between the two.
    uint256 private constant ALL_GAS = type(uint256).max;

    /// A hook without code fails here, because it returns nothing.
    function userOpHook(bytes24 hook, PackedUserOperation memory op, bytes32 opHash) internal returns (uint256) {
        (bool ok, bytes memory answer) = hook.moduleOf().call{gas: ALL_GAS}(
            abi.encodeCall(IValidationHookModule.preUserOpValidationHook, (hook.entityOf(), op, opHash))
        );
        if (!ok || answer.length < 32) revert PreUserOpValidationHookReverted(hook, answer);
        return abi.decode(answer, (uint256));
    }

    function validateUserOp(bytes24 validation, PackedUserOperation memory op, bytes32 opHash)
        internal
        returns (uint256)
    {
        (bool ok, bytes memory answer) = validation.moduleOf().call(
            abi.encodeCall(IValidationModule.validateUserOp, (validation.entityOf(), op, opHash))
        );
        if (!ok || answer.length < 32) revert UserOpValidationFunctionReverted(validation, answer);
        return abi.decode(answer, (uint256));
    }

    /// No return data is needed, so a hook without code passes.
    function runtimeHook(bytes24 hook, bytes calldata data, bytes calldata authorization) internal {
        (bool ok, bytes memory answer) = hook.moduleOf().call(
            abi.encodeCall(
                IValidationHookModule.preRuntimeValidationHook,
                (hook.entityOf(), msg.sender, msg.value, data, authorization)
            )
        );
        if (!ok) revert PreRuntimeValidationHookReverted(hook, answer);
    }

    /// A module without code is an empty revert.
    function validateRuntime(bytes24 validation, bytes calldata data, bytes calldata authorization) internal {
        address module = validation.moduleOf();
        if (module.code.length == 0) revert();
        (bool ok, bytes memory answer) = module.call(
            abi.encodeCall(
                IValidationModule.validateRuntime,
                (address(this), validation.entityOf(), msg.sender, msg.value, data, authorization)
            )
        );
        if (!ok) revert RuntimeValidationFunctionReverted(validation, answer);
    }

    function signatureHook(bytes24 hook, bytes32 hash, bytes calldata signature) internal view {
        (bool ok, bytes memory answer) = hook.moduleOf().staticcall(
            abi.encodeCall(
                IValidationHookModule.preSignatureValidationHook, (hook.entityOf(), msg.sender, hash, signature)
            )
        );
        if (!ok) revert PreSignatureValidationHookReverted(hook, answer);
    }

    /// Return data below 4 bytes is an empty revert of the decoder.
    function validateSignature(bytes24 validation, bytes32 hash, bytes calldata signature)
        internal
        view
        returns (bytes4)
    {
        (bool ok, bytes memory answer) = validation.moduleOf().staticcall(
            abi.encodeCall(
                IValidationModule.validateSignature,
                (address(this), validation.entityOf(), msg.sender, hash, signature)
            )
        );
        if (!ok || answer.length < 32) revert SignatureValidationFunctionReverted(validation, answer);
        return abi.decode(answer, (bytes4));
    }

    /// The return data must be one canonically encoded `bytes`.
    function preExecutionHook(bytes24 hook, address sender, uint256 value, bytes calldata data)
        internal
        returns (bytes memory)
    {
        (bool ok, bytes memory answer) = hook.moduleOf().call(
            abi.encodeCall(IExecutionHookModule.preExecutionHook, (hook.entityOf(), sender, value, data))
        );
        if (!ok || !_isCanonicalBytes(answer)) revert PreExecHookReverted(hook, answer);
        return abi.decode(answer, (bytes));
    }

    function postExecutionHook(bytes24 hook, bytes memory preHookData) internal {
        (bool ok, bytes memory answer) = hook.moduleOf().call(
            abi.encodeCall(IExecutionHookModule.postExecutionHook, (hook.entityOf(), preHookData))
        );
        if (!ok) revert PostExecHookReverted(hook, answer);
    }

    function _isCanonicalBytes(bytes memory answer) private pure returns (bool) {
        if (answer.length < 64) return false;
        (uint256 offset, uint256 length) = abi.decode(answer, (uint256, uint256));
        return offset == 32 && length <= answer.length - 64;
    }
}
