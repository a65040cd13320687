"""Proof of an account by what nobody can change: the code at its address, or the factory data that will put it there.

An account's current signer is no such proof: its holder replaces it at will. The owner that the factory wrote into the
proxy's code stays for good. Source: AccountFactory of Modular Account v2; ERC-1967; EIP-7702.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import PROXY_CODE, semi_modular_address
from wallet_rpc.domain.contracts import ACCOUNT_FACTORY, IMPLEMENTATIONS
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.primitives import Address, Word

IMPLEMENTATION_SLOT = Word(bytes.fromhex("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"))
"""The slot of a proxy's storage that holds its implementation. Source: ERC-1967."""
_WORD, _OWNED_CODE = 32, len(PROXY_CODE) + Address.size


def is_proxy(code: bytes) -> bool:
    """Whether `code` is that of the factory's proxy, with an owner behind it or without."""
    return code.startswith(PROXY_CODE) and len(code) in {len(PROXY_CODE), _OWNED_CODE}


def parse_proxy_owner(code: bytes) -> Address | None:
    """The owner that the factory wrote behind a proxy's code; None where it wrote none."""
    return Address(code[len(PROXY_CODE) :]) if is_proxy(code) and len(code) == _OWNED_CODE else None


def is_implementation(word: bytes) -> bool:
    """Whether the word of `IMPLEMENTATION_SLOT` names a known implementation."""
    return len(word) == _WORD and not any(word[:12]) and Address(word[12:]) in IMPLEMENTATIONS


def parse_factory_owner(factory: Factory, account: Address) -> Address | None:
    """The owner of the `sma-b` that `factory` puts at `account`; None when it is another factory or another address."""
    owner, salt = factory.data[4:36], factory.data[36:]
    is_call = factory.data[:4] == abi.CREATE_SEMI_MODULAR_ACCOUNT and len(salt) == _WORD and not any(owner[:12])
    if factory.address != ACCOUNT_FACTORY or not is_call:
        return None
    found = Address(owner[12:])
    return found if semi_modular_address(found, int.from_bytes(salt)) == account else None
