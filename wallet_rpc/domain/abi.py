"""The parts of the contract ABI that the wallet uses: Keccak-256, a head-and-tail encoder and the selectors.

A session is compiled on every request and eth-abi is ten times slower, so this module has its own encoder. A property
test compares its bytes with those of eth-abi. All integers are big-endian. Source: Solidity contract ABI specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eth_hash.auto import keccak as _keccak

from wallet_rpc.primitives import Hash32, Selector

# Account functions. Source: IModularAccount, IModularAccountBase, SemiModularAccountBase (Modular Account v2).
EXECUTE = Selector(bytes.fromhex("b61d27f6"))
"""`execute(address,uint256,bytes)`."""
EXECUTE_BATCH = Selector(bytes.fromhex("34fcd5be"))
"""`executeBatch((address,uint256,bytes)[])`."""
EXECUTE_USER_OP = Selector(bytes.fromhex("8dd7712f"))
"""`executeUserOp(PackedUserOperation,bytes32)`; used as a bare prefix of the call data. Source: IAccountExecute."""
EXECUTE_WITH_RUNTIME_VALIDATION = Selector(bytes.fromhex("f2680c0f"))
"""`executeWithRuntimeValidation(bytes,bytes)`: wraps another call of the account."""
INSTALL_VALIDATION = Selector(bytes.fromhex("1bbf564c"))
"""`installValidation(bytes25,bytes4[],bytes,bytes[])`."""
UNINSTALL_VALIDATION = Selector(bytes.fromhex("b6b1ccfe"))
"""`uninstallValidation(bytes24,bytes,bytes[])`."""
INSTALL_EXECUTION = Selector(bytes.fromhex("001a63e9"))
"""`installExecution(address,ExecutionManifest,bytes)`: adds functions to the account."""
UNINSTALL_EXECUTION = Selector(bytes.fromhex("93b1dc61"))
"""`uninstallExecution(address,ExecutionManifest,bytes)`."""
PERFORM_CREATE = Selector(bytes.fromhex("5998db5c"))
"""`performCreate(uint256,bytes,bool,bytes32)`: deploys any code, with value."""
UPGRADE_TO_AND_CALL = Selector(bytes.fromhex("4f1ef286"))
"""`upgradeToAndCall(address,bytes)`. Source: ERC-1822, UUPSUpgradeable."""
UPDATE_FALLBACK_SIGNER_DATA = Selector(bytes.fromhex("30009d52"))
"""`updateFallbackSignerData(address,bool)`: replaces the owner."""
VALIDATE_USER_OP = Selector(bytes.fromhex("19822f7c"))
"""`validateUserOp(PackedUserOperation,bytes32,uint256)`. Source: ERC-4337, IAccount."""
INITIALIZE = Selector(bytes.fromhex("c4d66de8"))
"""`initialize(address)`. Source: SemiModularAccountStorageOnly."""
INITIALIZE_WITH_VALIDATION = Selector(bytes.fromhex("e919a623"))
"""`initializeWithValidation(bytes25,bytes4[],bytes,bytes[])`. Source: ModularAccount."""
SDK_INSTALL_EXECUTION = Selector(bytes.fromhex("1d37e7d6"))
"""The selector that the official SDK blocks as installExecution; no function of the account has it."""
SDK_UNINSTALL_EXECUTION = Selector(bytes.fromhex("0b7cad71"))
"""The selector that the official SDK blocks as uninstallExecution; no function of the account has it."""
IS_VALID_SIGNATURE = Selector(bytes.fromhex("1626ba7e"))
"""`isValidSignature(bytes32,bytes)`; also the value it returns for a valid signature. Source: ERC-1271."""
GET_VALIDATION_DATA = Selector(bytes.fromhex("d31b575b"))
"""`getValidationData(bytes24)`: flags, hooks and selectors of one validation."""
GET_FALLBACK_SIGNER_DATA = Selector(bytes.fromhex("a8b04729"))
"""`getFallbackSignerData()`: (owner, disabled)."""

# Factories. Source: AccountFactory v2.0.0, WebAuthnFactory v2.0.1.
CREATE_SEMI_MODULAR_ACCOUNT = Selector(bytes.fromhex("8b4e464e"))
"""`createSemiModularAccount(address,uint256)`."""
CREATE_ACCOUNT = Selector(bytes.fromhex("afa63a10"))
"""`createAccount(address,uint256,uint32)`."""
CREATE_WEBAUTHN_ACCOUNT = Selector(bytes.fromhex("4659e0e3"))
"""`createWebAuthnAccount(uint256,uint256,uint256,uint32)`."""

# EntryPoint v0.7. Source: ERC-4337, IEntryPoint, INonceManager, IStakeManager.
GET_NONCE = Selector(bytes.fromhex("35567e1a"))
"""`getNonce(address,uint192)`: (key << 64) | sequence."""
INCREMENT_NONCE = Selector(bytes.fromhex("0bd28e3b"))
"""`incrementNonce(uint192)`: invalidates the caller's next nonce of a key."""
HANDLE_OPS = Selector(bytes.fromhex("765e827f"))
"""`handleOps(PackedUserOperation[],address)`."""
WITHDRAW_TO = Selector(bytes.fromhex("205c2878"))
"""`withdrawTo(address,uint256)`: withdraws the caller's deposit."""
WITHDRAW_STAKE = Selector(bytes.fromhex("c23a5cea"))
"""`withdrawStake(address)`: withdraws the caller's stake."""
UNLOCK_STAKE = Selector(bytes.fromhex("bb9fe6bf"))
"""`unlockStake()`."""
ADD_STAKE = Selector(bytes.fromhex("0396cb60"))
"""`addStake(uint32)`."""

# Module functions; each writes state under the caller's address. Source: the modules of Modular Account v2.
ON_INSTALL = Selector(bytes.fromhex("6d61fe70"))
"""`onInstall(bytes)`. Source: ERC-6900, IModule."""
ON_UNINSTALL = Selector(bytes.fromhex("8a91b0e3"))
"""`onUninstall(bytes)`. Source: ERC-6900, IModule."""
TRANSFER_SIGNER = Selector(bytes.fromhex("4aeb3b03"))
"""SingleSigner `transferSigner(uint32,address)`."""
SET_TIME_RANGE = Selector(bytes.fromhex("e762c77c"))
"""TimeRange `setTimeRange(uint32,uint48,uint48)`."""
UPDATE_NATIVE_LIMITS = Selector(bytes.fromhex("71280be3"))
"""NativeTokenLimit `updateLimits(uint32,uint256)`."""
UPDATE_ALLOWLIST_LIMITS = Selector(bytes.fromhex("4380c278"))
"""Allowlist `updateLimits(uint32,address,bool,uint256)`."""
UPDATE_SPECIAL_PAYMASTER = Selector(bytes.fromhex("5c6e5169"))
"""NativeTokenLimit `updateSpecialPaymaster(address,bool)`."""
UPDATE_ALLOWLIST = Selector(bytes.fromhex("798053f1"))
"""Allowlist `updateAllowlist(uint32,(address,bool,bool,uint256,bytes4[])[])`."""
DELETE_ALLOWLIST = Selector(bytes.fromhex("c67151f6"))
"""Allowlist `deleteAllowlist(uint32,(address,bool,bool,uint256,bytes4[])[])`."""
SET_ADDRESS_ALLOWLIST = Selector(bytes.fromhex("77a04242"))
"""Allowlist `setAddressAllowlist(uint32,address,bool,bool,bool)`."""
SET_SELECTOR_ALLOWLIST = Selector(bytes.fromhex("e1ded0b0"))
"""Allowlist `setSelectorAllowlist(uint32,address,bytes4,bool)`."""
PRE_EXECUTION_HOOK = Selector(bytes.fromhex("ed6dfb13"))
"""Allowlist and NativeTokenLimit `preExecutionHook(uint32,address,uint256,bytes)`: spends the caller's limit."""
PRE_USER_OP_VALIDATION_HOOK = Selector(bytes.fromhex("2a3d428c"))
"""NativeTokenLimit `preUserOpValidationHook(uint32,PackedUserOperation,bytes32)`: spends the caller's limit."""
TRANSFER_PASSKEY = Selector(bytes.fromhex("a6910bf5"))
"""WebAuthn `transferSigner(uint32,uint256,uint256)`."""

# ERC-20.
ERC20_TRANSFER = Selector(bytes.fromhex("a9059cbb"))
"""`transfer(address,uint256)`. Source: ERC-20."""
ERC20_APPROVE = Selector(bytes.fromhex("095ea7b3"))
"""`approve(address,uint256)`. Source: ERC-20."""


def keccak(data: bytes) -> Hash32:
    """Return the Keccak-256 hash of `data`, 32 bytes."""
    return Hash32(_keccak(data))


def selector_of(signature: str) -> Selector:
    """Return the selector of a function signature such as `transfer(address,uint256)`."""
    return Selector(_keccak(signature.encode())[:4])


class Dynamic(bytes):
    """An encoded value of a dynamic type: its bytes go into the tail, and its offset into the head."""


def uint(value: int, bits: int = 256) -> bytes:
    """Encode an unsigned integer of at most `bits` bits as one 32-byte word. Raises: ValueError if it does not fit."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value} is not a uint{bits}")
    return value.to_bytes(32, "big")


def address(value: bytes) -> bytes:
    """Encode a 20-byte address as one word: 12 zero bytes, then the address."""
    return value.rjust(32, b"\0")


def fixed_bytes(value: bytes) -> bytes:
    """Encode a `bytesN` value (N at most 32) as one word: the value, then zeros."""
    return value.ljust(32, b"\0")


def blob(value: bytes) -> Dynamic:
    """Encode a `bytes` value: its length as a word, then the value padded with zeros to whole words."""
    return Dynamic(len(value).to_bytes(32, "big") + value + bytes(-len(value) % 32))


def sequence(*parts: bytes) -> bytes:
    """Encode the fields of a tuple or the arguments of a call: heads, then the tails of the `Dynamic` ones."""
    offset = 0
    for part in parts:
        offset += 32 if isinstance(part, Dynamic) else len(part)
    heads: list[bytes] = []
    tails: list[bytes] = []
    for part in parts:
        if isinstance(part, Dynamic):
            heads.append(offset.to_bytes(32, "big"))
            tails.append(part)
            offset += len(part)
        else:
            heads.append(part)
    return b"".join(heads + tails)


def array(items: Iterable[bytes]) -> Dynamic:
    """Encode a `T[]` value: the count as a word, then the items as a sequence."""
    encoded: Sequence[bytes] = tuple(items)
    return Dynamic(len(encoded).to_bytes(32, "big") + sequence(*encoded))
