"""Names of nested revert errors, from the outermost in."""

from __future__ import annotations

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

_SIGNATURES = """
FailedOp(uint256,string) FailedOpWithRevert(uint256,string,bytes) PostOpReverted(bytes)
Error(string) Panic(uint256) Boom(uint256) Nope(bytes4) Refused()
InsufficientBalance(uint256,uint256) InsufficientAllowance(uint256,uint256)
PreUserOpValidationHookReverted(bytes24,bytes) UserOpValidationFunctionReverted(bytes24,bytes)
PreRuntimeValidationHookReverted(bytes24,bytes) RuntimeValidationFunctionReverted(bytes24,bytes)
PreSignatureValidationHookReverted(bytes24,bytes) SignatureValidationFunctionReverted(bytes24,bytes)
PreExecHookReverted(bytes24,bytes) PostExecHookReverted(bytes24,bytes) ModuleInstallCallbackFailed(address,bytes)
NotEntryPoint() UnrecognizedFunction(bytes4) FallbackSignerDisabled() FallbackSignerMismatch()
InvalidSignatureType() InterfaceNotSupported(address) ExecutionHookAlreadySet(bytes25)
ValidationAssocHookLimitExceeded() UnexpectedAggregator(bytes24,address) NonCanonicalEncoding()
SegmentOutOfOrder() ValidationSignatureSegmentMissing() CreateFailed() UpgradeFailed()
UnauthorizedCallContext() InvalidInitialization() UpgradeNotAllowed() DeferredActionSignatureInvalid()
RequireUserOperationContext() ValidationFunctionMissing(bytes4) SelfCallRecursionDepthExceeded()
UserOpValidationInvalid(bytes24) SignatureValidationInvalid(bytes24) DeferredValidationHasValidationHooks()
ValidationAlreadySet(bytes4,bytes24) ValidationEntityIdInUse() PreValidationHookDuplicate()
FallbackValidationInstallationNotAllowed() ArrayLengthMismatch() AddressNotAllowed() SelectorNotAllowed()
NoSelectorSpecified() ExceededTokenLimit() SpendingRequestNotAllowed(bytes4) InvalidCalldataLength()
ExceededNativeTokenLimit() InvalidPaymaster() TimeRangeNotValid() BadPaymasterSpecified()
UnexpectedDataPassed() NotImplemented() NotAuthorized() ERC20NotAllowed(address)
"""

_KNOWN = {keccak(text=signature)[:4]: signature for signature in _SIGNATURES.split()}


def revert_names(data: bytes) -> list[str]:
    """Return the error's name, then that of the error in its last `bytes`, and so on; unknown selectors as hex."""
    names: list[str] = []
    while data:
        signature = _KNOWN.get(data[:4])
        if signature is None:
            return [*names, "0x" + data[:4].hex()]
        name, types = signature[:-1].split("(")
        names.append(name)
        if not types.endswith("bytes"):
            return names
        try:
            data = decode(types.split(","), data[4:])[-1]
        except DecodingError:
            return names
    return names


def failed_op(data: bytes) -> tuple[int, str] | None:
    """Return the index and message of EntryPoint's FailedOp or FailedOpWithRevert; None for any other revert."""
    signature = _KNOWN.get(data[:4], "")
    if not signature.startswith("FailedOp"):
        return None
    try:
        index, message = decode(["uint256", "string"], data[4:])
    except DecodingError:
        return None
    return index, message
