// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {
    IERC165,
    IExecutionHookModule,
    IModule,
    IValidationHookModule,
    PackedUserOperation
} from "./Interfaces.sol";

error UnexpectedDataPassed();
error NotImplemented();

/// A module is a singleton without owner and without ether. It stores rows per account, with the account as the
/// innermost key (ERC-7562 lets an account access those during validation); msg.sender writes its own rows.
abstract contract Module is IModule, IERC165 {
    function supportsInterface(bytes4 interfaceId) public view virtual returns (bool) {
        return interfaceId == type(IERC165).interfaceId || interfaceId == type(IModule).interfaceId;
    }
}

/// A module that can be a validation hook. No module here reads a signature segment, so none may be given.
abstract contract ValidationHookModule is Module, IValidationHookModule {
    modifier withoutSegment(PackedUserOperation calldata op) {
        if (op.signature.length != 0) revert UnexpectedDataPassed();
        _;
    }

    function preSignatureValidationHook(uint32, address, bytes32, bytes calldata) external pure {}

    function supportsInterface(bytes4 interfaceId) public view virtual override returns (bool) {
        return interfaceId == type(IValidationHookModule).interfaceId || super.supportsInterface(interfaceId);
    }
}

/// A module that can be a validation hook and a pre execution hook, but not a post execution hook.
abstract contract LimitModule is ValidationHookModule, IExecutionHookModule {
    function postExecutionHook(uint32, bytes calldata) external pure {
        revert NotImplemented();
    }

    function supportsInterface(bytes4 interfaceId) public view virtual override returns (bool) {
        return interfaceId == type(IExecutionHookModule).interfaceId || super.supportsInterface(interfaceId);
    }
}
