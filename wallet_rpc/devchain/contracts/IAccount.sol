// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Call, ExecutionDataView, ExecutionManifest, PackedUserOperation, ValidationDataView} from "./Interfaces.sol";

/// The functions of an account besides the token receivers, ERC-1271 and ERC-165.
interface IAccount {
    function validateUserOp(PackedUserOperation calldata op, bytes32 opHash, uint256 missingAccountFunds)
        external
        returns (uint256 validationData);
    function execute(address target, uint256 value, bytes calldata data) external payable returns (bytes memory);
    function executeBatch(Call[] calldata calls) external payable returns (bytes[] memory);
    function executeUserOp(PackedUserOperation calldata op, bytes32 opHash) external;
    function executeWithRuntimeValidation(bytes calldata data, bytes calldata authorization)
        external
        payable
        returns (bytes memory);
    function installValidation(
        bytes25 config,
        bytes4[] calldata selectors,
        bytes calldata installData,
        bytes[] calldata hooks
    ) external;
    function uninstallValidation(
        bytes24 moduleEntity,
        bytes calldata uninstallData,
        bytes[] calldata hookUninstallData
    ) external;
    function installExecution(address module, ExecutionManifest calldata manifest, bytes calldata installData)
        external;
    function uninstallExecution(address module, ExecutionManifest calldata manifest, bytes calldata uninstallData)
        external;
    function performCreate(uint256 value, bytes calldata initCode, bool isCreate2, bytes32 salt)
        external
        payable
        returns (address);
    function upgradeToAndCall(address implementation, bytes calldata data) external payable;
    function proxiableUUID() external view returns (bytes32);
    function updateFallbackSignerData(address signer, bool isDisabled) external;
    function getFallbackSignerData() external view returns (address signer, bool isDisabled);
    function getValidationData(bytes24 moduleEntity) external view returns (ValidationDataView memory);
    function getExecutionData(bytes4 selector) external view returns (ExecutionDataView memory);
    function entryPoint() external view returns (address);
    function accountId() external view returns (string memory);
}
