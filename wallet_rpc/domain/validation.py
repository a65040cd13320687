"""Validations in their packed forms: signer module, allowed functions and hooks.

    module entity     (24 bytes) = module (20) | entity id (4)
    validation config (25 bytes) = module entity | flags (1)
    hook config       (25 bytes) = module entity | flags (1)
    hook              = hook config | init data

Source: ModuleEntityLib, ValidationConfigLib, HookConfigLib of Modular Account v2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import Reader
from wallet_rpc.primitives import Address, Data, Selector

_GLOBAL_FLAG = 4
_VALIDATION_HOOK = 1


class HookKind(StrEnum):
    """Times at which a hook runs: during validation, or around the execution."""

    VALIDATION = "validation"
    EXECUTION = "execution"


def module_entity(module: Address, entity_id: int) -> Data:
    """Encode a module entity, 24 bytes: module (20) | entity id (4)."""
    return Data(module + entity_id.to_bytes(4, "big"))


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of a validation, with the data that its module receives on installation."""

    module: Address
    entity_id: int
    flags: int
    init_data: Data

    @property
    def config(self) -> Data:
        """25 bytes: module | entity id | flags (1 validation, 2 post, 4 pre)."""
        return Data(module_entity(self.module, self.entity_id) + bytes([self.flags]))

    @property
    def kind(self) -> HookKind:
        """A validation hook if bit 0 of the flags is set."""
        return HookKind.VALIDATION if self.flags & _VALIDATION_HOOK else HookKind.EXECUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationInstall:
    """The arguments of `installValidation`, which the owner signs."""

    module: Address
    entity_id: int
    flags: int
    selectors: tuple[Selector, ...]
    install_data: Data
    hooks: tuple[Hook, ...]

    @property
    def validation_config(self) -> Data:
        """25 bytes: module | entity id | flags (1 user operations, 2 ERC-1271, 4 global)."""
        return Data(module_entity(self.module, self.entity_id) + bytes([self.flags]))

    @property
    def is_global(self) -> bool:
        """True if the validation applies to every function of the account (root)."""
        return bool(self.flags & _GLOBAL_FLAG)

    @property
    def has_execution_hooks(self) -> bool:
        """True if every operation of the session must go through executeUserOp."""
        return any(hook.kind is HookKind.EXECUTION for hook in self.hooks)

    @property
    def call_data(self) -> Data:
        """`installValidation(bytes25 config, bytes4[] selectors, bytes installData, bytes[] hooks)`."""
        return Data(
            abi.INSTALL_VALIDATION
            + abi.sequence(
                abi.fixed_bytes(self.validation_config),
                abi.array(map(abi.fixed_bytes, self.selectors)),
                abi.blob(self.install_data),
                abi.array(abi.blob(hook.config + hook.init_data) for hook in self.hooks),
            )
        )


def parse_install(call_data: bytes) -> ValidationInstall:
    """Parse the arguments of an `installValidation` call. Raises: ValueError when `call_data` is not one."""
    if call_data[:4] != abi.INSTALL_VALIDATION:
        raise ValueError(f"expected a call of installValidation, got the selector 0x{call_data[:4].hex()}")
    reader = Reader(call_data[4:])
    config, hooks = reader.fixed_bytes(0, 25), reader.word(96)
    return ValidationInstall(
        module=Address(config[:20]),
        entity_id=int.from_bytes(config[20:24], "big"),
        flags=config[24],
        selectors=tuple(Selector(reader.fixed_bytes(at, 4)) for at in reader.items(reader.word(32))),
        install_data=reader.blob(reader.word(64)),
        hooks=tuple(_parse_hook(reader.blob(hooks + 32 + reader.word(at))) for at in reader.items(hooks)),
    )


def installed_signer(install: ValidationInstall) -> Address:
    """Return the signer of a SingleSigner validation from its install data.

    The install data is abi(uint32 entity id, address signer), 64 bytes. Raises: ValueError for anything else, and for
    an entity id that differs from the validation's: the module would leave that validation without a signer.
    Source: SingleSignerValidationModule.onInstall.
    """
    reader = Reader(install.install_data)
    if len(install.install_data) != 64 or reader.word(0) != install.entity_id:
        raise ValueError("expected install data of the validation's entity id and a signer, got other data")
    return reader.address(32)


def _parse_hook(value: bytes) -> Hook:
    if len(value) < 25:
        raise ValueError(f"expected a hook of at least 25 bytes, got {len(value)}")
    return Hook(Address(value[:20]), int.from_bytes(value[20:24], "big"), value[24], Data(value[25:]))
