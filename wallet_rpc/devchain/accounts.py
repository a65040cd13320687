"""The ten development accounts, and the banner that shows them.

Their keys come from a mnemonic that everyone knows, as those of anvil and hardhat do: never use them on a real chain.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import pbkdf2_hmac

from eth_keys.datatypes import PrivateKey

from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.chain_state import Value, balance_key, slot_key
from wallet_rpc.domain import abi
from wallet_rpc.primitives import Address

MNEMONIC = "test test test test test test test test test test test junk"
"""The words the keys are derived from (BIP-39, path m/44'/60'/0'/0/n)."""
BALANCE = 10_000 * 10**18
"""What each account starts with, in wei; and in units of the test token."""
_COUNT = 10
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HARDENED = 1 << 31


@dataclass(frozen=True, slots=True)
class DevelopmentAccount:
    """An account whose key is public knowledge."""

    address: Address
    key: bytes


def _child(key: int, chain_code: bytes, index: int) -> tuple[int, bytes]:
    """BIP-32 private derivation."""
    if index >= _HARDENED:
        material = b"\x00" + key.to_bytes(32)
    else:
        material = PrivateKey(key.to_bytes(32)).public_key.to_compressed_bytes()
    digest = hmac.digest(chain_code, material + index.to_bytes(4), "sha512")
    return (int.from_bytes(digest[:32]) + key) % _ORDER, digest[32:]


def derive(mnemonic: str, count: int) -> tuple[DevelopmentAccount, ...]:
    """The first `count` accounts of a mnemonic without a passphrase."""
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
"""The ten."""
BUNDLER = derive(MNEMONIC, _COUNT + 1)[-1]
"""The eleventh account of the mnemonic: it sends what the bundler mines."""
BUNDLER_BALANCE = 10**9 * 10**18
"""What the bundler starts with, in wei: it never runs dry."""


_SUPPLY_SLOT, _BALANCES_SLOT = 0, 1
"""Where TestToken keeps its total supply and its mapping of balances."""


def native_balance_values() -> dict[bytes, Value]:
    """What the accounts and the bundler own of the native token at the start of a chain."""
    values: dict[bytes, Value] = {balance_key(account.address): BALANCE for account in ACCOUNTS}
    values[balance_key(BUNDLER.address)] = BUNDLER_BALANCE
    return values


def test_token_values() -> dict[bytes, Value]:
    """What they own of a test token that nobody has used yet."""
    values: dict[bytes, Value] = {slot_key(dev_constants.TEST_TOKEN, _SUPPLY_SLOT): BALANCE * len(ACCOUNTS)}
    for account in ACCOUNTS:
        place = abi.keccak(abi.address(account.address) + abi.uint(_BALANCES_SLOT))
        values[slot_key(dev_constants.TEST_TOKEN, int.from_bytes(place))] = BALANCE
    return values


def banner(chain_id: int) -> list[str]:
    """What is printed at start: accounts, keys, the token and the chain id."""
    lines = ["Available accounts", "=================="]
    lines += [f"({index}) {account.address} (10000 ETH, 10000 TEST)" for index, account in enumerate(ACCOUNTS)]
    lines += ["", "Private keys (published: for development only)", "=================="]
    lines += [f"({index}) 0x{account.key.hex()}" for index, account in enumerate(ACCOUNTS)]
    lines += ["", f"Test token:  {dev_constants.TEST_TOKEN} (anyone may mint)", f"Chain id:    {chain_id}"]
    return lines
