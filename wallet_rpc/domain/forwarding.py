"""Functions that matter for warnings about a grant: those that move or approve tokens, and those that forward calls.

The rule for forwarders is a list of known functions. A contract that forwards calls through another function is not
found, and a listed function may have bounds of its own. Sources: ERC-20, ERC-721, ERC-777, ERC-1155, ERC-1363,
ERC-2612, ERC-4626, ERC-6909, Permit2, DAI (tokens); Multicall3, Safe, Zodiac, OpenZeppelin, Uniswap, 0x, ERC-6551,
ERC-7579, Compound, Modular Account (forwarders).
"""

from __future__ import annotations

import re

from wallet_rpc.domain.abi import selector_of
from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.primitives import Address, Selector

TOKEN_FUNCTIONS = {
    selector_of(signature): signature
    for signature in (
        "transfer(address,uint256)",
        "approve(address,uint256)",
        "transferFrom(address,address,uint256)",
        "increaseAllowance(address,uint256)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
        "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
        "permit(address,address,uint256,uint256,bytes)",
        "setApprovalForAll(address,bool)",
        "safeTransferFrom(address,address,uint256)",
        "safeTransferFrom(address,address,uint256,bytes)",
        "safeTransferFrom(address,address,uint256,uint256,bytes)",
        "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
        "send(address,uint256,bytes)",
        "authorizeOperator(address)",
        "transferAndCall(address,uint256)",
        "transferAndCall(address,uint256,bytes)",
        "approveAndCall(address,uint256)",
        "approveAndCall(address,uint256,bytes)",
        "transfer(address,uint256,uint256)",
        "approve(address,uint256,uint256)",
        "setOperator(address,bool)",
        "withdraw(uint256,address,address)",
        "redeem(uint256,address,address)",
        "approve(address,address,uint160,uint48)",
        "transferFrom(address,address,uint160,address)",
    )
}
"""Functions of tokens, and of Permit2, that move the caller's tokens or let others move them."""
FORWARDERS = {
    selector_of(signature): signature
    for signature in (
        "execute(address,uint256,bytes)",
        "execute(address,uint256,bytes,uint8)",
        "execute(address,uint256,bytes,bytes32,bytes32)",
        "execute((address,uint256,bytes)[])",
        "execute(bytes32,bytes)",
        "execute(bytes,bytes[])",
        "execute(bytes,bytes[],uint256)",
        "executeBatch((address,uint256,bytes)[])",
        "executeBatch(address[],bytes[])",
        "executeBatch(address[],uint256[],bytes[])",
        "executeCall(address,uint256,bytes)",
        "executeFromExecutor(bytes32,bytes)",
        "executeTransaction(address,uint256,string,bytes,uint256)",
        "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
        "execTransactionFromModule(address,uint256,bytes,uint8)",
        "execTransactionFromModuleReturnData(address,uint256,bytes,uint8)",
        "exec(address,address,uint256,address,bytes)",
        "aggregate((address,bytes)[])",
        "aggregate3((address,bool,bytes)[])",
        "aggregate3Value((address,bool,uint256,bytes)[])",
        "tryAggregate(bool,(address,bytes)[])",
        "blockAndAggregate((address,bytes)[])",
        "tryBlockAndAggregate(bool,(address,bytes)[])",
        "multicall(address[],bytes[])",
        "multiSend(bytes)",
        "multiSendCallOnly(bytes)",
        "forward(address,bytes)",
        "forward(address,uint256,bytes)",
        "functionCall(address,bytes)",
        "call(address,bytes)",
        "call(address,uint256,bytes)",
        "proxy(address,uint256,bytes)",
        "invoke(address,uint256,bytes)",
        "submitTransaction(address,uint256,bytes)",
    )
}
"""Functions that call any contract with call data of the caller's choice."""
SELF_FORWARDERS = {
    selector_of(signature): signature
    for signature in ("multicall(bytes[])", "multicall(uint256,bytes[])", "multicall(bytes32,bytes[])")
}
"""Functions that call any function of their own contract: the list of a contract's allowed functions does not hold."""
_IN_CODE = re.compile(b"|".join(re.escape(selector) for selector in FORWARDERS), re.DOTALL)
_MINIMAL_PROXY = re.compile(
    rb"\x36\x3d\x3d\x37\x3d\x3d\x3d\x36\x3d\x73(.{20})\x5a\xf4\x3d\x82\x80\x3e\x90\x3d\x91\x60\x2b\x57\xfd\x5b\xf3"
    rb"|\x36\x3d\x3d\x37\x3d\x3d\x3d\x3d\x36\x3d\x73(.{20})\x5a\xf4",
    re.DOTALL,
)
"""The code of a minimal proxy (EIP-1167), and of its shorter form in Solady."""


def find_forwarders(code: bytes) -> tuple[str, ...]:
    """Return the signatures of the functions in `FORWARDERS` whose selectors are in a contract's code."""
    found = dict.fromkeys(Selector(each) for each in _IN_CODE.findall(code))
    return tuple(FORWARDERS[each] for each in found)


def find_implementation(code: bytes) -> Address | None:
    """Return the contract that a code names as the one to run: of a delegation (EIP-7702), or a proxy (EIP-1167)."""
    delegate = delegate_of(code)
    if delegate is not None:
        return delegate
    proxy = _MINIMAL_PROXY.match(code)
    return None if proxy is None else Address(proxy[1] or proxy[2])


def has_implementation_slot(code: bytes) -> bool:
    """Return True if a code contains the number of ERC-1967's slot, from which a proxy reads its implementation."""
    return bytes(IMPLEMENTATION_SLOT) in code


def parse_implementation(word: bytes) -> Address | None:
    """Return the address in the word of ERC-1967's slot; None if the word is no address."""
    return Address(word[12:]) if any(word) and not any(word[:12]) else None
