// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {PackedUserOperation} from "./Interfaces.sol";
import {ValidationHookModule} from "./Module.sol";
import {ValidationData} from "./ValidationData.sol";

/// Limits the time in which a validation is valid. Both ends belong to the range.
contract TimeRangeModule is ValidationHookModule {
    struct TimeRange {
        uint48 validUntil;
        uint48 validAfter;
    }

    mapping(uint32 entityId => mapping(address account => TimeRange)) public timeRanges;

    event TimeRangeSet(uint32 indexed entityId, address indexed account, uint48 validUntil, uint48 validAfter);

    error TimeRangeNotValid();

    /// data: abi(uint32 entityId, uint48 validUntil, uint48 validAfter)
    function onInstall(bytes calldata data) external {
        (uint32 entityId, uint48 validUntil, uint48 validAfter) = abi.decode(data, (uint32, uint48, uint48));
        setTimeRange(entityId, validUntil, validAfter);
    }

    /// data: abi(uint32 entityId). No event.
    function onUninstall(bytes calldata data) external {
        delete timeRanges[abi.decode(data, (uint32))][msg.sender];
    }

    /// Returns the range for EntryPoint to check. No row means no limit.
    function preUserOpValidationHook(uint32 entityId, PackedUserOperation calldata op, bytes32)
        external
        view
        withoutSegment(op)
        returns (uint256)
    {
        TimeRange memory range = timeRanges[entityId][msg.sender];
        return ValidationData.pack(0, range.validUntil, range.validAfter);
    }

    /// Without a row every call is rejected.
    function preRuntimeValidationHook(uint32 entityId, address, uint256, bytes calldata, bytes calldata)
        external
        view
    {
        TimeRange memory range = timeRanges[entityId][msg.sender];
        if (block.timestamp > range.validUntil || block.timestamp < range.validAfter) revert TimeRangeNotValid();
    }

    function moduleId() external pure returns (string memory) {
        return "alchemy.time-range-module.1.0.0";
    }

    /// A start without an end is stored with the latest possible end.
    function setTimeRange(uint32 entityId, uint48 validUntil, uint48 validAfter) public {
        if (validUntil == 0 && validAfter != 0) validUntil = type(uint48).max;
        else if (validUntil <= validAfter) revert TimeRangeNotValid();
        timeRanges[entityId][msg.sender] = TimeRange(validUntil, validAfter);
        emit TimeRangeSet(entityId, msg.sender, validUntil, validAfter);
    }
}
