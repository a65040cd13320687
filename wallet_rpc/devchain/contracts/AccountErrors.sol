// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// Every error that an account raises itself.

// Access to functions.
error NotEntryPoint();
error UnrecognizedFunction(bytes4 selector);
error ValidationFunctionMissing(bytes4 selector);
error SelfCallRecursionDepthExceeded();
error RequireUserOperationContext();
error UnauthorizedCallContext();

// The owner, which is the fallback signer.
error FallbackSignerDisabled();
error FallbackSignerMismatch();
error FallbackValidationInstallationNotAllowed();

// Signatures.
error DeferredActionSignatureInvalid();
error DeferredValidationHasValidationHooks();
error InvalidSignatureType();
error NonCanonicalEncoding();
error SegmentOutOfOrder();
error SignatureValidationInvalid(bytes24 moduleEntity);
error UnexpectedAggregator(bytes24 moduleEntity, address aggregator);
error UserOpValidationInvalid(bytes24 moduleEntity);
error ValidationSignatureSegmentMissing();

// Installation.
error ArrayLengthMismatch();
error ExecutionHookAlreadySet(bytes25 hook);
error InterfaceNotSupported(address module);
error ModuleInstallCallbackFailed(address module, bytes reason);
error PreValidationHookDuplicate();
error ValidationAlreadySet(bytes4 selector, bytes24 moduleEntity);
error ValidationAssocHookLimitExceeded();
error ValidationEntityIdInUse();

// Create and upgrade.
error CreateFailed();
error UpgradeFailed();
error UpgradeNotAllowed();

// Module failures, wrapped with the entity that was called.
error PreUserOpValidationHookReverted(bytes24 moduleEntity, bytes reason);
error UserOpValidationFunctionReverted(bytes24 moduleEntity, bytes reason);
error PreRuntimeValidationHookReverted(bytes24 moduleEntity, bytes reason);
error RuntimeValidationFunctionReverted(bytes24 moduleEntity, bytes reason);
error PreSignatureValidationHookReverted(bytes24 moduleEntity, bytes reason);
error SignatureValidationFunctionReverted(bytes24 moduleEntity, bytes reason);
error PreExecHookReverted(bytes24 moduleEntity, bytes reason);
error PostExecHookReverted(bytes24 moduleEntity, bytes reason);

/// Development contracts only: the function exists in production and is left out here.
error NotIncluded(bytes4 selector);
