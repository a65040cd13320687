"""The ten development accounts, and the banner that lists them.

Their keys come from the public mnemonic that anvil and hardhat also use: never use them on a real chain.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from typing import Any

from eth_keys.datatypes import PrivateKey

from wallet_rpc import __version__
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.chain_state import Value, balance_key, slot_key
from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address

MNEMONIC = "test test test test test test test test test test test junk"
"""The mnemonic that the keys are derived from (BIP-39, path m/44'/60'/0'/0/n)."""
BALANCE = 10_000 * 10**18
"""The initial balance of each account: in wei, and in the smallest unit of the test token."""
_COUNT = 10
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HARDENED = 1 << 31


@dataclass(frozen=True, slots=True)
class DevelopmentAccount:
    """An account with a published private key."""

    address: Address
    key: bytes


def _child(key: int, chain_code: bytes, index: int) -> tuple[int, bytes]:
    """Derive the private key and chain code of a child key (BIP-32)."""
    if index >= _HARDENED:
        material = b"\x00" + key.to_bytes(32)
    else:
        material = PrivateKey(key.to_bytes(32)).public_key.to_compressed_bytes()
    digest = hmac.digest(chain_code, material + index.to_bytes(4), "sha512")
    return (int.from_bytes(digest[:32]) + key) % _ORDER, digest[32:]


def derive(mnemonic: str, count: int) -> tuple[DevelopmentAccount, ...]:
    """Derive the first `count` accounts of a mnemonic without a passphrase."""
    seed = pbkdf2_hmac("sha512", mnemonic.encode(), b"mnemonic", 2048)
    master = hmac.digest(b"Bitcoin seed", seed, "sha512")
    key, chain_code = int.from_bytes(master[:32]), master[32:]
    for index in (44 + _HARDENED, 60 + _HARDENED, _HARDENED, 0):
        key, chain_code = _child(key, chain_code, index)
    made = []
    for index in range(count):
        secret = _child(key, chain_code, index)[0].to_bytes(32)
        made.append(DevelopmentAccount(Address(PrivateKey(secret).public_key.to_canonical_address()), secret))
    return tuple(made)


ACCOUNTS = derive(MNEMONIC, _COUNT)
"""The ten development accounts."""
BUNDLER = derive(MNEMONIC, _COUNT + 1)[-1]
"""The eleventh account of the mnemonic: the sender of the bundler's transactions."""
BUNDLER_BALANCE = 10**9 * 10**18
"""The bundler's initial balance in wei, large enough never to run out."""


_SUPPLY_SLOT = 0
"""The storage slot of TestToken's total supply."""
_BALANCES_SLOT = 1
"""The storage slot of TestToken's mapping of balances."""


def native_balance_values() -> dict[bytes, Value]:
    """Return the initial native balances of the accounts and the bundler, by state key."""
    values: dict[bytes, Value] = {balance_key(account.address): BALANCE for account in ACCOUNTS}
    values[balance_key(BUNDLER.address)] = BUNDLER_BALANCE
    return values


def test_token_values() -> dict[bytes, Value]:
    """Return the initial storage of the test token, with a balance for each account, by state key."""
    values: dict[bytes, Value] = {slot_key(dev_constants.TEST_TOKEN, _SUPPLY_SLOT): BALANCE * len(ACCOUNTS)}
    for account in ACCOUNTS:
        balance_slot = abi.keccak(abi.address(account.address) + abi.uint(_BALANCES_SLOT))
        values[slot_key(dev_constants.TEST_TOKEN, int.from_bytes(balance_slot))] = BALANCE
    return values


def describe_development(chain_ids: Sequence[int], *, key: str | None) -> dict[str, Any]:
    """Return the facts about a development server that programs read: chains, API key, accounts and test token."""
    return {
        "version": __version__,
        "chainIds": list(chain_ids),
        "apiKey": key,
        "accounts": [{"address": one.address.hex0x(), "privateKey": f"0x{one.key.hex()}"} for one in ACCOUNTS],
        "testToken": dev_constants.TEST_TOKEN.hex0x(),
    }


def banner(chain_id: int) -> list[str]:
    """Return the lines printed at start: accounts, private keys, the test token and the chain id."""
    lines = ["Available accounts", "=================="]
    lines += [f"({index}) {account.address} (10000 ETH, 10000 TEST)" for index, account in enumerate(ACCOUNTS)]
    lines += ["", "Private keys (published: for development only)", "=================="]
    lines += [f"({index}) 0x{account.key.hex()}" for index, account in enumerate(ACCOUNTS)]
    lines += ["", f"Test token:  {dev_constants.TEST_TOKEN} (anyone may mint)", f"Chain id:    {chain_id}"]
    return lines
