"""`eth_call` and `eth_estimateGas`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from eth.exceptions import InsufficientFunds, OutOfGas

from wallet_rpc.devchain.block_reference import BlockReference, resolve_height
from wallet_rpc.devchain.call_request import BlockOverrides, CallRequest, Overrides, call_of, overrides_of
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import ExecutionResult, MessageCall, intrinsic_gas
from wallet_rpc.devchain.execution import NO_BLOCK_OVERRIDE, BlockOverride, Override
from wallet_rpc.devchain.node_errors import CallReverted, NodeRejection
from wallet_rpc.domain.gas import TRANSACTION_GAS, floor_gas
from wallet_rpc.domain.revert import Cause, explain
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Data, Gas
from wallet_rpc.wire import shape

_STIPEND = 2_300
"""The gas that a call with value gives its callee on top of the gas passed on."""
_CLOSE_PERCENT = 1
"""The precision of a search for the least gas, in percent."""


@shape
class EthCallRequest:
    """A call, its block, and overrides of state and block."""

    transaction: CallRequest
    block: BlockReference | None = "latest"
    overrides: Overrides | None = None
    block_overrides: BlockOverrides | None = None


@shape
class EstimateGasRequest:
    """A transaction to estimate, its block (by default the next block), and overrides."""

    transaction: CallRequest
    block: BlockReference | None = "pending"
    overrides: Overrides | None = None
    block_overrides: BlockOverrides | None = None


@contextmanager
def translate_start_errors(call: MessageCall) -> Iterator[None]:
    """Translate the errors of a call that cannot start, by too little gas or balance, to NodeRejection."""
    try:
        yield
    except InsufficientFunds as error:
        raise NodeRejection("insufficient funds for transfer", reason="insufficient_funds") from error
    except OutOfGas as error:
        text = f"intrinsic gas too low: have {call.gas}, want {intrinsic_gas(call)}"
        raise NodeRejection(text, reason="intrinsic_gas") from error


@dataclass(frozen=True, slots=True)
class CallEnvironment:
    """The state and the block of a request's call."""

    chain: Blockchain
    number: int | None
    overrides: Mapping[bytes, Override]
    block: BlockOverride

    def run(self, call: MessageCall) -> ExecutionResult:
        """Run the call. Raises: NodeRejection when it cannot start: too little gas or balance."""
        with translate_start_errors(call):
            return self.chain.call(call, number=self.number, overrides=self.overrides, block=self.block)

    def balance(self, address: bytes) -> int:
        """Return the account's balance in wei, with overrides applied."""
        override = self.overrides.get(bytes(address))
        if override is None or override.balance is None:
            return self.chain.balance(address, self.number)
        return override.balance


async def call(context: DevChain, request: EthCallRequest) -> Data:
    """`eth_call`. Raises: CallReverted with the raw revert data; NodeRejection for any other failure."""
    request.transaction.check_call()
    environment = _build_environment(context.chain, request)
    if environment.number is not None:  # the newest state alone has an identity
        return _run_call(environment, request)
    return context.recent_calls.get_or_run(context.chain, repr(request), partial(_run_call, environment, request))


def _run_call(environment: CallEnvironment, request: EthCallRequest) -> Data:
    outcome = environment.run(call_of(environment.chain, request.transaction, block=environment.block))
    if not outcome.success:
        raise build_eth_call_error(outcome)
    return Data(outcome.output)


async def estimate_gas(context: DevChain, request: EstimateGasRequest) -> int:
    """`eth_estimateGas`: a gas limit with which the transaction was run and succeeded."""
    chain, transaction = context.chain, request.transaction
    environment = _build_environment(chain, request)
    widest = call_of(chain, transaction, gas=_affordable_gas(environment, transaction), block=environment.block)
    plain = max(intrinsic_gas(widest), floor_gas(widest.data))
    is_transfer = not widest.data and widest.to is not None and plain <= widest.gas
    if is_transfer and environment.run(replace(widest, gas=plain)).success:
        return plain
    outcome = environment.run(widest)
    if not outcome.success:
        out_of_gas = any(frame.ran_out_of_gas for frame in outcome.frame.walk()) and not outcome.output
        if out_of_gas and widest.gas < chain.gas_limit:
            raise NodeRejection(f"gas required exceeds allowance ({widest.gas})", reason="out_of_gas")
        raise build_eth_call_error(outcome)
    return _find_least_gas(environment, widest, outcome)


def build_eth_call_error(outcome: ExecutionResult) -> WalletError:
    """Build the error of a call that failed, with geth's message."""
    if outcome.error != "execution reverted":
        return NodeRejection(outcome.error or "execution failed", reason="execution_failed")
    match explain(outcome.output).causes:
        case (Cause("Error", (str() as text,)), *_):
            return CallReverted(f"execution reverted: {text}", outcome.output)
        case (Cause("Panic") as panic, *_):
            return CallReverted(f"execution reverted: {panic.text.partition(': ')[2]}", outcome.output)
        case _:
            return CallReverted("execution reverted", outcome.output)


def _build_environment(chain: Blockchain, request: EthCallRequest | EstimateGasRequest) -> CallEnvironment:
    request.transaction.check(chain.config.chain_id)
    return CallEnvironment(
        chain,
        resolve_height(chain, request.block),
        overrides_of(request.overrides),
        NO_BLOCK_OVERRIDE if request.block_overrides is None else request.block_overrides.to_domain(),
    )


def _affordable_gas(environment: CallEnvironment, request: CallRequest) -> int | None:
    """Return the request's gas limit, or a block's, cut to the amount that the sender can pay at the request's fee.

    A limit below the cost of any transaction counts as absent, as in geth.
    """
    limit = None if request.gas is not None and request.gas < TRANSACTION_GAS else request.gas
    if request.sender is None or request.fee is None:
        return environment.chain.gas_limit if limit is None else limit
    balance = environment.balance(request.sender)
    value = 0 if request.value is None else request.value
    if balance < value:
        raise NodeRejection("insufficient funds for transfer", reason="insufficient_funds")
    allowance = (balance - value) // request.fee
    if allowance < TRANSACTION_GAS:
        raise _insufficient_funds_error(request.sender, balance, TRANSACTION_GAS * request.fee + value)
    return min(environment.chain.gas_limit if limit is None else limit, allowance)


def _insufficient_funds_error(sender: bytes, balance: int, cost: int) -> NodeRejection:
    text = f"insufficient funds for gas * price + value: address {Address(sender)} have {balance} want {cost}"
    return NodeRejection(text, reason="insufficient_funds")


def _find_least_gas(environment: CallEnvironment, widest: MessageCall, outcome: ExecutionResult) -> int:
    """Search a gas limit close to the least that works. Usually the first trial already succeeds."""
    fixed = intrinsic_gas(widest)
    needed = max(fixed + outcome.frame.needed_gas, outcome.gas_used + outcome.gas_refunded, floor_gas(widest.data))
    low = needed - 1
    for gas in (needed, (needed + _STIPEND) * 64 // 63 + 1):
        if gas >= widest.gas:
            break
        if environment.run(replace(widest, gas=gas)).success:
            return gas
        low = gas
    high = widest.gas
    while (high - low) * 100 > high * _CLOSE_PERCENT:
        middle = min((low + high) // 2, 2 * low)
        low, high = (low, middle) if environment.run(replace(widest, gas=middle)).success else (middle, high)
    return high


OPERATIONS = (
    Operation("eth_call", EthCallRequest, Data, call, positional=True),
    Operation("eth_estimateGas", EstimateGasRequest, Gas, estimate_gas, positional=True),
)
"""Methods that run code without storing anything."""
