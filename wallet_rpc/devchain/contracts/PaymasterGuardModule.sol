// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {PackedUserOperation} from "./Interfaces.sol";
import {ValidationHookModule} from "./Module.sol";

/// Allows one paymaster only, and requires it. Without a row no paymaster is allowed.
contract PaymasterGuardModule is ValidationHookModule {
    mapping(uint32 entityId => mapping(address account => address)) public paymasters;

    error BadPaymasterSpecified();
    error InvalidPaymaster();

    /// data: abi(uint32 entityId, address paymaster)
    function onInstall(bytes calldata data) external {
        (uint32 entityId, address paymaster) = abi.decode(data, (uint32, address));
        if (paymaster == address(0)) revert InvalidPaymaster();
        paymasters[entityId][msg.sender] = paymaster;
    }

    /// data: abi(uint32 entityId)
    function onUninstall(bytes calldata data) external {
        delete paymasters[abi.decode(data, (uint32))][msg.sender];
    }

    /// An operation without paymaster is an empty revert.
    function preUserOpValidationHook(uint32 entityId, PackedUserOperation calldata op, bytes32)
        external
        view
        withoutSegment(op)
        returns (uint256)
    {
        address paymaster = address(bytes20(op.paymasterAndData[:20]));
        if (paymaster == address(0)) revert InvalidPaymaster();
        if (paymaster != paymasters[entityId][msg.sender]) revert BadPaymasterSpecified();
        return 0;
    }

    function preRuntimeValidationHook(uint32, address, uint256, bytes calldata, bytes calldata) external pure {}

    function moduleId() external pure returns (string memory) {
        return "alchemy.paymaster-guard-module.1.0.0";
    }
}
