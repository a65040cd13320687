// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {NotEntryPoint} from "./AccountErrors.sol";
import {AccountStorage} from "./AccountStorage.sol";
import {ENTRY_POINT} from "./Addresses.sol";
import {ModuleCalls} from "./ModuleCalls.sol";
import {Packing, ValidationKey, ValidationKeys} from "./Packing.sol";
import {Permissions, Reach} from "./Permissions.sol";

/// A post hook that must run, fixed before the call that it follows.
struct PostHook {
    bytes24 hook;
    bytes preHookData;
}

/// Runs calls, and the execution hooks around them.
abstract contract Execution is Permissions {
    using Packing for bytes25;

    /// Access control of functions that change the account.
    modifier wrapped() {
        PostHook[] memory postHooks = _admit();
        _;
        _runPostHooks(postHooks);
    }

    modifier onlyEntryPoint() {
        if (msg.sender != ENTRY_POINT) revert NotEntryPoint();
        _;
    }

    /// Accepts EntryPoint (validateUserOp has checked the operation) and the account itself. Any other caller needs a
    /// direct call validation for its address, whose hooks may reject the call.
    function _admit() internal returns (PostHook[] memory postHooks) {
        bool isTrusted = msg.sender == ENTRY_POINT || msg.sender == address(this);
        return isTrusted ? postHooks : _admitDirectCaller();
    }

    /// Runs pre hooks in installation order. Returns the post hooks, in installation order too.
    function _runPreHooks(ValidationKey key, address sender, uint256 value, bytes calldata data)
        internal
        returns (PostHook[] memory postHooks)
    {
        bytes25[] memory hooks = AccountStorage.validation(key).executionHooks.hooks();
        postHooks = new PostHook[](hooks.length);
        uint256 count;
        for (uint256 i; i < hooks.length; ++i) {
            bytes24 hook = bytes24(hooks[i]);
            bytes memory preHookData;
            if (hooks[i].has(Packing.HOOK_HAS_PRE)) {
                preHookData = ModuleCalls.preExecutionHook(hook, sender, value, data);
            }
            if (hooks[i].has(Packing.HOOK_HAS_POST)) postHooks[count++] = PostHook(hook, preHookData);
        }
        assembly ("memory-safe") {
            mstore(postHooks, count)
        }
    }

    /// Runs post hooks, newest installed first.
    function _runPostHooks(PostHook[] memory postHooks) internal {
        for (uint256 i = postHooks.length; i > 0; --i) {
            ModuleCalls.postExecutionHook(postHooks[i - 1].hook, postHooks[i - 1].preHookData);
        }
    }

    /// Calls, and bubbles up a revert unchanged. Does not check that the target has code.
    function _call(address target, uint256 value, bytes calldata data) internal {
        (bool ok,) = target.call{value: value}(data);
        if (!ok) _bubble();
    }

    /// EntryPoint ignores the return data, so it is not collected for it.
    function _callAndCollect(address target, uint256 value, bytes calldata data) internal returns (bytes memory) {
        _call(target, value, data);
        return msg.sender == ENTRY_POINT ? bytes("") : _returnData();
    }

    function _bubble() internal pure {
        assembly ("memory-safe") {
            let free := mload(0x40)
            returndatacopy(free, 0, returndatasize())
            revert(free, returndatasize())
        }
    }

    /// Returns the return data of the latest call.
    function _returnData() internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            mstore(data, returndatasize())
            returndatacopy(add(data, 32), 0, returndatasize())
            mstore(0x40, and(add(add(data, returndatasize()), 63), not(31)))
        }
    }

    /// Handles a direct call: the hooks of the caller's own validation decide, without a validation module.
    function _admitDirectCaller() private returns (PostHook[] memory) {
        ValidationKey key = ValidationKeys.ofDirectCaller(msg.sender);
        _requireApplicable(msg.data, key, Reach.EITHER);
        bytes25[] memory hooks = AccountStorage.validation(key).validationHooks.hooks();
        for (uint256 i; i < hooks.length; ++i) {
            ModuleCalls.runtimeHook(bytes24(hooks[i]), msg.data, msg.data[:0]);
        }
        return _runPreHooks(key, msg.sender, msg.value, msg.data);
    }
}
