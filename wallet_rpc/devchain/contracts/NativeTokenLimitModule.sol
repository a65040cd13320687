// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccount} from "./IAccount.sol";
import {Call, PackedUserOperation} from "./Interfaces.sol";
import {LimitModule} from "./Module.sol";
import {WrappedCalls} from "./WrappedCalls.sol";

/// Limits the wei that an account spends: on gas as a validation hook, as value as an execution hook. Both charge
/// the same row when they are installed under the same entity.
contract NativeTokenLimitModule is LimitModule {
    mapping(uint256 entityId => mapping(address account => uint256)) public limits;

    /// Special paymasters: the account finally pays for their gas, so it is charged.
    mapping(address paymaster => mapping(address account => bool)) public specialPaymasters;

    event NativeTokenSpendLimitUpdated(uint32 indexed entityId, address indexed account, uint256 newLimit);
    event SpecialPaymasterUpdated(address indexed account, address indexed paymaster, bool allowed);

    error ExceededNativeTokenLimit();
    error InvalidPaymaster();

    /// data: abi(uint32 entityId, uint256 limit). No event.
    function onInstall(bytes calldata data) external {
        (uint32 entityId, uint256 limit) = abi.decode(data, (uint32, uint256));
        limits[entityId][msg.sender] = limit;
    }

    /// data: abi(uint32 entityId). No event.
    function onUninstall(bytes calldata data) external {
        limits[abi.decode(data, (uint32))][msg.sender] = 0;
    }

    function updateLimits(uint32 entityId, uint256 newLimit) external {
        limits[entityId][msg.sender] = newLimit;
        emit NativeTokenSpendLimitUpdated(entityId, msg.sender, newLimit);
    }

    function updateSpecialPaymaster(address paymaster, bool allowed) external {
        specialPaymasters[paymaster][msg.sender] = allowed;
        emit SpecialPaymasterUpdated(msg.sender, paymaster, allowed);
    }

    /// Charges the maximum cost of the gas. Unused gas and failed calls are not refunded. Gas paid by an
    /// ordinary paymaster is free.
    function preUserOpValidationHook(uint32 entityId, PackedUserOperation calldata op, bytes32)
        external
        withoutSegment(op)
        returns (uint256)
    {
        bytes32 paymasterGasLimits;
        if (op.paymasterAndData.length != 0) {
            address paymaster = address(bytes20(op.paymasterAndData[:20]));
            if (paymaster == address(0)) revert InvalidPaymaster();
            if (!specialPaymasters[paymaster][msg.sender]) return 0;
            paymasterGasLimits = bytes32(op.paymasterAndData[20:52]);
        }
        uint256 gas = op.preVerificationGas + _sum(op.accountGasLimits) + _sum(paymasterGasLimits);
        _charge(entityId, gas * _low(op.gasFees));
        return 0;
    }

    function preRuntimeValidationHook(uint32, address, uint256, bytes calldata, bytes calldata) external pure {}

    /// Charges the value named by the call; value sent with the transaction is ignored.
    function preExecutionHook(uint32 entityId, address, uint256, bytes calldata data)
        external
        returns (bytes memory)
    {
        (bytes4 selector, bytes memory arguments) = WrappedCalls.unwrap(data);
        _charge(entityId, _valueOf(selector, arguments));
        return "";
    }

    function moduleId() external pure returns (string memory) {
        return "alchemy.native-token-limit-module.1.0.0";
    }

    function _valueOf(bytes4 selector, bytes memory arguments) private pure returns (uint256 value) {
        if (selector == IAccount.execute.selector) {
            (, value) = abi.decode(arguments, (address, uint256));
        } else if (selector == IAccount.executeBatch.selector) {
            Call[] memory calls = abi.decode(arguments, (Call[]));
            for (uint256 i; i < calls.length; ++i) {
                value += calls[i].value;
            }
        } else if (selector == IAccount.performCreate.selector) {
            value = abi.decode(arguments, (uint256));
        }
    }

    function _charge(uint32 entityId, uint256 spent) private {
        uint256 limit = limits[entityId][msg.sender];
        if (spent > limit) revert ExceededNativeTokenLimit();
        limits[entityId][msg.sender] = limit - spent;
    }

    /// Returns the sum of both 128-bit halves.
    function _sum(bytes32 packed) private pure returns (uint256) {
        return (uint256(packed) >> 128) + _low(packed);
    }

    function _low(bytes32 packed) private pure returns (uint256) {
        return uint128(uint256(packed));
    }
}
