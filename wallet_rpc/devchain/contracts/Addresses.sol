// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

// The canonical addresses, the same on every chain. Genesis sets the code without running a constructor,
// so they are constants and not immutables; accounts get the CREATE2 addresses that they have in production.

address constant ENTRY_POINT = 0x0000000071727De22E5E9d8BAf0edAc6f37da032;
address constant SEMI_MODULAR_ACCOUNT_BYTECODE = 0x000000000000c5A9089039570Dd36455b5C07383;
address constant SEMI_MODULAR_ACCOUNT_7702_V1_0 = 0x69007702764179f14F51cdce752f4f775d74E139;
address constant SEMI_MODULAR_ACCOUNT_7702_V1_1 = 0x77021100bD87b7008E5E1989d0eB38555d0d0000;
address constant MODULAR_ACCOUNT = 0x00000000000002377B26b1EdA7b0BC371C60DD4f;
address constant SINGLE_SIGNER_MODULE = 0x00000000000099DE0BF6fA90dEB851E2A2df7d83;
address constant WEBAUTHN_MODULE = 0x0000000000001D9d34E07D9834274dF9ae575217;
