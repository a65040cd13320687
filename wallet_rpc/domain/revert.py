"""Decoder of revert data: the names of the errors from the outside in, and the module that rejected the call.

The entry point wraps the account's error, and the account wraps the module's. Each wrapper carries the inner revert
data as its last argument. Decoding never fails: an unknown error is named by its selector, and arguments that do not
decode are left out.

Source: modular-account v2.0.x (account and module interfaces), EntryPoint v0.7 `IEntryPoint`, Solidity (`Error`,
`Panic`), ERC-6093 (token errors).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from wallet_rpc.domain.abi import keccak, selector_of
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.primitives import Address, Selector

MAX_REVERT_BYTES = 2048
"""Maximum length of reported revert data in bytes. Source: EntryPoint v0.7, REVERT_REASON_MAX_LEN."""
_DEEPEST = 8
"""Maximum number of unwrapped errors; the supported contracts nest fewer."""
_LONGEST = 256
"""Maximum characters of one argument in the text; a contract controls the length."""
_REASON_EVENTS = frozenset(
    keccak(signature)
    for signature in (
        b"UserOperationRevertReason(bytes32,address,uint256,bytes)",
        b"PostOpRevertReason(bytes32,address,uint256,bytes)",
    )
)
"""Topics: operation hash, sender; data: nonce, revert data. Source: EntryPoint v0.7."""

ERROR_SIGNATURES = (
    # Solidity
    "Error(string)",
    "Panic(uint256)",
    # EntryPoint v0.7
    "FailedOp(uint256,string)",
    "FailedOpWithRevert(uint256,string,bytes)",
    "PostOpReverted(bytes)",
    "SignatureValidationFailed(address)",
    "SenderAddressResult(address)",
    "DelegateAndRevert(bool,bytes)",
    # an account's wrappers of a module's error
    "PreUserOpValidationHookReverted(bytes24,bytes)",
    "UserOpValidationFunctionReverted(bytes24,bytes)",
    "PreRuntimeValidationHookReverted(bytes24,bytes)",
    "RuntimeValidationFunctionReverted(bytes24,bytes)",
    "PreSignatureValidationHookReverted(bytes24,bytes)",
    "SignatureValidationFunctionReverted(bytes24,bytes)",
    "PreExecHookReverted(bytes24,bytes)",
    "PostExecHookReverted(bytes24,bytes)",
    "ModuleInstallCallbackFailed(address,bytes)",
    # accounts
    "DeferredActionSignatureInvalid()",
    "RequireUserOperationContext()",
    "ValidationFunctionMissing(bytes4)",
    "SelfCallRecursionDepthExceeded()",
    "UserOpValidationInvalid(bytes24)",
    "SignatureValidationInvalid(bytes24)",
    "DeferredValidationHasValidationHooks()",
    "ValidationAlreadySet(bytes4,bytes24)",
    "ValidationEntityIdInUse()",
    "PreValidationHookDuplicate()",
    "FallbackValidationInstallationNotAllowed()",
    "ArrayLengthMismatch()",
    "NotEntryPoint()",
    "UnrecognizedFunction(bytes4)",
    "FallbackSignerDisabled()",
    "FallbackSignerMismatch()",
    "InvalidSignatureType()",
    "InterfaceNotSupported(address)",
    "ExecutionHookAlreadySet(bytes25)",
    "ExecutionHookNotSet(bytes25)",
    "ExecutionFunctionAlreadySet(bytes4)",
    "ExecutionFunctionNotSet(bytes4)",
    "IModuleFunctionNotAllowed(bytes4)",
    "ERC4337FunctionNotAllowed(bytes4)",
    "NullModule()",
    "OnlyDelegateCall()",
    "ValidationAssocHookLimitExceeded()",
    "UnexpectedAggregator(bytes24,address)",
    "NonCanonicalEncoding()",
    "SegmentOutOfOrder()",
    "ValidationSignatureSegmentMissing()",
    "CreateFailed()",
    "UpgradeFailed()",
    "UpgradeNotAllowed()",
    "UnauthorizedCallContext()",
    "InvalidInitialization()",
    # modules
    "AddressNotAllowed()",
    "SelectorNotAllowed()",
    "NoSelectorSpecified()",
    "ExceededTokenLimit()",
    "SpendingRequestNotAllowed(bytes4)",
    "InvalidCalldataLength()",
    "ERC20NotAllowed(address)",
    "ExceededNativeTokenLimit()",
    "InvalidPaymaster()",
    "BadPaymasterSpecified()",
    "TimeRangeNotValid()",
    "UnexpectedDataPassed()",
    "NotAuthorized()",
    "NotImplemented()",
    # tokens: ERC-6093, and the development token
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
    "ERC20InvalidSender(address)",
    "ERC20InvalidReceiver(address)",
    "ERC20InvalidApprover(address)",
    "ERC20InvalidSpender(address)",
    "InsufficientBalance(uint256,uint256)",
    "InsufficientAllowance(uint256,uint256)",
    "PermitExpired(uint256)",
    "PermitSignerMismatch(address,address)",
)
"""Signatures of all errors that are known by name."""

PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
"""Meanings of the compiler's panic codes, with geth's texts."""


@dataclass(frozen=True, slots=True)
class _ErrorType:
    name: str
    types: tuple[str, ...]


def _parse_signature(signature: str) -> _ErrorType:
    name, _, types = signature.removesuffix(")").partition("(")
    return _ErrorType(name, tuple(types.split(",")) if types else ())


_BY_SELECTOR = {selector_of(signature): _parse_signature(signature) for signature in ERROR_SIGNATURES}


@dataclass(frozen=True, slots=True)
class Cause:
    """One error: its name, or the hex selector of an unknown one, and its arguments without a wrapped error."""

    name: str
    arguments: tuple[object, ...] = ()

    @property
    def text(self) -> str:
        """The error as text for people."""
        match self.name, self.arguments:
            case "Error", (str() as message,):
                return _truncate(message)
            case "Panic", (int() as number,):
                return f"panic {number:#04x}: {PANICS.get(number, 'unknown panic code')}"
            case (("FailedOp" | "FailedOpWithRevert"), (int(), str() as message)):
                return _truncate(message)
            case _:
                return f"{self.name}({', '.join(_format_argument(argument) for argument in self.arguments)})"


@dataclass(frozen=True, slots=True)
class ModuleDenial:
    """The address of the module that rejected the call, and the entity id of its hook or validation."""

    module: Address
    entity_id: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Decoded revert data. Empty data has no causes."""

    causes: tuple[Cause, ...]
    """The errors from the outside in: the entry point's, the account's, the module's."""

    @classmethod
    def of_entry_point(cls, message: str) -> Explanation:
        """Return the explanation of a message of the entry point, such as `AA22`, whose revert data is not known."""
        return cls((Cause("FailedOp", (0, message)),))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the errors, from the outside in."""
        return tuple(cause.name for cause in self.causes)

    @property
    def text(self) -> str:
        """All errors in one line; empty for empty data."""
        return ": ".join(cause.text for cause in self.causes)

    @property
    def entry_point(self) -> str | None:
        """The entry point's text, such as `AA23 reverted`; None if the outermost error is not the entry point's."""
        match self.causes:
            case (Cause("FailedOp" | "FailedOpWithRevert", (int(), str() as message)), *_):
                return message
            case _:
                return None

    @property
    def denial(self) -> ModuleDenial | None:
        """The innermost module named by the account."""
        for cause in reversed(self.causes):
            match cause.arguments:
                case (bytes() as entity,) if len(entity) == 24:
                    return ModuleDenial(Address(entity[:20]), int.from_bytes(entity[20:]))
                case _:
                    continue
        return None


def explain(data: bytes) -> Explanation:
    """Decode the revert data of a call, of `handleOps`, or of a UserOperationRevertReason event."""
    causes: list[Cause] = []
    while len(data) > 0 and len(causes) < _DEEPEST:
        cause, data = _parse_cause(data)
        causes.append(cause)
    return Explanation(tuple(causes))


def _parse_cause(data: bytes) -> tuple[Cause, bytes]:
    """Decode the outermost error and return it with the revert data that it wraps."""
    if len(data) < 4:
        return Cause("0x" + data.hex()), b""
    error_type = _BY_SELECTOR.get(Selector(data[:4]))
    if error_type is None:
        return Cause("0x" + data[:4].hex()), b""
    try:
        arguments: tuple[Any, ...] = decode(error_type.types, data[4:], strict=False)
    except (DecodingError, OverflowError, UnicodeDecodeError):
        return Cause(error_type.name), b""
    if error_type.types and error_type.types[-1] == "bytes":
        return Cause(error_type.name, arguments[:-1]), arguments[-1]
    return Cause(error_type.name, arguments), b""


def find_revert_reason(topics: Sequence[bytes], data: bytes, operation_hash: bytes) -> bytes:
    """Return an operation's revert data from a log of the entry point; empty if the log has none for that operation."""
    if len(topics) < 2 or topics[0] not in _REASON_EVENTS or topics[1] != operation_hash:
        return b""
    reader = Reader(data)
    try:
        return reader.blob(reader.word(32))
    except AbiDecodeError:
        return b""


def _truncate(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _format_argument(argument: object) -> str:
    match argument:
        case bytes() if len(argument) == 24:
            return f"module {Address(argument[:20])}, entity {int.from_bytes(argument[20:])}"
        case bytes():
            return _truncate("0x" + argument.hex())
        case str() if argument.startswith("0x") and len(argument) == 42:
            return Address.parse(argument).hex0x()
        case _:
            return _truncate(str(argument))
