"""Replay of one golden scenario, and a list of differences from the behaviour observed in production."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from tests.golden.revert_names import failed_op, revert_names
from tests.golden.scenario_files import Json
from tests.golden.scenario_watch import Snapshot, Watch
from tests.golden.scenario_world import ScenarioWorld, address
from wallet_rpc.devchain.evm import EventLog, ExecutionResult
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Data

_OPERATION_EVENT = keccak(text="UserOperationEvent(bytes32,address,address,uint256,bool,uint256,uint256)")
_REVERT_REASON = keccak(text="UserOperationRevertReason(bytes32,address,uint256,bytes)")
_BEFORE_EXECUTION = keccak(text="BeforeExecution()")
_GAS_FIGURES = ("actualGasUsed", "actualGasCost")


class Replay:
    """One scenario on its chain."""

    def __init__(self, world: ScenarioWorld, scenario: Json) -> None:
        self._world = world
        self._scenario = scenario
        self._watch = Watch(world, scenario)
        self._account = address(scenario["account"]["address"])

    def differences(self) -> list[str]:
        """Return one readable line for each difference; empty when everything is equal."""
        for item in self._scenario["setup"]:
            self._world.set_up(item)
        values = self._watch.read()
        found = _compare("before", self._scenario["before"], values)
        for index, step in enumerate(self._scenario["steps"]):
            head = self._world.chain.head.number
            seen = self._run(step)
            later = values if self._world.chain.head.number == head else self._watch.read()
            seen["after"] = _changes(values, later)
            values = later
            prefix = f"step {index} ({step['kind']}: {step.get('label', '')})"
            found += _compare(prefix, _comparable(step["expect"]), seen)
        return found

    def _run(self, step: Json) -> Json:
        at = step["at"]
        match step["kind"]:
            case "userop":
                seen = self._handle_ops([step["op"]], at, [step["userOpHash"]])
                if isinstance(seen["execution"], list):
                    seen["execution"] = seen["execution"][0]
                return seen
            case "bundle":
                return self._handle_ops(step["ops"], at, None)
            case "tx":
                return self._transact(step, at)
            case "call":
                self._world.chain.set_next_timestamp(at)
                outcome = self._world.look(address(step["to"]), Data.parse(step["data"]), sender=address(step["from"]))
                return _result(outcome, {"output": Data(outcome.output).hex0x()})
            case "authorize":
                _, outcome = self._world.chain.send(self._world.authorization(step["authorization"]), timestamp=at)
                return {"success": outcome.success}
            case kind:
                raise ValueError(f"unknown kind of step: {kind}")

    def _transact(self, step: Json, at: int) -> Json:
        block, outcome = self._world.chain.send(self._world.transaction(step), timestamp=at)
        for inclusion in block.inclusions:
            if inclusion.sender == self._account:
                self._watch.spent_on_gas += inclusion.gas_used * inclusion.gas_price
        if outcome.success:
            return {"success": True, "logs": _format_logs(outcome.logs)}
        return _result(outcome, {"output": Data(outcome.output).hex0x()})

    def _handle_ops(self, operations: list[Json], at: int, hashes: list[str] | None) -> Json:
        """Run a bundle; one that reverts is rejected: it is not mined and changes nothing."""
        execution = self._world.chain.execute(self._world.handle_ops(operations), timestamp=at)
        outcome = execution.result
        if not outcome.success:
            return {"validation": _rejection(outcome.output), "execution": {"included": False}}
        self._world.chain.include(execution)
        executions, identities = self._executions(outcome.logs)
        if hashes is not None and identities != hashes:
            raise ValueError(f"operation hash {identities}, expected {hashes}")
        return {"validation": "ok", "execution": executions, "logs": _format_logs(outcome.logs)}

    def _executions(self, logs: tuple[EventLog, ...]) -> tuple[list[Json], list[str]]:
        """Return the outcome of each operation from EntryPoint's events, and the operations' hashes."""
        reasons: dict[bytes, bytes] = {}
        executions, identities = [], []
        for log in logs:
            if log.address != ENTRY_POINT or log.topics[0] not in (_REVERT_REASON, _OPERATION_EVENT):
                continue
            identity = log.topics[1]
            if log.topics[0] == _REVERT_REASON:
                reasons[identity] = decode(["uint256", "bytes"], log.data)[1]
                continue
            _, success, cost, _ = decode(["uint256", "bool", "uint256", "uint256"], log.data)
            if int.from_bytes(log.topics[3]) == 0 and log.topics[2][12:] == self._account:
                self._watch.spent_on_gas += cost
            seen: Json = {"included": True, "success": success}
            if identity in reasons:
                seen["revertReason"] = Data(reasons[identity]).hex0x()
                seen["errors"] = revert_names(reasons[identity])
            executions.append(seen)
            identities.append(Data(identity).hex0x())
        return executions, identities


def replay(world: ScenarioWorld, scenario: Json) -> list[str]:
    """Return the differences of one scenario; the chain is reverted afterwards."""
    mark = world.snapshot()
    try:
        return Replay(world, scenario).differences()
    except (ValueError, WalletError) as error:
        return [f"cannot be replayed: {error}"]
    finally:
        world.revert(mark)


def _rejection(data: bytes) -> Json:
    seen: Json = {"data": Data(data).hex0x(), "errors": revert_names(data)}
    failed = failed_op(data)
    if failed is not None:
        index, message = failed
        seen |= {"code": message[:4], "message": message} | ({"opIndex": index} if index else {})
    return seen


def _result(outcome: ExecutionResult, logs: Json) -> Json:
    errors = {} if outcome.success else {"errors": revert_names(outcome.output)}
    return {"success": outcome.success, **logs, **errors}


def _format_logs(logs: tuple[EventLog, ...]) -> list[Json]:
    """Format all logs except EntryPoint's own events about the operations."""
    own = (_OPERATION_EVENT, _REVERT_REASON, _BEFORE_EXECUTION)
    return [
        {
            "address": Data(log.address).hex0x(),
            "topics": [Data(topic).hex0x() for topic in log.topics],
            "data": Data(log.data).hex0x(),
        }
        for log in logs
        if not (log.address == ENTRY_POINT and log.topics and log.topics[0] in own)
    ]


def _changes(before: Snapshot, after: Snapshot) -> Snapshot:
    names = before.keys() | after.keys()
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}


def _comparable(expected: Json) -> Json:
    """Remove gas figures, and replace values that became empty with None."""
    comparable: Json = _without_gas(expected)
    comparable["after"] = {name: None if value == "0" else value for name, value in expected["after"].items()}
    return comparable


def _without_gas(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_gas(item) for item in value]
    if isinstance(value, dict):
        return {name: _without_gas(item) for name, item in value.items() if name not in _GAS_FIGURES}
    return value


def _compare(path: str, expected: Any, seen: Any) -> list[str]:
    """List the differences of two JSON values, one line a leaf; the letter case of hex is ignored."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        names = sorted(expected.keys() | seen.keys())
        return [line for name in names for line in _compare(f"{path}.{name}", expected.get(name), seen.get(name))]
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        pairs = enumerate(zip(expected, seen, strict=True))
        return [line for index, (one, other) in pairs for line in _compare(f"{path}[{index}]", one, other)]
    if isinstance(expected, str) and isinstance(seen, str) and expected.lower() == seen.lower():
        return []
    return [] if expected == seen else [f"{path}: expected {expected}, got {seen}"]
