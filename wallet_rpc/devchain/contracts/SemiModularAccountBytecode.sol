// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {UnauthorizedCallContext, UpgradeFailed} from "./AccountErrors.sol";
import {SEMI_MODULAR_ACCOUNT_BYTECODE} from "./Addresses.sol";
import {IAccount} from "./IAccount.sol";
import {SemiModularAccount} from "./SemiModularAccount.sol";

/// The account behind a proxy whose code ends in its owner's address. It needs no initializer.
contract SemiModularAccountBytecode is SemiModularAccount {
    /// Offset of the owner in the code of the proxy.
    uint256 private constant OWNER_OFFSET = 61;

    event Upgraded(address indexed implementation);

    /// Through a proxy only; the caller is checked after that.
    modifier onlyProxy() {
        if (address(this) == SEMI_MODULAR_ACCOUNT_BYTECODE) revert UnauthorizedCallContext();
        _;
    }

    function upgradeToAndCall(address implementation, bytes calldata data) external payable onlyProxy wrapped {
        (bool ok, bytes memory answer) = implementation.staticcall(abi.encodeCall(IAccount.proxiableUUID, ()));
        if (!ok || answer.length < 32 || abi.decode(answer, (bytes32)) != IMPLEMENTATION_SLOT) {
            revert UpgradeFailed();
        }
        emit Upgraded(implementation);
        assembly ("memory-safe") {
            sstore(IMPLEMENTATION_SLOT, implementation)
        }
        if (data.length == 0) return;
        (ok,) = implementation.delegatecall(data);
        if (!ok) _bubble();
    }

    /// On the implementation itself only.
    function proxiableUUID() external view returns (bytes32) {
        if (address(this) != SEMI_MODULAR_ACCOUNT_BYTECODE) revert UnauthorizedCallContext();
        return IMPLEMENTATION_SLOT;
    }

    function accountId() external pure returns (string memory) {
        return "alchemy.sma-bytecode.1.0.0";
    }

    /// Code that is too short reads as zero: no owner.
    function _defaultSigner() internal view override returns (address owner) {
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(address(), 12, OWNER_OFFSET, 20)
            owner := mload(0)
        }
    }
}
