"""All state-changing functions of the contracts that a session can reach, classified by the grants that may name them.

Selectors and signatures are written by hand, independently of the lists in `guard`. `test_classed_functions` compares
them with the published interfaces, in both directions, and with the guard.
"""

from __future__ import annotations

OPERATION = "(address,uint256,bytes,bytes,bytes32,uint256,bytes32,bytes,bytes)"
ENTRY_POINT_OPERATION = "address,uint256,uint256,uint256,uint256,uint256,uint256,address,uint256,uint256"
MANIFEST = "((bytes4,bool,bool)[],(bytes4,uint32,bool,bool)[],bytes4[])"
ROWS = "(address,bool,bool,uint256,bytes4[])[]"
SIGNATURE = "uint8,bytes32,bytes32"

FORBIDDEN_EVERYWHERE = {
    "b61d27f6": "execute(address,uint256,bytes)",
    "34fcd5be": "executeBatch((address,uint256,bytes)[])",
    "8dd7712f": f"executeUserOp({OPERATION},bytes32)",
    "f2680c0f": "executeWithRuntimeValidation(bytes,bytes)",
    "1bbf564c": "installValidation(bytes25,bytes4[],bytes,bytes[])",
    "b6b1ccfe": "uninstallValidation(bytes24,bytes,bytes[])",
    "001a63e9": f"installExecution(address,{MANIFEST},bytes)",
    "93b1dc61": f"uninstallExecution(address,{MANIFEST},bytes)",
    "5998db5c": "performCreate(uint256,bytes,bool,bytes32)",
    "4f1ef286": "upgradeToAndCall(address,bytes)",
    "30009d52": "updateFallbackSignerData(address,bool)",
    "19822f7c": f"validateUserOp({OPERATION},bytes32,uint256)",
    "c4d66de8": "initialize(address)",
    "e919a623": "initializeWithValidation(bytes25,bytes4[],bytes,bytes[])",
}
"""Functions of an account that neither `account-functions` nor a wildcard may name."""
SDK_MISTAKES = ("1d37e7d6", "0b7cad71")
"""Selectors that the official SDK blocks for installExecution and uninstallExecution; no function has them."""
FORBIDDEN_AS_WILDCARD = {
    "6d61fe70": "onInstall(bytes)",
    "8a91b0e3": "onUninstall(bytes)",
    "4aeb3b03": "transferSigner(uint32,address)",
    "a6910bf5": "transferSigner(uint32,uint256,uint256)",
    "e762c77c": "setTimeRange(uint32,uint48,uint48)",
    "71280be3": "updateLimits(uint32,uint256)",
    "5c6e5169": "updateSpecialPaymaster(address,bool)",
    "4380c278": "updateLimits(uint32,address,bool,uint256)",
    "798053f1": f"updateAllowlist(uint32,{ROWS})",
    "c67151f6": f"deleteAllowlist(uint32,{ROWS})",
    "77a04242": "setAddressAllowlist(uint32,address,bool,bool,bool)",
    "e1ded0b0": "setSelectorAllowlist(uint32,address,bytes4,bool)",
    "ed6dfb13": "preExecutionHook(uint32,address,uint256,bytes)",
    "2a3d428c": f"preUserOpValidationHook(uint32,{OPERATION},bytes32)",
    "0396cb60": "addStake(uint32)",
    "bb9fe6bf": "unlockStake()",
    "c23a5cea": "withdrawStake(address)",
    "205c2878": "withdrawTo(address,uint256)",
    "0bd28e3b": "incrementNonce(uint192)",
}
"""Functions of the modules and of EntryPoint that write their state for the calling account."""
ALLOWED = {
    # EntryPoint: a deposit for another account is an ordinary payment, within the native limit; operations contain
    # their own signatures and are rejected within an operation; only EntryPoint may call the others, or they revert
    "b760faf9": "depositTo(address)",
    "765e827f": f"handleOps({OPERATION}[],address)",
    "dbed18e0": f"handleAggregatedOps(({OPERATION}[],address,bytes)[],address)",
    "0042dc53": f"innerHandleOp(bytes,(({ENTRY_POINT_OPERATION}),bytes32,uint256,uint256,uint256),bytes)",
    "850aaf62": "delegateAndRevert(address,bytes)",
    "9b249f69": "getSenderAddress(bytes)",
    # AccountFactory: creates accounts of others; the other functions are only for its owner
    "afa63a10": "createAccount(address,uint256,uint32)",
    "8b4e464e": "createSemiModularAccount(address,uint256)",
    "4659e0e3": "createWebAuthnAccount(uint256,uint256,uint256,uint32)",
    "79ba5097": "acceptOwnership()",
    "f2fde38b": "transferOwnership(address)",
    "d9caed12": "withdraw(address,address,uint256)",
    # tokens: a wildcard explicitly covers every token
    "a9059cbb": "transfer(address,uint256)",
    "095ea7b3": "approve(address,uint256)",
    "23b872dd": "transferFrom(address,address,uint256)",
    "d505accf": f"permit(address,address,uint256,uint256,{SIGNATURE})",
    "9fd5a6cf": "permit(address,address,uint256,uint256,bytes)",
    "40c10f19": "mint(address,uint256)",
    "42842e0e": "safeTransferFrom(address,address,uint256)",
    "b88d4fde": "safeTransferFrom(address,address,uint256,bytes)",
    "a22cb465": "setApprovalForAll(address,bool)",
    "2eb2c2d6": "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
    "f242432a": "safeTransferFrom(address,address,uint256,uint256,bytes)",
    "3177029f": "approveAndCall(address,uint256)",
    "cae9ca51": "approveAndCall(address,uint256,bytes)",
    "1296ee62": "transferAndCall(address,uint256)",
    "4000aea0": "transferAndCall(address,uint256,bytes)",
    "d8fbe994": "transferFromAndCall(address,address,uint256)",
    "c1d34b89": "transferFromAndCall(address,address,uint256,bytes)",
    "ef55bec6": f"receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,{SIGNATURE})",
    "e3ee160e": f"transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,{SIGNATURE})",
    "42232a4c": "temporaryApprove(address,uint256)",
    "6e553f65": "deposit(uint256,address)",
    "94bf804d": "mint(uint256,address)",
    "ba087652": "redeem(uint256,address,address)",
    "b460af94": "withdraw(uint256,address,address)",
    "959b8c3f": "authorizeOperator(address)",
    "fad8b32a": "revokeOperator(address)",
    "9bd9bbc6": "send(address,uint256,bytes)",
    "62ad1b83": "operatorSend(address,address,uint256,bytes,bytes)",
    "fe9d9303": "burn(uint256,bytes)",
    "fc673c4f": "operatorBurn(address,uint256,bytes,bytes)",
}
"""Functions that a wildcard may name, since they do not change the session's limits."""
WITH_AN_ALLOWANCE = ("a9059cbb", "095ea7b3")
"""The two functions that `erc20-token-transfer` allows on its token: transfer and approve."""
PUBLISHED_WITHOUT_ABI = ("transferSigner(uint32,uint256,uint256)",)
"""A function of WebAuthnValidationModule. No package has its ABI, but the published bytecode has the selector."""
OURS_ALONE = {
    "TestToken": ("mint(address,uint256)", "permit(address,address,uint256,uint256,bytes)", "version()"),
    "AllowlistModule": ("checkAllowlistCalldata(bytes4,uint32,bytes)",),
}
"""Functions of the development chain's contracts that no published interface has."""

PROTECTED = {
    "EntryPoint": "0x0000000071727De22E5E9d8BAf0edAc6f37da032",
    "ExecutionInstallDelegate": "0x0000000000008e6a39E03C7156e46b238C9E2036",
    "SingleSignerValidationModule": "0x00000000000099DE0BF6fA90dEB851E2A2df7d83",
    "WebAuthnValidationModule": "0x0000000000001D9d34E07D9834274dF9ae575217",
    "AllowlistModule v2.0.1": "0x00000000003e826473a313e600b5b9b791f5a59a",
    "AllowlistModule": "0x0000000000002311EEE9A2B887af1F144dbb4F6e",
    "NativeTokenLimitModule": "0x00000000000001e541f0D090868FBe24b59Fbe06",
    "PaymasterGuardModule": "0x0000000000001aA7A7F7E29abe0be06c72FD42A1",
    "TimeRangeModule": "0x00000000000082B8e2012be914dFA4f62A0573eA",
}
"""Contracts that store an account's keys, limits, nonces or deposit; no permission may name them."""
OPEN = {
    "Create2Deployer": "0x4e59b44847b379578588920cA78FbF26c0B4956C",
    "AccountFactory": "0x00000000000017c61b5bEe81050EC8eFc9c6fecd",
    "WebAuthnFactory": "0x55010E571dCf07e254994bfc88b9C1C8FAe31960",
    "SemiModularAccountBytecode": "0x000000000000c5A9089039570Dd36455b5C07383",
    "SemiModularAccount7702": "0x69007702764179f14F51cdce752f4f775d74E139",
    "SemiModularAccount7702 v1.1": "0x77021100bD87b7008E5E1989d0eB38555d0d0000",
    "SemiModularAccountStorageOnly": "0x0000000000006E2f9d80CaEc0Da6500f005EB25A",
    "ModularAccount": "0x00000000000002377B26b1EdA7b0BC371C60DD4f",
}
"""Contracts without state of the accounts that call them."""
