// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {OrderedSet} from "./OrderedSets.sol";
import {ValidationKey} from "./Packing.sol";

/// One validation as installed. The counts are those of the sets, at hand in the first word.
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

/// The two namespaces of an account. They are at the places that production uses, so that they never meet
/// storage of anything else; what is inside the first one is laid out in our own way.
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
