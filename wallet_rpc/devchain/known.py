"""The accounts of the development chain that are our own: one token, one paymaster, one published key."""

from __future__ import annotations

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from wallet_rpc.primitives import Address

TEST_TOKEN = Address.parse("0x7e57000000000000000000000000000000000001")
"""TestToken: ERC-20 with permit, 18 decimals, anyone may mint."""
PAYMASTER = Address.parse("0x7e57000000000000000000000000000000000002")
"""VerifyingPaymaster, with a deposit in EntryPoint."""

PAYMASTER_KEY = keccak(text="wallet-rpc development paymaster")
"""The private key that signs sponsorships on development chains. Everyone knows it: never fund it elsewhere."""
PAYMASTER_SIGNER = Address(PrivateKey(PAYMASTER_KEY).public_key.to_canonical_address())
"""Its address, which also owns the paymaster."""
