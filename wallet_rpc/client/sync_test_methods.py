"""The synchronous methods of the client for faults, one for each operation; `make openrpc` writes this module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

from wallet_rpc.domain.fault import Fault
from wallet_rpc.operations.faults import (
    clear_faults,
    cut_next,
    delay_next,
    delay_operations,
    drop_operations,
    expire_session,
    fail_next,
    list_faults,
    pause_redis,
    raise_gas_price,
    refuse_sponsorship,
    reorder_operations,
    reorg,
    repeat_next,
    revoke_session,
    time_out_next,
)
from wallet_rpc.operations.faults.clear_faults import ClearedFaults, ClearFaults
from wallet_rpc.operations.faults.cut_next import CutNext
from wallet_rpc.operations.faults.delay_next import DelayNext
from wallet_rpc.operations.faults.delay_operations import DelayOperations
from wallet_rpc.operations.faults.drop_operations import DropOperations
from wallet_rpc.operations.faults.expire_session import ExpiredSession, ExpireSession
from wallet_rpc.operations.faults.fail_next import FailNext
from wallet_rpc.operations.faults.list_faults import FaultsPage, ListFaults
from wallet_rpc.operations.faults.pause_redis import PauseRedis
from wallet_rpc.operations.faults.raise_gas_price import RaiseGasPrice
from wallet_rpc.operations.faults.refuse_sponsorship import RefuseSponsorship
from wallet_rpc.operations.faults.reorder_operations import ReorderOperations
from wallet_rpc.operations.faults.reorg import Reorg, ReorgResult
from wallet_rpc.operations.faults.repeat_next import RepeatNext
from wallet_rpc.operations.faults.revoke_session import RemovedSession, RemoveSession
from wallet_rpc.operations.faults.time_out_next import TimeOutNext
from wallet_rpc.operations.operation import Operation

_A = TypeVar("_A")


class SyncTestMethods(ABC):
    """The methods `wallet_test_…` of a development server, typed. Every method raises ClientError."""

    @abstractmethod
    def _call(self, operation: Operation[Any, Any, _A], request: Any) -> _A:
        """Call an operation."""

    def test_fail_next(self, request: FailNext) -> Fault:
        """Have the next requests of a method fail with an error."""
        return self._call(fail_next.OPERATION, request)

    def test_time_out_next(self, request: TimeOutNext) -> Fault:
        """Have the next requests of a method get no answer until their client gives up."""
        return self._call(time_out_next.OPERATION, request)

    def test_delay_next(self, request: DelayNext) -> Fault:
        """Have the next requests of a method be executed at once and answered late."""
        return self._call(delay_next.OPERATION, request)

    def test_repeat_next(self, request: RepeatNext) -> Fault:
        """Have the next requests of a method be executed twice, as if a proxy had repeated them."""
        return self._call(repeat_next.OPERATION, request)

    def test_cut_next(self, request: CutNext) -> Fault:
        """Cut the connection of the next requests of a method, before or after they are executed."""
        return self._call(cut_next.OPERATION, request)

    def test_drop_operations(self, request: DropOperations) -> Fault:
        """Have the bundler accept the next user operations and forget them."""
        return self._call(drop_operations.OPERATION, request)

    def test_delay_operations(self, request: DelayOperations) -> Fault:
        """Have the bundler keep the next user operations in its mempool for a time."""
        return self._call(delay_operations.OPERATION, request)

    def test_reorder_operations(self, request: ReorderOperations) -> Fault:
        """Have the bundler collect the next user operations and include them in reverse order."""
        return self._call(reorder_operations.OPERATION, request)

    def test_refuse_sponsorship(self, request: RefuseSponsorship) -> Fault:
        """Have the embedded paymaster answer the next requests with an error."""
        return self._call(refuse_sponsorship.OPERATION, request)

    def test_raise_gas_price(self, request: RaiseGasPrice) -> Fault:
        """Have the gas price jump, so that operations that were priced before are underpriced."""
        return self._call(raise_gas_price.OPERATION, request)

    def test_reorg(self, request: Reorg) -> ReorgResult:
        """Have the newest blocks of a chain replaced by as many others."""
        return self._call(reorg.OPERATION, request)

    def test_pause_redis(self, request: PauseRedis) -> Fault:
        """Pause the Redis of the server for a time."""
        return self._call(pause_redis.OPERATION, request)

    def test_expire_session(self, request: ExpireSession) -> ExpiredSession:
        """Have a session expire now: the time of its chain moves past its end."""
        return self._call(expire_session.OPERATION, request)

    def test_revoke_session(self, request: RemoveSession) -> RemovedSession:
        """Have a session revoked on chain now, as if its owner had done it elsewhere."""
        return self._call(revoke_session.OPERATION, request)

    def test_list_faults(self, request: ListFaults) -> FaultsPage:
        """List the faults that still occur."""
        return self._call(list_faults.OPERATION, request)

    def test_clear_faults(self, request: ClearFaults) -> ClearedFaults:
        """Remove one fault, or all."""
        return self._call(clear_faults.OPERATION, request)
