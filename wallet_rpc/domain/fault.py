"""Faults that a test asks a development server for: lost answers, a bundler that drops operations, and the like."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from wallet_rpc.primitives import ChainId, Data, WeiPerGas
from wallet_rpc.wire import shape

TEST_NAMESPACE = "wallet_test_"
"""The start of the names of methods that only a development server has; no fault holds for them."""


class FaultKind(StrEnum):
    """The kinds of fault."""

    FAIL = "fail"
    """A request gets an error and is not executed."""
    TIME_OUT = "timeOut"
    """A request gets no answer until its connection is closed."""
    DELAY = "delay"
    """A request is executed, and answered later."""
    REPEAT = "repeat"
    """A request is executed and answered twice."""
    CUT = "cut"
    """The connection of a request is closed without an answer."""
    DROP_OPERATIONS = "dropOperations"
    """The bundler accepts a user operation and forgets it."""
    DELAY_OPERATIONS = "delayOperations"
    """The bundler includes a user operation later."""
    REORDER_OPERATIONS = "reorderOperations"
    """The bundler collects user operations and includes them in reverse order."""
    REFUSE_SPONSORSHIP = "refuseSponsorship"
    """The paymaster answers with an error."""
    RAISE_GAS_PRICE = "raiseGasPrice"
    """Blocks have a higher base fee."""
    PAUSE_REDIS = "pauseRedis"
    """Redis answers nothing."""


REQUEST_FAULTS = frozenset(
    {FaultKind.FAIL, FaultKind.TIME_OUT, FaultKind.DELAY, FaultKind.REPEAT, FaultKind.CUT},
)
"""The kinds that change how requests of clients are answered."""


@shape
class FaultError:
    """An error of JSON-RPC to answer with."""

    code: int
    """Code of the error."""
    message: str
    """Text of the error."""
    data: Any = None
    """Data of the error, any JSON value; absent without any."""


@shape
class Fault:
    """A fault, and how often it still occurs."""

    id: Data = Data()
    """Id with which `wallet_test_clearFaults` removes the fault."""
    kind: FaultKind
    """Kind of the fault."""
    remaining: int = 1
    """Number of times that the fault still occurs: requests, user operations or blocks."""
    method: str | None = None
    """Method of the requests that have the fault; absent for any."""
    chain_id: ChainId | None = None
    """Chain of the fault; absent for any."""
    milliseconds: int | None = None
    """Duration of each occurrence, or of what is left of it, in milliseconds."""
    executes: bool | None = None
    """True if a request whose answer is lost is executed."""
    error: FaultError | None = None
    """Error of a request or of the paymaster."""
    status: int | None = None
    """HTTP status of that error."""
    base_fee: WeiPerGas | None = None
    """Base fee of the blocks, in wei per gas."""

    def holds_for(self, method: str, chain_id: int | None) -> bool:
        """Return True for a request of a method and a chain; None is a request that names no chain."""
        return (self.method is None or self.method == method) and (self.chain_id is None or self.chain_id == chain_id)
