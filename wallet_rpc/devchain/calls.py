"""`eth_call` and `eth_estimateGas`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from eth.exceptions import InsufficientFunds, OutOfGas

from wallet_rpc.devchain.block_reference import BlockReference, height
from wallet_rpc.devchain.call_request import CallRequest, Overrides, call_of, overrides_of
from wallet_rpc.devchain.chain import Chain
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.evm import Call, Outcome, floor_gas, intrinsic_gas
from wallet_rpc.devchain.faults import CallReverted, NodeRefusal
from wallet_rpc.devchain.runs import Override
from wallet_rpc.domain.revert import Cause, explain
from wallet_rpc.errors import WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Data, Gas
from wallet_rpc.wire import shape

_PLAIN_GAS = 21_000
_STIPEND = 2_300
"""What a call with value gives its callee beyond what it was given."""
_CLOSE_PERCENT = 1
"""How near the least gas a search comes, in percent."""


@shape
class CallAt:
    """A call, the block it runs at, and state overrides."""

    transaction: CallRequest
    block: BlockReference | None = "latest"
    overrides: Overrides | None = None


@shape
class EstimateAt:
    """A transaction to estimate; in the block that would be mined now when none is named."""

    transaction: CallRequest
    block: BlockReference | None = "pending"
    overrides: Overrides | None = None


async def call(context: DevChain, request: CallAt) -> Data:
    """`eth_call`. Raises: CallReverted with the raw revert data; NodeRefusal for any other failure."""
    chain = context.chain
    number = height(chain, request.block)
    outcome = looked_at(chain, call_of(chain, request.transaction), number, overrides_of(request.overrides))
    if not outcome.success:
        raise failure(outcome)
    return Data(outcome.output)


async def estimate(context: DevChain, request: EstimateAt) -> int:
    """`eth_estimateGas`: a gas limit that was tried and with which the transaction succeeds."""
    chain, wanted = context.chain, request.transaction
    number = height(chain, request.block)
    overrides = overrides_of(request.overrides)
    most = call_of(chain, wanted, gas=_affordable(chain, wanted, number, overrides))

    def runs(gas: int) -> Outcome:
        return looked_at(chain, call_of(chain, wanted, gas=gas), number, overrides)

    if not most.data and most.to is not None and not chain.code(most.to, number) and most.authorizations == 0:
        return max(_PLAIN_GAS, intrinsic_gas(most)) if runs(most.gas).success else most.gas
    outcome = looked_at(chain, most, number, overrides)
    if not outcome.success:
        out_of_gas = any(frame.ran_out_of_gas for frame in outcome.frame.walk()) and not outcome.output
        if out_of_gas and most.gas < chain.config.gas_limit:
            raise NodeRefusal(f"gas required exceeds allowance ({most.gas})", reason="out_of_gas")
        raise failure(outcome)
    return _least(outcome, most, runs)


def looked_at(chain: Chain, call: Call, number: int | None, overrides: Mapping[bytes, Override]) -> Outcome:
    """The call's outcome. Raises: NodeRefusal when it cannot even start."""
    try:
        return chain.call(call, number=number, overrides=overrides)
    except InsufficientFunds as error:
        raise NodeRefusal("insufficient funds for transfer", reason="insufficient_funds") from error
    except OutOfGas as error:
        text = f"intrinsic gas too low: have {call.gas}, want {intrinsic_gas(call)}"
        raise NodeRefusal(text, reason="intrinsic_gas") from error


def failure(outcome: Outcome) -> WalletError:
    """The error of a call that failed, in geth's words."""
    if outcome.error != "execution reverted":
        return NodeRefusal(outcome.error or "execution failed", reason="execution_failed")
    match explain(outcome.output).causes:
        case (Cause("Error", (str() as text,)), *_):
            return CallReverted(f"execution reverted: {text}", outcome.output)
        case (Cause("Panic") as panic, *_):
            return CallReverted(f"execution reverted: {panic.text.partition(': ')[2]}", outcome.output)
        case _:
            return CallReverted("execution reverted", outcome.output)


def _affordable(
    chain: Chain, wanted: CallRequest, number: int | None, overrides: Mapping[bytes, Override]
) -> int | None:
    """The request's gas, or a block's, cut to what the sender can pay at the fee of the request."""
    if wanted.sender is None or wanted.fee is None:
        return wanted.gas
    override = overrides.get(bytes(wanted.sender))
    balance = chain.balance(wanted.sender, number) if override is None or override.balance is None else override.balance
    value = 0 if wanted.value is None else wanted.value
    if balance < value:
        raise NodeRefusal("insufficient funds for transfer", reason="insufficient_funds")
    limit = chain.config.gas_limit if wanted.gas is None else wanted.gas
    return min(limit, (balance - value) // wanted.fee)


def _least(outcome: Outcome, most: Call, runs: Callable[[int], Outcome]) -> int:
    """A limit close to the least that works. Usually the first try is the last."""
    fixed = intrinsic_gas(most)
    needed = max(fixed + outcome.frame.needed_gas, outcome.gas_used + outcome.gas_refunded, floor_gas(most.data))
    low = needed - 1
    for gas in (needed, (needed + _STIPEND) * 64 // 63 + 1):
        if gas >= most.gas:
            break
        if runs(gas).success:
            return gas
        low = gas
    high = most.gas
    while (high - low) * 100 > high * _CLOSE_PERCENT:
        middle = min((low + high) // 2, 2 * low)
        low, high = (low, middle) if runs(middle).success else (middle, high)
    return high


OPERATIONS = (
    Operation("eth_call", CallAt, Data, call, positional=True),
    Operation("eth_estimateGas", EstimateAt, Gas, estimate, positional=True),
)
"""Runs that keep nothing."""
