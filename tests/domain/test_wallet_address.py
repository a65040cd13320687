"""Tests of wallet addresses: the reference's table, and properties against a second implementation."""

import re
from contextlib import suppress
from string import printable

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import example, given
from hypothesis import strategies as st

from wallet_rpc.domain.access import Wallet, WalletNamespace
from wallet_rpc.domain.wallet_address import MAX_ADDRESS_LENGTH, base58_bytes, parse_wallet

CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
EVM, SOLANA = WalletNamespace.EVM, WalletNamespace.SOLANA
SEED = "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"


def base58(value: bytes) -> str:
    """Encode base58 by dividing byte after byte, as the reference implementation of Bitcoin does."""
    digits: list[int] = []
    for byte in value:
        carry = byte
        for index, digit in enumerate(digits):
            carry += digit << 8
            digits[index] = carry % 58
            carry //= 58
        while carry:
            digits.append(carry % 58)
            carry //= 58
    zeros = len(value) - len(value.lstrip(b"\0"))
    return "1" * zeros + "".join(ALPHABET[digit] for digit in reversed(digits))


def is_rejected(text: str) -> bool:
    try:
        parse_wallet(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "wallet"),
    [
        (SEED, Wallet(namespace=SOLANA, address=SEED)),
        (
            "So11111111111111111111111111111111111111112",
            Wallet(namespace=SOLANA, address="So11111111111111111111111111111111111111112"),
        ),
        (CHECKSUMMED, Wallet(namespace=EVM, address=CHECKSUMMED)),
        (CHECKSUMMED.lower(), Wallet(namespace=EVM, address=CHECKSUMMED)),
        ("0x" + CHECKSUMMED[2:].upper(), Wallet(namespace=EVM, address=CHECKSUMMED)),
    ],
)
def test_an_address_has_one_normal_form(text: str, wallet: Wallet) -> None:
    assert parse_wallet(text) == wallet


@pytest.mark.parametrize(
    "text",
    [
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",  # a wrong checksum
        "DRpb...xy4Z",
        "1" * 31,
        "1" * 32,  # the system program
        "1" * 33,
        "z" * 44,  # 33 bytes
        SEED + "0",
        SEED[:-1] + "0",
        " " + SEED,
        SEED + "\n",
        " " + CHECKSUMMED,
        CHECKSUMMED + "\n",
        "0x" + "0" * 40,
        "0X" + CHECKSUMMED[2:],
        CHECKSUMMED[2:],
        CHECKSUMMED[:-1],
        CHECKSUMMED + "0",
        "",
        "0x",
        "z" * 1_000_000,
        "0x" + "٣" * 40,
    ],
)
def test_a_text_that_is_no_address_is_rejected(text: str) -> None:
    assert is_rejected(text)


@pytest.mark.parametrize("index", range(len(CHECKSUMMED)))
def test_one_wrong_character_of_a_checksummed_address_is_refused(index: int) -> None:
    for character in set(printable) - {CHECKSUMMED[index]}:
        assert is_rejected(CHECKSUMMED[:index] + character + CHECKSUMMED[index + 1 :])


@given(st.binary(max_size=40))
def test_base58_is_read_as_another_implementation_writes_it(value: bytes) -> None:
    assert base58_bytes(base58(value)) == value


@given(st.text(ALPHABET, max_size=50))
def test_base58_has_one_text_for_each_value(text: str) -> None:
    assert base58(base58_bytes(text)) == text


@given(st.binary(min_size=32, max_size=32).filter(any))
@example(b"\0" * 31 + b"\1")
@example(b"\xff" * 32)
def test_every_other_32_bytes_are_a_solana_wallet(key: bytes) -> None:
    assert parse_wallet(base58(key)) == Wallet(namespace=SOLANA, address=base58(key))


@given(st.binary(max_size=40).filter(lambda key: len(key) != 32))
def test_no_other_length_is_a_solana_wallet(key: bytes) -> None:
    assert is_rejected(base58(key))


@given(st.binary(min_size=20, max_size=20).filter(any))
def test_every_other_20_bytes_are_an_evm_wallet(address: bytes) -> None:
    wallet = Wallet(namespace=EVM, address=to_checksum_address(address))
    texts = (wallet.address, "0x" + address.hex(), "0x" + address.hex().upper())
    assert {parse_wallet(text) for text in texts} == {wallet}


@given(st.text(max_size=60) | st.text("0123456789abcdefABCDEFx" + ALPHABET, min_size=30, max_size=45))
def test_any_text_is_a_wallet_or_refused(text: str) -> None:
    with suppress(ValueError):
        wallet = parse_wallet(text)
        assert parse_wallet(wallet.address) == wallet
        assert len(text) <= MAX_ADDRESS_LENGTH
        assert re.fullmatch(r"0x[0-9A-Fa-f]{40}|[1-9A-HJ-NP-Za-km-z]{32,44}", wallet.address)
