"""Sample operations that do one thing each, for the tests of the JSON-RPC dispatcher."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import httpx2
from pydantic import Field, StrictInt

from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.jsonrpc import JsonRpcDispatcher
from wallet_rpc.errors import ExecutionReverted, Rejected, Unavailable, WalletError
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, ChainId, Data, Wei
from wallet_rpc.wire import shape

SECRET = "redis://:hunter2@10.0.0.7:6379/0"
"""A secret that must never leave the server."""


@dataclass
class Journal:
    """The context of the sample operations, which records their actions in order."""

    lines: list[str] = field(default_factory=list)


@shape
class Difference:
    minuend: StrictInt
    subtrahend: StrictInt


async def _subtract(_: Journal, request: Difference) -> int:
    return request.minuend - request.subtrahend


@shape
class Three:
    first: StrictInt
    second: StrictInt
    third: StrictInt = 0


async def _sum(_: Journal, request: Three) -> int:
    return request.first + request.second + request.third


@shape
class Nothing:
    pass


async def _get_data(_: Journal, __: Nothing) -> list[Any]:
    return ["hello", 5]


async def _return_null(_: Journal, __: Nothing) -> None:
    return None


@shape
class Call:
    to: Address
    value: Wei = 0
    data: Data | None = None


@shape
class Calls:
    calls: Annotated[tuple[Call, ...], "in order"]
    chain_id: ChainId = 1


async def _total(_: Journal, calls: tuple[Call, ...]) -> int:
    return sum(call.value for call in calls)


@shape
class Sent:
    total: Wei
    first: Call
    note: str | None = None
    chain_id: ChainId = 1


async def _send(_: Journal, request: Calls) -> Sent:
    return Sent(total=sum(call.value for call in request.calls), first=request.calls[0], chain_id=request.chain_id)


@shape
class Named:
    name: str
    seconds: float = 0.0


async def _wait(journal: Journal, request: Named) -> str:
    journal.lines.append(f"{request.name} begins")
    await asyncio.sleep(request.seconds)
    journal.lines.append(f"{request.name} ends")
    return request.name


def _raises(error: Callable[[], BaseException]) -> Callable[[Journal, Nothing], Awaitable[None]]:
    async def run(_: Journal, __: Nothing) -> None:
        raise error()

    return run


async def _group(_: Journal, __: Nothing) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as group:
        group.create_task(fail(Unavailable("node: expected an answer, got none")))
        group.create_task(fail(Rejected("nonce: expected 1, got 0")))


async def _mixed_group(_: Journal, __: Nothing) -> None:
    raise ExceptionGroup("both", [Unavailable("node: no answer"), RuntimeError(SECRET)])


async def _answer(value: Any) -> Any:
    return value


def _says(value: Any) -> Callable[[Journal, Nothing], Awaitable[Any]]:
    return lambda _, __: _answer(value)


def _plain(
    name: str, run: Any, *, request: Any = Nothing, answer: Any = Any, errors: tuple[type[WalletError], ...] = ()
) -> Operation[Journal, Any, Any]:
    return Operation(name, request, answer, run, f"{name}.", errors)


_TWO = Annotated[tuple[Call, ...], Field(min_length=1, max_length=2)]


def _revert() -> WalletError:
    return ExecutionReverted("calls[0]: reverts", to=Address(bytes(20)), trace=[Data(b"\1")], missing=None)


def _cycle() -> WalletError:
    error = Rejected("a cycle")
    error.facts["cycle"] = error.facts
    return error


OPERATIONS: Sequence[Operation[Journal, Any, Any]] = (
    Operation("subtract", Difference, int, _subtract, "One less the other.", positional=True),
    Operation("sum", Three, int, _sum, "Two or three together.", positional=True),
    Operation("get_data", Nothing, list[Any], _get_data, "Some data.", positional=True),
    Operation("ping", Nothing, str | None, _return_null, "Nothing.", positional=True),
    Operation("total", cast("Any", _TWO), int, _total, "All values.", variadic=True),
    _plain("send", _send, request=Calls, answer=Sent, errors=(ExecutionReverted, Rejected)),
    _plain("wait", _wait, request=Named, answer=str),
    _plain("revert", _raises(_revert), errors=(ExecutionReverted,)),
    _plain("leak", _raises(lambda: Exception(SECRET))),
    _plain("leak_type", _raises(lambda: TypeError(SECRET))),
    _plain("leak_deep", _raises(lambda: RecursionError(SECRET))),
    _plain("leak_timeout", _raises(lambda: TimeoutError(SECRET))),
    _plain("leak_facts", _raises(_cycle)),
    _plain("group", _group),
    _plain("mixed_group", _mixed_group),
    _plain("wrong_answer", _says(SECRET), answer=Wei),
    _plain("nan", _says({"price": float("nan")})),
    _plain("surrogate", _says("\ud800")),
)

ADDRESS = "0x" + "11" * 20


def dispatcher(journal: Journal | None = None, **options: Any) -> JsonRpcDispatcher[Journal]:
    context = Journal() if journal is None else journal
    return JsonRpcDispatcher(OPERATIONS, lambda: context, **options)


def request(method: str, params: Any = None, **members: Any) -> dict[str, Any]:
    """Build a request object; without `id=…` it is a notification."""
    entry: dict[str, Any] = {"jsonrpc": "2.0", "method": method, **members}
    return entry if params is None else {**entry, "params": params}


async def ask(value: Any, at: JsonRpcDispatcher[Journal] | None = None) -> Any:
    """Dispatch a JSON value and return the parsed response; None without a response."""
    answer = (await (dispatcher() if at is None else at).dispatch(json.dumps(value).encode())).text
    return None if answer is None else json.loads(answer)


def browser(app: Any = None) -> httpx2.AsyncClient:
    """Build an in-process HTTP client of `app`, by default of the sample dispatcher."""
    target = build_app(wallet_handlers(dispatcher().dispatch)) if app is None else app
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(target), base_url="http://wallet")
