"""The functions that calls are decoded by without an ABI of the request: standards of tokens, routers, the account.

Sources: ERC-20, ERC-721, ERC-1155, ERC-2612, ERC-4626, WETH9, Permit2, Multicall3, the routers of Uniswap v2, v3 and
the universal router, Modular Account v2 and its modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from wallet_rpc.domain.decoding.functions import AbiFunction, parse_signature
from wallet_rpc.primitives import Selector

_SWAP_TAIL = "address[] path, address to, uint256 deadline)"
_POOL = "address tokenA, address tokenB"
_EXACT_INPUT = "uint256 amountIn@tokenIn, uint256 amountOutMinimum@tokenOut, uint160 sqrtPriceLimitX96) params)"
_EXACT_OUTPUT = "uint256 amountOut@tokenOut, uint256 amountInMaximum@tokenIn, uint160 sqrtPriceLimitX96) params)"
_PERMIT_TAIL = "uint256 deadline, uint8 v, bytes32 r, bytes32 s)"

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "erc20": (
        "transfer(address to, uint256 amount@self)",
        "approve(address spender, uint256 amount@self)",
        "transferFrom(address from, address to, uint256 amount@self)",
        "increaseAllowance(address spender, uint256 addedValue@self)",
        "decreaseAllowance(address spender, uint256 subtractedValue@self)",
        "mint(address to, uint256 amount@self)",
        "burn(uint256 amount@self)",
        "burnFrom(address account, uint256 amount@self)",
        f"permit(address owner, address spender, uint256 value@self, {_PERMIT_TAIL}",
    ),
    "erc721": (
        "safeTransferFrom(address from, address to, uint256 tokenId)",
        "safeTransferFrom(address from, address to, uint256 tokenId, bytes data)",
        "setApprovalForAll(address operator, bool approved)",
    ),
    "erc1155": (
        "safeTransferFrom(address from, address to, uint256 id, uint256 amount, bytes data)",
        "safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] amounts, bytes data)",
    ),
    "erc4626": (
        "deposit(uint256 assets, address receiver)",
        "mint(uint256 shares@self, address receiver)",
        "withdraw(uint256 assets, address receiver, address owner)",
        "redeem(uint256 shares@self, address receiver, address owner)",
    ),
    "weth": ("deposit()", "withdraw(uint256 amount@self)"),
    "permit2": (
        "approve(address token, address spender, uint160 amount@token, uint48 expiration)",
        "transferFrom(address from, address to, uint160 amount@token, address token)",
        "permit(address owner, ((address token, uint160 amount@token, uint48 expiration, uint48 nonce) details, "
        "address spender, uint256 sigDeadline) permitSingle, bytes signature)",
    ),
    "multicall": (
        "multicall(bytes[] data>self)",
        "multicall(uint256 deadline, bytes[] data>self)",
        "aggregate((address target, bytes callData>target)[] calls)",
        "aggregate3((address target, bool allowFailure, bytes callData>target)[] calls)",
        "aggregate3Value((address target, bool allowFailure, uint256 value, bytes callData>target)[] calls)",
        "tryAggregate(bool requireSuccess, (address target, bytes callData>target)[] calls)",
        "blockAndAggregate((address target, bytes callData>target)[] calls)",
    ),
    "uniswap-v2": (
        f"swapExactTokensForTokens(uint256 amountIn@path.0, uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        f"swapTokensForExactTokens(uint256 amountOut@path.-1, uint256 amountInMax@path.0, {_SWAP_TAIL}",
        f"swapExactETHForTokens(uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        f"swapTokensForExactETH(uint256 amountOut@path.-1, uint256 amountInMax@path.0, {_SWAP_TAIL}",
        f"swapExactTokensForETH(uint256 amountIn@path.0, uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        f"swapETHForExactTokens(uint256 amountOut@path.-1, {_SWAP_TAIL}",
        "swapExactTokensForTokensSupportingFeeOnTransferTokens(uint256 amountIn@path.0, "
        f"uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        f"swapExactETHForTokensSupportingFeeOnTransferTokens(uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        "swapExactTokensForETHSupportingFeeOnTransferTokens(uint256 amountIn@path.0, "
        f"uint256 amountOutMin@path.-1, {_SWAP_TAIL}",
        f"addLiquidity({_POOL}, uint256 amountADesired@tokenA, uint256 amountBDesired@tokenB, "
        "uint256 amountAMin@tokenA, uint256 amountBMin@tokenB, address to, uint256 deadline)",
        "addLiquidityETH(address token, uint256 amountTokenDesired@token, uint256 amountTokenMin@token, "
        "uint256 amountETHMin, address to, uint256 deadline)",
        f"removeLiquidity({_POOL}, uint256 liquidity, uint256 amountAMin@tokenA, uint256 amountBMin@tokenB, "
        "address to, uint256 deadline)",
        "removeLiquidityETH(address token, uint256 liquidity, uint256 amountTokenMin@token, uint256 amountETHMin, "
        "address to, uint256 deadline)",
        "swapExactTokensForTokens(uint256 amountIn@path.0, uint256 amountOutMin@path.-1, address[] path, address to)",
        "swapTokensForExactTokens(uint256 amountOut@path.-1, uint256 amountInMax@path.0, address[] path, address to)",
    ),
    "uniswap-v3": (
        f"exactInputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, {_EXACT_INPUT}",
        "exactInputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, uint256 deadline, "
        f"{_EXACT_INPUT}",
        f"exactOutputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, {_EXACT_OUTPUT}",
        "exactOutputSingle((address tokenIn, address tokenOut, uint24 fee, address recipient, uint256 deadline, "
        f"{_EXACT_OUTPUT}",
        "exactInput((bytes path, address recipient, uint256 amountIn, uint256 amountOutMinimum) params)",
        "exactInput((bytes path, address recipient, uint256 deadline, uint256 amountIn, uint256 amountOutMinimum) "
        "params)",
        "exactOutput((bytes path, address recipient, uint256 amountOut, uint256 amountInMaximum) params)",
        "exactOutput((bytes path, address recipient, uint256 deadline, uint256 amountOut, uint256 amountInMaximum) "
        "params)",
        "unwrapWETH9(uint256 amountMinimum, address recipient)",
        "unwrapWETH9(uint256 amountMinimum)",
        "refundETH()",
        "wrapETH(uint256 value)",
        "sweepToken(address token, uint256 amountMinimum@token, address recipient)",
        "sweepToken(address token, uint256 amountMinimum@token)",
        f"selfPermit(address token, uint256 value@token, {_PERMIT_TAIL}",
    ),
    "universal-router": (
        "execute(bytes commands, bytes[] inputs, uint256 deadline)",
        "execute(bytes commands, bytes[] inputs)",
    ),
    "account": (
        "execute(address target, uint256 value, bytes data>target)",
        "executeBatch((address target, uint256 value, bytes data>target)[] calls)",
        "executeWithRuntimeValidation(bytes data>self, bytes authorization)",
        "installValidation(bytes25 validationConfig, bytes4[] selectors, bytes installData, bytes[] hooks)",
        "uninstallValidation(bytes24 validationFunction, bytes uninstallData, bytes[] hookUninstallData)",
        "performCreate(uint256 value, bytes initCode, bool isCreate2, bytes32 salt)",
        "upgradeToAndCall(address newImplementation, bytes data)",
        "updateFallbackSignerData(address fallbackSigner, bool isDisabled)",
        "getValidationData(bytes24 validationFunction)",
        "isValidSignature(bytes32 hash, bytes signature)",
    ),
    "account-modules": (
        "onInstall(bytes data)",
        "onUninstall(bytes data)",
        "transferSigner(uint32 entityId, address newSigner)",
        "setTimeRange(uint32 entityId, uint48 validUntil, uint48 validAfter)",
        "updateLimits(uint32 entityId, uint256 newLimit)",
        "updateLimits(uint32 entityId, address token, bool hasERC20SpendLimit, uint256 newLimit@token)",
        "updateSpecialPaymaster(address paymaster, bool allowed)",
        "setAddressAllowlist(uint32 entityId, address target, bool allowed, bool hasSelectorAllowlist, "
        "bool hasERC20SpendLimit)",
        "setSelectorAllowlist(uint32 entityId, address target, bytes4 selector, bool allowed)",
        "updateAllowlist(uint32 entityId, (address target, bool hasSelectorAllowlist, bool hasERC20SpendLimit, "
        "uint256 erc20SpendLimit@target, bytes4[] selectors)[] inputs)",
        "deleteAllowlist(uint32 entityId, (address target, bool hasSelectorAllowlist, bool hasERC20SpendLimit, "
        "uint256 erc20SpendLimit@target, bytes4[] selectors)[] inputs)",
    ),
    "entry-point": (
        "depositTo(address account)",
        "withdrawTo(address withdrawAddress, uint256 withdrawAmount)",
        "incrementNonce(uint192 key)",
    ),
}
"""The bundled signatures by their standard; the marks after names are those of `parse_signature`."""


@cache
def bundled_functions() -> Mapping[Selector, AbiFunction]:
    """Return the bundled functions by their selectors."""
    pairs = ((text, source) for source, texts in SIGNATURES.items() for text in texts)
    functions = (parse_signature(text, source, is_marked=True) for text, source in pairs)
    return {function.selector: function for function in functions}
