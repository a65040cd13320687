// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {NonCanonicalEncoding, SegmentOutOfOrder, ValidationSignatureSegmentMissing} from "./AccountErrors.sol";

/// A signature is split into one optional segment per validation hook, `index u8 | length u32 | data`, and a
/// final one, `ff | data`. Indexes are positions of the hooks in installation order and must rise.
library Segments {
    uint8 internal constant FINAL = 0xff;

    /// Returns the segment of hook `index`, empty when there is none, and the rest.
    /// Nothing left is Panic(0x32); header or data beyond the end is an empty revert; a length that does not
    /// fit into 32 bits together with its header is Panic(0x11).
    function take(bytes calldata source, uint256 index)
        internal
        pure
        returns (bytes calldata segment, bytes calldata rest)
    {
        uint8 tag = uint8(source[0]);
        if (tag < index) revert SegmentOutOfOrder();
        if (tag > index) return (source[:0], source);
        uint32 length = uint32(bytes4(source[1:5]));
        if (length == 0) revert NonCanonicalEncoding();
        uint32 end = length + 5;
        return (source[5:end], source[end:]);
    }

    /// Returns the data of the final segment. A segment that no hook consumed is an error here.
    function takeFinal(bytes calldata source) internal pure returns (bytes calldata) {
        if (uint8(source[0]) != FINAL) revert ValidationSignatureSegmentMissing();
        return source[1:];
    }
}
