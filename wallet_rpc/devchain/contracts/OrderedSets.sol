// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A set that remembers the order of installation, one storage word for each item. Items are selectors or hook
/// configurations, left-aligned; zero can never be one.
struct OrderedSet {
    mapping(bytes32 item => bytes32 older) older; // older[0] is the newest item
}

using OrderedSets for OrderedSet global;

library OrderedSets {
    /// End of the list, after the oldest item. It cannot be an item, because items end in zeros.
    bytes32 private constant END = bytes32(uint256(1));

    /// Returns false when the item exists already, or is zero.
    function add(OrderedSet storage set, bytes32 item) internal returns (bool) {
        if (item == 0 || set.older[item] != 0) return false;
        bytes32 newest = set.older[0];
        set.older[item] = newest == 0 ? END : newest;
        set.older[0] = item;
        return true;
    }

    function contains(OrderedSet storage set, bytes32 item) internal view returns (bool) {
        return item != 0 && set.older[item] != 0;
    }

    /// Hook configurations, oldest first.
    function hooks(OrderedSet storage set) internal view returns (bytes25[] memory configs) {
        bytes32[] memory all = _items(set);
        assembly ("memory-safe") {
            configs := all
        }
    }

    /// Selectors, oldest first.
    function selectors(OrderedSet storage set) internal view returns (bytes4[] memory list) {
        bytes32[] memory all = _items(set);
        assembly ("memory-safe") {
            list := all
        }
    }

    function clear(OrderedSet storage set) internal {
        bytes32 item;
        do {
            bytes32 older = set.older[item];
            delete set.older[item];
            item = older;
        } while (_isItem(item));
    }

    function _items(OrderedSet storage set) private view returns (bytes32[] memory all) {
        uint256 count;
        for (bytes32 item = set.older[0]; _isItem(item); item = set.older[item]) {
            ++count;
        }
        all = new bytes32[](count);
        for (bytes32 item = set.older[0]; _isItem(item); item = set.older[item]) {
            all[--count] = item;
        }
    }

    function _isItem(bytes32 word) private pure returns (bool) {
        return word != 0 && word != END;
    }
}
