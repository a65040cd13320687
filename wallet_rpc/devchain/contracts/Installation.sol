// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import "./AccountErrors.sol";
import {AccountStorage, ValidationRecord} from "./AccountStorage.sol";
import {IERC165, IExecutionHookModule, IModule, IValidationHookModule, IValidationModule} from "./Interfaces.sol";
import {Packing, ValidationKey, ValidationKeys} from "./Packing.sol";

/// Installs and removes validations.
abstract contract Installation {
    using Packing for bytes24;
    using Packing for bytes25;

    uint8 private constant HOOK_LIMIT = type(uint8).max;
    uint256 private constant INTERFACE_QUERY_GAS = 30_000;

    event ValidationInstalled(address indexed module, uint32 indexed entityId);
    event ValidationUninstalled(address indexed module, uint32 indexed entityId, bool onUninstallSucceeded);

    /// Adds to an existing validation: flags are overwritten, selectors and hooks are appended. The hooks'
    /// callbacks come before the validation's own.
    function _installValidation(
        bytes25 config,
        bytes4[] calldata selectors,
        bytes calldata installData,
        bytes[] calldata hooks
    ) internal {
        bytes24 moduleEntity = bytes24(config);
        address module = moduleEntity.moduleOf();
        ValidationKey key = ValidationKeys.fromModuleEntity(moduleEntity);
        if (key.isFallback() && module != address(0)) revert FallbackValidationInstallationNotAllowed();
        ValidationRecord storage record = AccountStorage.validation(key);
        if (record.module == address(0)) record.module = module;
        else if (record.module != module) revert ValidationEntityIdInUse();
        record.flags = config.flagsOf();
        for (uint256 i; i < selectors.length; ++i) {
            _addSelector(record, selectors[i], moduleEntity);
        }
        for (uint256 i; i < hooks.length; ++i) {
            _addHook(record, bytes25(hooks[i][:25]), hooks[i][25:]);
        }
        _onInstall(module, installData, type(IValidationModule).interfaceId);
        emit ValidationInstalled(module, moduleEntity.entityOf());
    }

    /// Removes everything installed under the entity. The given module is only called and named in the event.
    function _uninstallValidation(
        bytes24 moduleEntity,
        bytes calldata uninstallData,
        bytes[] calldata hookUninstallData
    ) internal {
        ValidationRecord storage record = AccountStorage.validation(ValidationKeys.fromModuleEntity(moduleEntity));
        bool succeeded = _uninstallHooks(record, hookUninstallData);
        _clear(record);
        address module = moduleEntity.moduleOf();
        succeeded = succeeded && _onUninstall(module, uninstallData);
        emit ValidationUninstalled(module, moduleEntity.entityOf(), succeeded);
    }

    function _addSelector(ValidationRecord storage record, bytes4 selector, bytes24 moduleEntity) private {
        if (!record.selectors.add(selector)) revert ValidationAlreadySet(selector, moduleEntity);
    }

    /// A hook is its 25 bytes, flags included: other flags make it another hook. Each kind has its own limit.
    function _addHook(ValidationRecord storage record, bytes25 hook, bytes calldata installData) private {
        address module = bytes24(hook).moduleOf();
        if (hook.has(Packing.HOOK_IS_VALIDATION)) {
            if (record.validationHookCount == HOOK_LIMIT) revert ValidationAssocHookLimitExceeded();
            if (!record.validationHooks.add(hook)) revert PreValidationHookDuplicate();
            ++record.validationHookCount;
            _onInstall(module, installData, type(IValidationHookModule).interfaceId);
        } else {
            if (record.executionHookCount == HOOK_LIMIT) revert ValidationAssocHookLimitExceeded();
            if (!record.executionHooks.add(hook)) revert ExecutionHookAlreadySet(hook);
            ++record.executionHookCount;
            _onInstall(module, installData, type(IExecutionHookModule).interfaceId);
        }
    }

    /// No data: nothing is called and nothing is checked, not even that the module has code.
    function _onInstall(address module, bytes calldata data, bytes4 interfaceId) private {
        if (data.length == 0) return;
        if (!_supports(module, interfaceId)) revert InterfaceNotSupported(module);
        (bool ok, bytes memory answer) = module.call(abi.encodeCall(IModule.onInstall, (data)));
        if (!ok) revert ModuleInstallCallbackFailed(module, answer);
    }

    function _supports(address module, bytes4 interfaceId) private view returns (bool) {
        (bool ok, bytes memory answer) = module.staticcall{gas: INTERFACE_QUERY_GAS}(
            abi.encodeCall(IERC165.supportsInterface, (interfaceId))
        );
        return ok && answer.length >= 32 && abi.decode(answer, (uint256)) != 0;
    }

    /// Validation hooks, then execution hooks, each newest first. The first failure stops the later callbacks.
    function _uninstallHooks(ValidationRecord storage record, bytes[] calldata data) private returns (bool) {
        if (data.length == 0) return true;
        bytes25[] memory validationHooks = record.validationHooks.hooks();
        bytes25[] memory executionHooks = record.executionHooks.hooks();
        if (data.length != validationHooks.length + executionHooks.length) revert ArrayLengthMismatch();
        return _uninstallList(validationHooks, data, 0)
            && _uninstallList(executionHooks, data, validationHooks.length);
    }

    function _uninstallList(bytes25[] memory hooks, bytes[] calldata data, uint256 first) private returns (bool) {
        for (uint256 i; i < hooks.length; ++i) {
            bytes24 hook = bytes24(hooks[hooks.length - 1 - i]);
            if (!_onUninstall(hook.moduleOf(), data[first + i])) return false;
        }
        return true;
    }

    /// No data counts as success without a call. Data for a module without code is an empty revert.
    function _onUninstall(address module, bytes calldata data) private returns (bool succeeded) {
        if (data.length == 0) return true;
        if (module.code.length == 0) revert();
        (succeeded,) = module.call(abi.encodeCall(IModule.onUninstall, (data)));
    }

    function _clear(ValidationRecord storage record) private {
        record.selectors.clear();
        record.validationHooks.clear();
        record.executionHooks.clear();
        (record.module, record.flags, record.validationHookCount, record.executionHookCount) = (address(0), 0, 0, 0);
    }
}
