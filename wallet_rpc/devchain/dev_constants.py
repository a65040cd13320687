"""Published constants of development chains: contract addresses, token rates, private keys and the API key."""

from __future__ import annotations

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from wallet_rpc.primitives import Address

TEST_TOKEN = Address.parse("0x7e57000000000000000000000000000000000001")
"""TestToken: ERC-20 with permit for EOAs and contracts, 18 decimals, anyone may mint."""
PAYMASTER = Address.parse("0x7e57000000000000000000000000000000000002")
"""VerifyingPaymaster, with a deposit in EntryPoint."""
ERC20_PAYMASTER = Address.parse("0x7e57000000000000000000000000000000000003")
"""TokenPaymaster, with a deposit in EntryPoint and the same owner and signer."""
ERC20_RATES = {TEST_TOKEN: 2_000 * 10**18}
"""The price of gas in ERC-20 tokens: smallest units for 10^18 wei. One coin always costs 2,000 TEST."""

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
"""Read methods of the chain besides those that `serve` forwards; calls of all other methods are logged."""

EXTRA_METHODS = EXTRA_READ_METHODS | {
    *("anvil_mine", "anvil_setBalance", "anvil_setCode", "anvil_setNonce", "anvil_setStorageAt"),
    *("evm_increaseTime", "evm_mine", "evm_revert", "evm_setNextBlockTimestamp", "evm_snapshot"),
    *("hardhat_mine", "hardhat_setBalance", "hardhat_setCode", "hardhat_setNonce", "hardhat_setStorageAt"),
    *("eth_sendTransaction", "pm_getPaymasterData"),
}
"""All methods of the chain besides those that `serve` forwards."""

PAYMASTER_KEY = keccak(text="wallet-rpc development paymaster")
"""The private key that signs sponsorships on development chains. It is published: never fund it elsewhere."""
PAYMASTER_SIGNER = Address(PrivateKey(PAYMASTER_KEY).public_key.to_canonical_address())
"""The address of `PAYMASTER_KEY`, which also owns the paymasters."""

API_KEY = "wrk_dev_everyone_knows_this_key"
"""The API key that only `dev` on a loopback address accepts. It is published."""
