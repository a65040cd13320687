// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {OrderedSet} from "./OrderedSets.sol";
import {ValidationKey} from "./Packing.sol";

/// One installed validation. The counts are the sizes of its sets, stored in the first word.
struct ValidationRecord {
    address module;
    uint8 flags;
    uint8 validationHookCount;
    uint8 executionHookCount;
    OrderedSet validationHooks;
    OrderedSet executionHooks;
    OrderedSet selectors;
}

struct ModularStorage {
    mapping(ValidationKey key => ValidationRecord) validations;
}

struct FallbackSignerStorage {
    address signer;
    bool isDisabled;
}

/// The two storage namespaces of an account. Their slots are those of production, so they never collide with
/// other storage; the layout inside the first one is this project's own.
library AccountStorage {
    bytes32 private constant MODULAR = 0x596912a710dec01bac203cb0ed2c7e56a2ce6b2a68276967fff6dd57561bdd00;
    bytes32 private constant FALLBACK_SIGNER = 0x5b9dc9aa943f8fa2653ceceda5e3798f0686455280432166ba472eca0bc17a32;

    function validation(ValidationKey key) internal view returns (ValidationRecord storage) {
        ModularStorage storage modular;
        assembly ("memory-safe") {
            modular.slot := MODULAR
        }
        return modular.validations[key];
    }

    function fallbackSigner() internal pure returns (FallbackSignerStorage storage row) {
        assembly ("memory-safe") {
            row.slot := FALLBACK_SIGNER
        }
    }
}
