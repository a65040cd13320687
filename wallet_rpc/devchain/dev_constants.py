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
        "anvil_dumpState",
        "anvil_getAutomine",
        "anvil_getIntervalMining",
        "anvil_nodeInfo",
        "debug_traceCall",
        "debug_traceTransaction",
        "dev_listFaults",
        "eth_createAccessList",
        "eth_getFilterChanges",
        "eth_getFilterLogs",
        "eth_newBlockFilter",
        "eth_newFilter",
        "eth_newPendingTransactionFilter",
        "eth_simulateV1",
        "eth_subscribe",
        "eth_uninstallFilter",
        "eth_unsubscribe",
        "hardhat_dumpState",
        "hardhat_getAutomine",
        "txpool_content",
        "txpool_inspect",
        "txpool_status",
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

EXTRA_WRITE_METHODS = frozenset(
    {
        "anvil_autoImpersonateAccount",
        "anvil_dropAllTransactions",
        "anvil_dropTransaction",
        "anvil_impersonateAccount",
        "anvil_increaseTime",
        "anvil_loadState",
        "anvil_mine",
        "anvil_removeBlockTimestampInterval",
        "anvil_removePoolTransactions",
        "anvil_reset",
        "anvil_revert",
        "anvil_setAutomine",
        "anvil_setBalance",
        "anvil_setBlockGasLimit",
        "anvil_setBlockTimestampInterval",
        "anvil_setCode",
        "anvil_setCoinbase",
        "anvil_setIntervalMining",
        "anvil_setLoggingEnabled",
        "anvil_setMinGasPrice",
        "anvil_setNextBlockBaseFeePerGas",
        "anvil_setNextBlockTimestamp",
        "anvil_setNonce",
        "anvil_setRpcUrl",
        "anvil_setStorageAt",
        "anvil_setTime",
        "anvil_snapshot",
        "anvil_stopImpersonatingAccount",
        "dev_addFault",
        "dev_callAs",
        "dev_clearFaults",
        "dev_reorganize",
        "eth_sendTransaction",
        "eth_sendUnsignedTransaction",
        "evm_increaseTime",
        "evm_mine",
        "evm_revert",
        "evm_setAutomine",
        "evm_setBlockGasLimit",
        "evm_setIntervalMining",
        "evm_setNextBlockTimestamp",
        "evm_setTime",
        "evm_snapshot",
        "hardhat_autoImpersonateAccount",
        "hardhat_dropAllTransactions",
        "hardhat_dropTransaction",
        "hardhat_impersonateAccount",
        "hardhat_loadState",
        "hardhat_mine",
        "hardhat_reset",
        "hardhat_setBalance",
        "hardhat_setCode",
        "hardhat_setCoinbase",
        "hardhat_setLoggingEnabled",
        "hardhat_setMinGasPrice",
        "hardhat_setNextBlockBaseFeePerGas",
        "hardhat_setNonce",
        "hardhat_setStorageAt",
        "hardhat_stopImpersonatingAccount",
        "pm_getPaymasterData",
    }
)
"""Methods of the chain that change something, besides those that `serve` forwards."""

EXTRA_METHODS = EXTRA_READ_METHODS | EXTRA_WRITE_METHODS
"""All methods of the chain besides those that `serve` forwards."""

PAYMASTER_KEY = keccak(text="wallet-rpc development paymaster")
"""The private key that signs sponsorships on development chains. It is published: never fund it elsewhere."""
PAYMASTER_SIGNER = Address(PrivateKey(PAYMASTER_KEY).public_key.to_canonical_address())
"""The address of `PAYMASTER_KEY`, which also owns the paymasters."""

API_KEY = "wrk_dev_everyone_knows_this_key"
"""The API key that only `dev` on a loopback address accepts. It is published."""
