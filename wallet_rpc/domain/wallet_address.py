"""Addresses of a session token's wallet: EVM (EIP-55) or Solana (base58 of 32 bytes), distinguished by their form.

Parsing is strict: nothing is trimmed or repaired, and each wallet has exactly one canonical text.
"""

from __future__ import annotations

import re

from wallet_rpc.domain.access import Wallet, WalletNamespace
from wallet_rpc.primitives import ZERO_ADDRESS, Address

MAX_ADDRESS_LENGTH = 44
"""Maximum length of an address. Base58 takes quadratic time, so longer text is never decoded."""

_EVM = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Base58 digits by value. They lack 0, O, I and l, so no Solana address begins with `0x`."""
_DIGITS = {digit: value for value, digit in enumerate(_ALPHABET)}
_SYSTEM_PROGRAM = bytes(32)


def parse_wallet(text: str) -> Wallet:
    """Parse a wallet's address.

    A Solana address need not be a point of the curve, because multisig wallets are not. Raises: ValueError when the
    text is not an address, or is the zero address or the system program.
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
    """Decode base58: a number to base 58, with a zero byte for each leading `1`. Raises: ValueError.

    Source: the Base58 Encoding Scheme (draft-msporny-base58).
    """
    number = 0
    for character in text:
        if character not in _DIGITS:
            raise ValueError("not a base58 digit")
        number = number * 58 + _DIGITS[character]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
