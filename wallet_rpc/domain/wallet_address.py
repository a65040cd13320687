"""The address of a token's wallet: an EVM one (EIP-55) or a Solana one (base58 of 32 bytes), told apart by its form.

The rule: what is not exactly an address is refused, nothing is trimmed or mended, and one wallet has one text.
"""

from __future__ import annotations

import re

from wallet_rpc.domain.access import Wallet, WalletNamespace
from wallet_rpc.primitives import ZERO_ADDRESS, Address

MAX_ADDRESS_LENGTH = 44
"""The most characters of an address; base58 takes quadratic time, so that longer text is never decoded."""

_EVM = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Base58 digits, by value: no 0, O, I and l, so that no `0x` address is one of Solana."""
_DIGITS = {digit: value for value, digit in enumerate(_ALPHABET)}
_SYSTEM_PROGRAM = bytes(32)


def parse_wallet(text: str) -> Wallet:
    """The wallet of an address. Raises: ValueError when the text is none, or is the address nobody holds.

    A Solana address need not be a point of the curve: wallets of several signers are not.
    """
    if len(text) > MAX_ADDRESS_LENGTH:
        raise ValueError("longer than any address")
    return _evm(text) if text.startswith("0x") else _solana(text)


def _evm(text: str) -> Wallet:
    if _EVM.fullmatch(text) is None:
        raise ValueError("no 20 bytes of hex")
    address = Address.parse(text)
    if address == ZERO_ADDRESS:
        raise ValueError("the zero address")
    return Wallet(namespace=WalletNamespace.EVM, address=address.hex0x())


def _solana(text: str) -> Wallet:
    key = base58_bytes(text)
    if len(key) != 32 or key == _SYSTEM_PROGRAM:
        raise ValueError("no 32 bytes of base58, or the system program")
    return Wallet(namespace=WalletNamespace.SOLANA, address=text)


def base58_bytes(text: str) -> bytes:
    """The bytes of base58: a number to base 58, with a zero byte for each leading `1`. Raises: ValueError.

    Source: the Base58 Encoding Scheme (draft-msporny-base58).
    """
    number = 0
    for character in text:
        if character not in _DIGITS:
            raise ValueError("not a base58 digit")
        number = number * 58 + _DIGITS[character]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
