// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccount} from "./IAccount.sol";
import {Call, PackedUserOperation} from "./Interfaces.sol";
import {LimitModule} from "./Module.sol";
import {WrappedCalls} from "./WrappedCalls.sol";

/// Limits the calls of an account: targets and selectors as a validation hook, spending of ERC-20 tokens as an
/// execution hook. The row of target 0 has the selectors that are allowed on every target without a row.
contract AllowlistModule is LimitModule {
    struct AllowlistInput {
        address target;
        bool hasSelectorAllowlist;
        bool hasERC20SpendLimit;
        uint256 erc20SpendLimit;
        bytes4[] selectors;
    }

    struct AddressAllowlistEntry {
        bool allowed;
        bool hasSelectorAllowlist;
        bool hasERC20SpendLimit;
    }

    bytes4 private constant TRANSFER = 0xa9059cbb;
    bytes4 private constant APPROVE = 0x095ea7b3;

    mapping(uint32 entityId => mapping(address target => mapping(address account => AddressAllowlistEntry))) public
        addressAllowlist;
    mapping(
        uint32 entityId
            => mapping(bytes4 selector => mapping(address target => mapping(address account => bool)))
    ) public selectorAllowlist;
    mapping(uint32 entityId => mapping(address token => mapping(address account => uint256))) public
        erc20SpendLimits;

    event AddressAllowlistUpdated(
        uint32 indexed entityId, address indexed account, address indexed target, AddressAllowlistEntry entry
    );
    event SelectorAllowlistUpdated(
        uint32 indexed entityId, address indexed account, bytes24 indexed targetAndSelector, bool allowed
    );
    event ERC20SpendLimitUpdated(
        uint32 indexed entityId, address indexed account, address indexed token, uint256 newLimit
    );

    error AddressNotAllowed();
    error ERC20NotAllowed(address token);
    error ExceededTokenLimit();
    error InvalidCalldataLength();
    error NoSelectorSpecified();
    error SelectorNotAllowed();
    error SpendingRequestNotAllowed(bytes4 selector);

    /// data: abi(uint32 entityId, AllowlistInput[])
    function onInstall(bytes calldata data) external {
        (uint32 entityId, AllowlistInput[] memory inputs) = abi.decode(data, (uint32, AllowlistInput[]));
        updateAllowlist(entityId, inputs);
    }

    /// data: the same as given to onInstall.
    function onUninstall(bytes calldata data) external {
        (uint32 entityId, AllowlistInput[] memory inputs) = abi.decode(data, (uint32, AllowlistInput[]));
        deleteAllowlist(entityId, inputs);
    }

    function setAddressAllowlist(
        uint32 entityId,
        address target,
        bool allowed,
        bool hasSelectorAllowlist,
        bool hasERC20SpendLimit
    ) external {
        _setAddress(entityId, target, AddressAllowlistEntry(allowed, hasSelectorAllowlist, hasERC20SpendLimit));
    }

    function setSelectorAllowlist(uint32 entityId, address target, bytes4 selector, bool allowed) external {
        _setSelector(entityId, target, selector, allowed);
    }

    /// Does not change whether the token may be called.
    function updateLimits(uint32 entityId, address token, bool hasERC20SpendLimit, uint256 newLimit) external {
        if (token == address(0)) revert ERC20NotAllowed(token);
        addressAllowlist[entityId][token][msg.sender].hasERC20SpendLimit = hasERC20SpendLimit;
        _setLimit(entityId, token, newLimit);
    }

    function preUserOpValidationHook(uint32 entityId, PackedUserOperation calldata op, bytes32)
        external
        view
        withoutSegment(op)
        returns (uint256)
    {
        bytes calldata callData = op.callData;
        if (bytes4(callData) == IAccount.executeUserOp.selector) callData = callData[4:];
        checkAllowlistCalldata(bytes4(callData[:4]), entityId, callData[4:]);
        return 0;
    }

    /// Reads the data as it is, without unwrapping executeUserOp.
    function preRuntimeValidationHook(uint32 entityId, address, uint256, bytes calldata data, bytes calldata)
        external
        view
    {
        checkAllowlistCalldata(bytes4(data[:4]), entityId, data[4:]);
    }

    /// Charges ERC-20 transfers and approvals immediately, so that the calls of a batch add up. A validation with
    /// this hook can call only execute and executeBatch.
    function preExecutionHook(uint32 entityId, address, uint256, bytes calldata data)
        external
        returns (bytes memory)
    {
        (bytes4 selector, bytes memory arguments) = WrappedCalls.unwrap(data);
        if (selector == IAccount.execute.selector) {
            (address target,, bytes memory callData) = abi.decode(arguments, (address, uint256, bytes));
            _charge(entityId, target, callData);
        } else if (selector == IAccount.executeBatch.selector) {
            Call[] memory calls = abi.decode(arguments, (Call[]));
            for (uint256 i; i < calls.length; ++i) {
                _charge(entityId, calls[i].target, calls[i].data);
            }
        } else {
            revert SpendingRequestNotAllowed(selector);
        }
        return "";
    }

    function moduleId() external pure returns (string memory) {
        return "alchemy.allowlist-module.1.0.0";
    }

    /// Overwrites the rows of the given targets; other selector rows stay. The limit is written even without
    /// hasERC20SpendLimit, selectors only with hasSelectorAllowlist.
    function updateAllowlist(uint32 entityId, AllowlistInput[] memory inputs) public {
        for (uint256 i; i < inputs.length; ++i) {
            AllowlistInput memory input = inputs[i];
            bool isWildcard = input.target == address(0);
            if (!isWildcard) {
                _setAddress(
                    entityId,
                    input.target,
                    AddressAllowlistEntry(true, input.hasSelectorAllowlist, input.hasERC20SpendLimit)
                );
                _setLimit(entityId, input.target, input.erc20SpendLimit);
            }
            if (isWildcard || input.hasSelectorAllowlist) {
                _setSelectors(entityId, input.target, input.selectors, true);
            }
        }
    }

    function deleteAllowlist(uint32 entityId, AllowlistInput[] memory inputs) public {
        for (uint256 i; i < inputs.length; ++i) {
            AllowlistInput memory input = inputs[i];
            bool isWildcard = input.target == address(0);
            if (!isWildcard) {
                _setAddress(entityId, input.target, AddressAllowlistEntry(false, false, false));
                _setLimit(entityId, input.target, 0);
            }
            if (isWildcard || input.hasSelectorAllowlist) {
                _setSelectors(entityId, input.target, input.selectors, false);
            }
        }
    }

    /// The check of the validation hook; `arguments` is what follows the selector. Functions other than execute
    /// and executeBatch pass: the validation's own selectors limit those.
    function checkAllowlistCalldata(bytes4 selector, uint32 entityId, bytes calldata arguments) public view {
        if (selector == IAccount.execute.selector) {
            (address target,, bytes memory callData) = abi.decode(arguments, (address, uint256, bytes));
            _requireAllowed(entityId, target, callData);
        } else if (selector == IAccount.executeBatch.selector) {
            Call[] memory calls = abi.decode(arguments, (Call[]));
            for (uint256 i; i < calls.length; ++i) {
                _requireAllowed(entityId, calls[i].target, calls[i].data);
            }
        }
    }

    /// A target with a row never uses the wildcard selectors. Short data is padded with zeros for them.
    function _requireAllowed(uint32 entityId, address target, bytes memory data) private view {
        AddressAllowlistEntry memory entry = addressAllowlist[entityId][target][msg.sender];
        bytes4 selector = bytes4(data);
        if (!entry.allowed) {
            if (!selectorAllowlist[entityId][selector][address(0)][msg.sender]) revert AddressNotAllowed();
            return;
        }
        if (!entry.hasSelectorAllowlist) return;
        if (data.length < 4) revert NoSelectorSpecified();
        if (!selectorAllowlist[entityId][selector][target][msg.sender]) revert SelectorNotAllowed();
    }

    /// Does not check that the token is an allowed target.
    function _charge(uint32 entityId, address token, bytes memory data) private {
        if (!addressAllowlist[entityId][token][msg.sender].hasERC20SpendLimit) return;
        if (data.length < 68) revert InvalidCalldataLength();
        bytes4 selector = bytes4(data);
        if (selector != TRANSFER && selector != APPROVE) revert SelectorNotAllowed();
        uint256 spent;
        assembly ("memory-safe") {
            spent := mload(add(data, 68)) // length(32), selector(4), first argument(32)
        }
        uint256 limit = erc20SpendLimits[entityId][token][msg.sender];
        if (spent > limit) revert ExceededTokenLimit();
        erc20SpendLimits[entityId][token][msg.sender] = limit - spent;
    }

    function _setAddress(uint32 entityId, address target, AddressAllowlistEntry memory entry) private {
        addressAllowlist[entityId][target][msg.sender] = entry;
        emit AddressAllowlistUpdated(entityId, msg.sender, target, entry);
    }

    function _setLimit(uint32 entityId, address token, uint256 newLimit) private {
        erc20SpendLimits[entityId][token][msg.sender] = newLimit;
        emit ERC20SpendLimitUpdated(entityId, msg.sender, token, newLimit);
    }

    function _setSelectors(uint32 entityId, address target, bytes4[] memory selectors, bool allowed) private {
        for (uint256 i; i < selectors.length; ++i) {
            _setSelector(entityId, target, selectors[i], allowed);
        }
    }

    function _setSelector(uint32 entityId, address target, bytes4 selector, bool allowed) private {
        selectorAllowlist[entityId][selector][target][msg.sender] = allowed;
        bytes24 targetAndSelector = bytes24(bytes20(target)) | bytes24(selector) >> 160;
        emit SelectorAllowlistUpdated(entityId, msg.sender, targetAndSelector, allowed);
    }
}
