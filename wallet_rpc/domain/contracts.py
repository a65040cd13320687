"""The contracts that the wallet uses; each has the same address on every chain.

Source: ERC-4337 EntryPoint v0.7; Modular Account, `deployments/v2/Deployments.md`.
"""

from __future__ import annotations

from wallet_rpc.primitives import Address


def _address(text: str) -> Address:
    return Address.parse(text)


ENTRY_POINT = _address("0x0000000071727De22E5E9d8BAf0edAc6f37da032")
"""EntryPoint v0.7."""
CREATE2_DEPLOYER = _address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""CREATE2 deployer; its call data is salt (32 bytes) | creation code."""
ACCOUNT_FACTORY = _address("0x00000000000017c61b5bEe81050EC8eFc9c6fecd")
"""AccountFactory v2.0.0: deploys semi-modular and modular accounts."""
WEBAUTHN_FACTORY = _address("0x55010E571dCf07e254994bfc88b9C1C8FAe31960")
"""WebAuthnFactory v2.0.1: deploys modular accounts owned by a passkey."""
SEMI_MODULAR_ACCOUNT_BYTECODE = _address("0x000000000000c5A9089039570Dd36455b5C07383")
"""Implementation of `sma-b`: the owner is part of the proxy's code."""
SEMI_MODULAR_ACCOUNT_7702 = _address("0x69007702764179f14F51cdce752f4f775d74E139")
"""Implementation for delegation by an externally owned account, v1.0.0 (EIP-7702)."""
SEMI_MODULAR_ACCOUNT_7702_V1_1 = _address("0x77021100bD87b7008E5E1989d0eB38555d0d0000")
"""Implementation for delegation, v1.1.0 (EIP-7702): its ERC-1271 check also accepts the owner's raw signature."""
SEMI_MODULAR_ACCOUNT_STORAGE_ONLY = _address("0x0000000000006E2f9d80CaEc0Da6500f005EB25A")
"""Implementation that a `sma-b` may be upgraded to: the owner is in storage."""
MODULAR_ACCOUNT = _address("0x00000000000002377B26b1EdA7b0BC371C60DD4f")
"""Implementation of modular accounts: all its validations are modules."""
EXECUTION_INSTALL_DELEGATE = _address("0x0000000000008e6a39E03C7156e46b238C9E2036")
"""Contract with the account's code for installing execution functions."""
SINGLE_SIGNER_MODULE = _address("0x00000000000099DE0BF6fA90dEB851E2A2df7d83")
"""SingleSignerValidationModule: one signer for each (entity id, account)."""
WEBAUTHN_MODULE = _address("0x0000000000001D9d34E07D9834274dF9ae575217")
"""WebAuthnValidationModule: one passkey for each (entity id, account)."""
ALLOWLIST_MODULE = _address("0x00000000003e826473a313e600b5b9b791f5a59a")
"""AllowlistModule v2.0.1: targets, selectors and token limits."""
ALLOWLIST_MODULE_V2_0_0 = _address("0x0000000000002311EEE9A2B887af1F144dbb4F6e")
"""AllowlistModule v2.0.0, superseded; never installed by this server."""
NATIVE_TOKEN_LIMIT_MODULE = _address("0x00000000000001e541f0D090868FBe24b59Fbe06")
"""NativeTokenLimitModule: limits on value and on gas, in wei."""
PAYMASTER_GUARD_MODULE = _address("0x0000000000001aA7A7F7E29abe0be06c72FD42A1")
"""PaymasterGuardModule: only one paymaster may pay."""
TIME_RANGE_MODULE = _address("0x00000000000082B8e2012be914dFA4f62A0573eA")
"""TimeRangeModule: valid after and valid until, in seconds, both inclusive."""
DELEGATES = frozenset({SEMI_MODULAR_ACCOUNT_7702, SEMI_MODULAR_ACCOUNT_7702_V1_1})
"""Supported implementations of a delegated externally owned account. New delegations use v1.0.0."""
IMPLEMENTATIONS = frozenset({SEMI_MODULAR_ACCOUNT_BYTECODE, SEMI_MODULAR_ACCOUNT_STORAGE_ONLY})
"""Implementations with which the factory's proxy is a semi-modular account."""
MODULES = frozenset(
    {
        SINGLE_SIGNER_MODULE,
        WEBAUTHN_MODULE,
        ALLOWLIST_MODULE,
        ALLOWLIST_MODULE_V2_0_0,
        NATIVE_TOKEN_LIMIT_MODULE,
        PAYMASTER_GUARD_MODULE,
        TIME_RANGE_MODULE,
    }
)
"""All modules. Each stores state for the account that calls it, so a call by the account can change its own limits."""

REQUIRED_CONTRACTS = {
    ENTRY_POINT: "EntryPoint v0.7",
    ACCOUNT_FACTORY: "AccountFactory",
    SEMI_MODULAR_ACCOUNT_BYTECODE: "SemiModularAccountBytecode",
    SEMI_MODULAR_ACCOUNT_7702: "SemiModularAccount7702",
    SINGLE_SIGNER_MODULE: "SingleSignerValidationModule",
    ALLOWLIST_MODULE: "AllowlistModule v2.0.1",
    NATIVE_TOKEN_LIMIT_MODULE: "NativeTokenLimitModule",
    TIME_RANGE_MODULE: "TimeRangeModule",
}
"""The contracts that a chain must have for accounts and sessions to work, with their names."""
