"""What everyone knows of `dev`: its own contracts, a token and two paymasters, and its published keys."""

from __future__ import annotations

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from wallet_rpc.primitives import Address

TEST_TOKEN = Address.parse("0x7e57000000000000000000000000000000000001")
"""TestToken: ERC-20 with permit, of keys and of contracts, 18 decimals, anyone may mint."""
PAYMASTER = Address.parse("0x7e57000000000000000000000000000000000002")
"""VerifyingPaymaster, with a deposit in EntryPoint."""
ERC20_PAYMASTER = Address.parse("0x7e57000000000000000000000000000000000003")
"""TokenPaymaster, with a deposit in EntryPoint; same owner and signer."""
ERC20_RATES = {TEST_TOKEN: 2_000 * 10**18}
"""What gas costs in tokens: smallest units for 10^18 wei. Made up: one coin is 2,000 TEST, whatever happens."""

EXTRA_READ_METHODS = frozenset(
    {
        "eth_accounts",
        "eth_getBlockReceipts",
        "eth_getBlockTransactionCountByHash",
        "eth_getBlockTransactionCountByNumber",
        "eth_getTransactionByBlockHashAndIndex",
        "eth_getTransactionByBlockNumberAndIndex",
        "eth_syncing",
        "net_listening",
        "pm_getPaymasterStubData",
        "web3_sha3",
    }
)
"""Methods of the chain that change nothing, beside those that `serve` hands on; any other one is logged."""

PAYMASTER_KEY = keccak(text="wallet-rpc development paymaster")
"""The private key that signs sponsorships on development chains. Everyone knows it: never fund it elsewhere."""
PAYMASTER_SIGNER = Address(PrivateKey(PAYMASTER_KEY).public_key.to_canonical_address())
"""Its address, which also owns the paymasters."""

API_KEY = "wrk_dev_everyone_knows_this_key"
"""The API key that a `dev` on loopback takes and no other server does. Everyone knows it."""
