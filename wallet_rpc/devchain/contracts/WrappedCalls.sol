// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccount} from "./IAccount.sol";
import {PackedUserOperation} from "./Interfaces.sol";

/// Looks through executeUserOp: an execution hook receives its calldata as a whole.
library WrappedCalls {
    /// Returns the called function and its arguments: of the operation inside executeUserOp, else of the data itself.
    function unwrap(bytes calldata data) internal pure returns (bytes4 selector, bytes memory arguments) {
        selector = bytes4(data[:4]);
        if (selector != IAccount.executeUserOp.selector) return (selector, data[4:]);
        (PackedUserOperation memory op,) = abi.decode(data[4:], (PackedUserOperation, bytes32));
        return _split(op.callData);
    }

    /// callData is `executeUserOp selector(4) | selector(4) | arguments`; missing bytes read as zero. The arguments
    /// stay in memory, and the bytes before them are overwritten.
    function _split(bytes memory callData) private pure returns (bytes4 selector, bytes memory arguments) {
        selector = bytes4(bytes8(callData) << 32);
        uint256 length = callData.length;
        if (length <= 8) return (selector, "");
        assembly ("memory-safe") {
            arguments := add(callData, 8)
            mstore(arguments, sub(length, 8))
        }
    }
}
