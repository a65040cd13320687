"""Names of the contracts that a development chain has."""

from __future__ import annotations

from collections.abc import Iterable

from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER, TEST_TOKEN
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE_V2_0_0,
    CREATE2_DEPLOYER,
    EXECUTION_INSTALL_DELEGATE,
    MODULAR_ACCOUNT,
    PAYMASTER_GUARD_MODULE,
    REQUIRED_CONTRACTS,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
    SEMI_MODULAR_ACCOUNT_STORAGE_ONLY,
    WEBAUTHN_FACTORY,
    WEBAUTHN_MODULE,
)
from wallet_rpc.primitives import Address

SENDER_CREATOR = Address.parse("0xEFC2c1444eBCC4Db75e7613d20C6a62fF67A167C")
"""SenderCreator, which EntryPoint v0.7 creates in its constructor."""

CONTRACT_NAMES = {
    CREATE2_DEPLOYER: "CREATE2 deployer",
    **REQUIRED_CONTRACTS,
    SENDER_CREATOR: "SenderCreator",
    SEMI_MODULAR_ACCOUNT_7702_V1_1: "SemiModularAccount7702 v1.1.0",
    PAYMASTER_GUARD_MODULE: "PaymasterGuardModule",
    MODULAR_ACCOUNT: "ModularAccount",
    SEMI_MODULAR_ACCOUNT_STORAGE_ONLY: "SemiModularAccountStorageOnly",
    EXECUTION_INSTALL_DELEGATE: "ExecutionInstallDelegate",
    ALLOWLIST_MODULE_V2_0_0: "AllowlistModule v2.0.0",
    WEBAUTHN_MODULE: "WebAuthnValidationModule",
    WEBAUTHN_FACTORY: "WebAuthnFactory",
    TEST_TOKEN: "TestToken",
    PAYMASTER: "VerifyingPaymaster",
    ERC20_PAYMASTER: "TokenPaymaster",
}
"""The name of each contract; the order is that of reports, with the contracts that others need first."""


def contract_name(address: Address) -> str:
    """Return the contract's name; `contract` for an address that deployment records have added."""
    return CONTRACT_NAMES.get(address, "contract")


def sort_contracts(addresses: Iterable[Address]) -> list[Address]:
    """Sort addresses in the order of `CONTRACT_NAMES`, with those of other contracts last."""
    order = {address: number for number, address in enumerate(CONTRACT_NAMES)}
    return sorted(addresses, key=lambda address: (order.get(address, len(order)), address))
