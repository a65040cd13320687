// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// A module entity is module(20) | entity id(4); a validation or hook configuration adds one byte of flags.
library Packing {
    uint8 internal constant VALIDATION_USER_OP = 1;
    uint8 internal constant VALIDATION_SIGNATURE = 2;
    uint8 internal constant VALIDATION_GLOBAL = 4;

    uint8 internal constant HOOK_IS_VALIDATION = 1;
    uint8 internal constant HOOK_HAS_POST = 2;
    uint8 internal constant HOOK_HAS_PRE = 4;

    function pack(address module, uint32 entityId) internal pure returns (bytes24) {
        return bytes24(bytes20(module)) | (bytes24(bytes4(entityId)) >> 160);
    }

    function moduleOf(bytes24 moduleEntity) internal pure returns (address) {
        return address(bytes20(moduleEntity));
    }

    function entityOf(bytes24 moduleEntity) internal pure returns (uint32) {
        return uint32(bytes4(moduleEntity << 160));
    }

    function flagsOf(bytes25 config) internal pure returns (uint8) {
        return uint8(config[24]);
    }

    function has(bytes25 config, uint8 flag) internal pure returns (bool) {
        return flagsOf(config) & flag != 0;
    }
}

/// Names one validation: id u160 | flags u8. The flags are 4 when the id is the address of a direct caller
/// (entity ffffffff), and 0 when it is an entity id. The key 0 is the fallback validation of the owner.
type ValidationKey is uint168;

using ValidationKeys for ValidationKey global;

library ValidationKeys {
    uint8 internal constant GLOBAL = 1;
    uint8 internal constant DEFERRED_ACTION = 2;
    uint8 internal constant DIRECT_CALL = 4;
    uint32 internal constant DIRECT_CALL_ENTITY = type(uint32).max;
    ValidationKey internal constant FALLBACK = ValidationKey.wrap(0);

    /// A locator is id u160 | options u8; only the direct call option is part of the key.
    /// The id is used as it is: callers that need an entity id must have cut it to 4 bytes.
    function fromLocator(uint168 locator) internal pure returns (ValidationKey) {
        return ValidationKey.wrap(locator & ~uint168(0xff) | (locator & DIRECT_CALL));
    }

    /// The nonce is parallel key u152 | entity id u32 | options u8 | sequence u64, or, with the direct call
    /// option, parallel key u24 | address u160 | options u8 | sequence u64.
    function fromNonce(uint256 nonce) internal pure returns (ValidationKey key, uint8 options) {
        options = uint8(nonce >> 64);
        uint168 locator = uint168(nonce >> 64);
        if (options & DIRECT_CALL == 0) locator &= type(uint40).max;
        key = fromLocator(locator);
    }

    /// Signatures and runtime authorizations begin with options u8 | entity id u32, or, with the direct call
    /// option, options u8 | address u160. Shorter data is an empty revert.
    function fromSignature(bytes calldata signature)
        internal
        pure
        returns (ValidationKey key, uint8 options, bytes calldata rest)
    {
        options = uint8(bytes1(signature[:1]));
        bool isDirect = options & DIRECT_CALL != 0;
        uint256 end = isDirect ? 21 : 5;
        uint160 id = isDirect ? uint160(bytes20(signature[1:end])) : uint32(bytes4(signature[1:end]));
        key = fromLocator(uint168(id) << 8 | options);
        rest = signature[end:];
    }

    /// Installed validations are found by their entity id; only direct call validations by their module.
    function fromModuleEntity(bytes24 moduleEntity) internal pure returns (ValidationKey) {
        uint32 entityId = Packing.entityOf(moduleEntity);
        if (entityId == DIRECT_CALL_ENTITY) return ofDirectCaller(Packing.moduleOf(moduleEntity));
        return ValidationKey.wrap(uint168(entityId) << 8);
    }

    function ofDirectCaller(address caller) internal pure returns (ValidationKey) {
        return ValidationKey.wrap(uint168(uint160(caller)) << 8 | DIRECT_CALL);
    }

    function isFallback(ValidationKey key) internal pure returns (bool) {
        return ValidationKey.unwrap(key) == 0;
    }

    function isDirectCall(ValidationKey key) internal pure returns (bool) {
        return ValidationKey.unwrap(key) & DIRECT_CALL != 0;
    }

    function directCaller(ValidationKey key) internal pure returns (address) {
        return address(uint160(ValidationKey.unwrap(key) >> 8));
    }

    function entityOf(ValidationKey key) internal pure returns (uint32) {
        return isDirectCall(key) ? DIRECT_CALL_ENTITY : uint32(ValidationKey.unwrap(key) >> 8);
    }
}
