"""Immutable proof of an account's owner: the code at its address, or the factory data that will deploy it.

The current signer proves nothing, since its holder can replace it at any time. The owner that the factory wrote into
the proxy's code is permanent. Source: AccountFactory of Modular Account v2; ERC-1967; EIP-7702.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import PROXY_CODE, semi_modular_address
from wallet_rpc.domain.contracts import ACCOUNT_FACTORY, IMPLEMENTATIONS
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.primitives import Address, Word

IMPLEMENTATION_SLOT = Word(bytes.fromhex("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"))
"""The slot of a proxy's storage that holds its implementation. Source: ERC-1967."""
_WORD = 32
_OWNED_CODE = len(PROXY_CODE) + Address.size
"""Sizes in bytes: a storage word, and a proxy's code with its owner."""


def is_proxy(code: bytes) -> bool:
    """Return True when `code` is the code of the factory's proxy, with or without an owner after it."""
    return code.startswith(PROXY_CODE) and len(code) in {len(PROXY_CODE), _OWNED_CODE}


def parse_proxy_owner(code: bytes) -> Address | None:
    """Return the owner that the factory wrote after a proxy's code; None if there is none."""
    return Address(code[len(PROXY_CODE) :]) if is_proxy(code) and len(code) == _OWNED_CODE else None


def is_implementation(word: bytes) -> bool:
    """Return True when `word`, the value of `IMPLEMENTATION_SLOT`, is the address of one of `IMPLEMENTATIONS`."""
    return len(word) == _WORD and not any(word[:12]) and Address(word[12:]) in IMPLEMENTATIONS


def parse_factory_owner(factory: Factory, account: Address) -> Address | None:
    """Return the owner of the `sma-b` that `factory` deploys at `account`; None if it does not deploy one there."""
    owner = factory.data[4:36]
    salt = factory.data[36:]
    is_call = factory.data[:4] == abi.CREATE_SEMI_MODULAR_ACCOUNT and len(salt) == _WORD and not any(owner[:12])
    if factory.address != ACCOUNT_FACTORY or not is_call:
        return None
    address = Address(owner[12:])
    return address if semi_modular_address(address, int.from_bytes(salt)) == account else None
