"""`wallet_test_raiseGasPrice`: the next blocks have another base fee."""

from __future__ import annotations

from wallet_rpc.domain.fault import Fault, FaultKind
from wallet_rpc.errors import LimitExceeded, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import WeiPerGas
from wallet_rpc.services.fault_requests import ChainSelector, Count, choose_chain, controls_of
from wallet_rpc.wire import strict_shape


@strict_shape
class RaiseGasPrice(ChainSelector):
    """The blocks with a higher base fee, and that fee."""

    base_fee: WeiPerGas
    """Base fee in wei per gas; usually it is 1 gwei."""
    count: Count = 1
    """Number of further blocks with this fee, after the one that is mined at once."""


async def run(ports: Ports, request: RaiseGasPrice) -> Fault:
    """Add the fault."""
    fault = Fault(
        kind=FaultKind.RAISE_GAS_PRICE,
        chain_id=choose_chain(ports, request),
        remaining=request.count,
        base_fee=request.base_fee,
    )
    return await controls_of(ports).add(fault)


OPERATION: Operation[Ports, RaiseGasPrice, Fault] = Operation(
    "wallet_test_raiseGasPrice",
    RaiseGasPrice,
    Fault,
    run,
    "Have the gas price jump, so that operations that were priced before are underpriced.",
    (LimitExceeded, UnsupportedChain),
    reasons=("too_many_faults",),
    description=(
        "A block with this base fee is mined at once, since wallets and nodes read the fees of the newest block. The "
        "fee precedes every other setting, and the newest such fault counts. The bundler refuses operations that offer "
        "less."
    ),
)
