// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// Reads the argument of executeBatch, abi((address target, uint256 value, bytes data)[]), from raw calldata
/// without copying it. Only the parts that are read are checked, against the end of the arguments. Data out of
/// bounds, and bits above an address, cause an empty revert.
library Batches {
    uint256 private constant ELEMENT_HEAD = 96;

    /// Returns the number of elements, and the list of offsets to them.
    function open(bytes calldata arguments) internal pure returns (uint256 count, bytes calldata elements) {
        bytes calldata list = _follow(arguments, 0);
        count = uint256(bytes32(list[:32]));
        elements = list[32:];
        if (count > elements.length / 32) revert();
    }

    /// Returns the target of one element, and the element for `dataOf`.
    function elementAt(bytes calldata elements, uint256 index)
        internal
        pure
        returns (address target, bytes calldata element)
    {
        element = _follow(elements, index * 32);
        uint256 word = uint256(bytes32(element[:ELEMENT_HEAD]));
        if (word > type(uint160).max) revert();
        target = address(uint160(word));
    }

    function dataOf(bytes calldata element) internal pure returns (bytes calldata) {
        bytes calldata sized = _follow(element, 64);
        uint256 length = uint256(bytes32(sized[:32]));
        return sized[32:][:length];
    }

    /// Follows the offset at `position`, counted from the start of `source`.
    function _follow(bytes calldata source, uint256 position) private pure returns (bytes calldata) {
        return source[uint256(bytes32(source[position:position + 32])):];
    }
}
