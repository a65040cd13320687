"""Parsers of option values that several commands accept."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction

from pydantic_core import PydanticCustomError

from wallet_rpc.config.chains import MAX_CONFIRMATIONS
from wallet_rpc.config.values import read_secret
from wallet_rpc.domain.token_charge import ONE_COIN
from wallet_rpc.primitives import Address

_PRICE = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?", re.ASCII)
_SEED = re.compile(r"[0-9]{1,20}", re.ASCII)
_LAST_SEED = (1 << 64) - 1


def parse_address(text: str) -> Address:
    """Parse an address. Raises: ArgumentTypeError."""
    try:
        return Address.parse(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(error.message()) from None


def parse_private_key(text: str) -> bytes:
    """Parse a private key. Raises: ArgumentTypeError, without the text."""
    try:
        return read_secret(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected {error}") from None


def parse_confirmations(text: str) -> int:
    """Parse a number of confirmations. Raises: ArgumentTypeError."""
    if re.fullmatch("[0-9]{1,9}", text) is None or not 1 <= int(text) <= MAX_CONFIRMATIONS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {MAX_CONFIRMATIONS}, got {text!r}")
    return int(text)


def parse_token_price(text: str) -> tuple[Address, int]:
    """Parse `ADDRESS=WEI_PER_UNIT` into a token and its rate, in smallest units for 10^18 wei, rounded up.

    The price is in wei for one smallest unit and may have decimals. At 2,000 tokens for 10^18 wei, it is 500000000 for
    a token of 6 decimals and 0.0005 for one of 18 decimals. Raises: ArgumentTypeError.
    """
    token, _, price = text.partition("=")
    digits = price.replace("_", "")
    if _PRICE.fullmatch(digits) is None or not 0 < Fraction(digits) <= ONE_COIN:
        expected = f"expected ADDRESS=WEI_PER_UNIT, with a price above 0 up to {ONE_COIN} wei for the smallest unit"
        raise argparse.ArgumentTypeError(f"{expected}, such as 500000000; got {text!r}")
    return parse_address(token), -(-ONE_COIN // Fraction(digits))


def parse_process_id(text: str) -> int:
    """Parse the id of a process. Raises: ArgumentTypeError."""
    if re.fullmatch("[1-9][0-9]{0,9}", text) is None:
        raise argparse.ArgumentTypeError(f"expected the id of a process, got {text!r}")
    return int(text)


def parse_seed(text: str) -> int:
    """Parse the seed of a run. Raises: ArgumentTypeError."""
    if _SEED.fullmatch(text) is None or int(text) > _LAST_SEED:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to {_LAST_SEED}; got {text!r}")
    return int(text)
