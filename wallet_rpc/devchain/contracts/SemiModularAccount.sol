// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {AccountStorage, ValidationRecord} from "./AccountStorage.sol";
import {ENTRY_POINT} from "./Addresses.sol";
import {PostHook} from "./Execution.sol";
import {IAccount} from "./IAccount.sol";
import {Installation} from "./Installation.sol";
import {
    Call,
    ExecutionDataView,
    ExecutionManifest,
    IERC165,
    IERC721Receiver,
    IERC1155Receiver,
    IERC1271,
    PackedUserOperation,
    ValidationDataView
} from "./Interfaces.sol";
import {ValidationKey, ValidationKeys} from "./Packing.sol";
import {Validation} from "./Validation.sol";

/// The common part of the two variants: every external function but the upgrade.
abstract contract SemiModularAccount is
    IAccount,
    IERC165,
    IERC721Receiver,
    IERC1155Receiver,
    IERC1271,
    Validation,
    Installation
{
    bytes32 internal constant IMPLEMENTATION_SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    receive() external payable {}

    /// No execution module can be installed, so no other function exists.
    fallback() external payable {
        revert UnrecognizedFunction(msg.sig);
    }

    /// The prefund is sent even when the signature is wrong; the result of the transfer is ignored.
    function validateUserOp(PackedUserOperation calldata op, bytes32 opHash, uint256 missingAccountFunds)
        external
        onlyEntryPoint
        returns (uint256 validationData)
    {
        validationData = _validateUserOp(op, opHash);
        if (missingAccountFunds != 0) {
            assembly ("memory-safe") {
                pop(call(gas(), caller(), missingAccountFunds, 0, 0, 0, 0))
            }
        }
    }

    /// Runs the execution hooks of the operation's validation around the inner call. The hooks receive the
    /// complete calldata of this function. The first four bytes of the operation's callData are ignored.
    function executeUserOp(PackedUserOperation calldata op, bytes32) external onlyEntryPoint {
        (ValidationKey key,) = ValidationKeys.fromNonce(op.nonce);
        PostHook[] memory postHooks = _runPreHooks(key, msg.sender, 0, msg.data);
        _call(address(this), 0, op.callData[4:]);
        _runPostHooks(postHooks);
    }

    function execute(address target, uint256 value, bytes calldata data)
        external
        payable
        wrapped
        returns (bytes memory)
    {
        return _callAndCollect(target, value, data);
    }

    function executeBatch(Call[] calldata calls) external payable wrapped returns (bytes[] memory results) {
        bool isCollecting = msg.sender != ENTRY_POINT;
        if (isCollecting) results = new bytes[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            bytes memory result = _callAndCollect(calls[i].target, calls[i].value, calls[i].data);
            if (isCollecting) results[i] = result;
        }
    }

    /// Anyone may call; the authorization names the validation that checks the caller.
    function executeWithRuntimeValidation(bytes calldata data, bytes calldata authorization)
        external
        payable
        returns (bytes memory result)
    {
        (ValidationKey key, uint8 options, bytes calldata rest) = ValidationKeys.fromSignature(authorization);
        _requireApplicable(data, key, _reachOf(options));
        _validateRuntime(key, data, rest);
        PostHook[] memory postHooks = _runPreHooks(key, msg.sender, msg.value, data);
        _call(address(this), msg.value, data);
        result = _returnData();
        _runPostHooks(postHooks);
    }

    function installValidation(
        bytes25 config,
        bytes4[] calldata selectors,
        bytes calldata installData,
        bytes[] calldata hooks
    ) external wrapped {
        _installValidation(config, selectors, installData, hooks);
    }

    function uninstallValidation(
        bytes24 moduleEntity,
        bytes calldata uninstallData,
        bytes[] calldata hookUninstallData
    ) external wrapped {
        _uninstallValidation(moduleEntity, uninstallData, hookUninstallData);
    }

    function installExecution(address, ExecutionManifest calldata, bytes calldata) external {
        _admit();
        revert NotIncluded(msg.sig);
    }

    function uninstallExecution(address, ExecutionManifest calldata, bytes calldata) external {
        _admit();
        revert NotIncluded(msg.sig);
    }

    /// The revert reason of a failing constructor is dropped.
    function performCreate(uint256 value, bytes calldata initCode, bool isCreate2, bytes32 salt)
        external
        payable
        wrapped
        returns (address created)
    {
        bytes memory code = initCode;
        assembly ("memory-safe") {
            switch isCreate2
            case 0 { created := create(value, add(code, 32), mload(code)) }
            default { created := create2(value, add(code, 32), mload(code), salt) }
        }
        if (created == address(0)) revert CreateFailed();
    }

    function updateFallbackSignerData(address signer, bool isDisabled) external wrapped {
        _setSigner(signer, isDisabled);
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return _isValidSignature(hash, signature);
    }

    /// Works also while the signer is disabled.
    function getFallbackSignerData() external view returns (address signer, bool isDisabled) {
        return (_signer(), _isSignerDisabled());
    }

    function getValidationData(bytes24 moduleEntity) external view returns (ValidationDataView memory) {
        ValidationRecord storage record = AccountStorage.validation(ValidationKeys.fromModuleEntity(moduleEntity));
        return ValidationDataView(
            record.flags,
            record.validationHooks.hooks(),
            record.executionHooks.hooks(),
            record.selectors.selectors()
        );
    }

    /// Only the account's own functions exist, and none of them can have hooks of its own.
    function getExecutionData(bytes4 selector) external view returns (ExecutionDataView memory) {
        bytes25[] memory none;
        if (!_isNative(selector)) return ExecutionDataView(address(0), false, false, none);
        bool isGlobal = _isGloballyAllowed(selector);
        return ExecutionDataView(address(this), !isGlobal, isGlobal, none);
    }

    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IERC721Receiver).interfaceId
            || interfaceId == type(IERC1155Receiver).interfaceId;
    }

    function entryPoint() external pure returns (address) {
        return ENTRY_POINT;
    }

    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return IERC721Receiver.onERC721Received.selector;
    }

    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external pure returns (bytes4) {
        return IERC1155Receiver.onERC1155Received.selector;
    }

    function onERC1155BatchReceived(address, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        return IERC1155Receiver.onERC1155BatchReceived.selector;
    }
}
