"""The worst requests of up to 1 MiB: the most of each thing that a request can have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from tests.e2e.client import POLICY
from wallet_rpc.edge.envelope import MAX_BODY_CONTAINERS
from wallet_rpc.edge.envelope import MAX_BODY_VALUES as MAX_READ
from wallet_rpc.wire import MAX_REQUEST_VALUES, count_marks

Made: TypeAlias = Mapping[str, Callable[[], str]]
"""Requests by what there is most of; each is made when it is sent."""
MOST = (1 << 20) - 600
"""Bytes, with room for what is around."""
WHO, KEY = "0x" + "11" * 20, "0x" + "22" * 20
SOMEWHERE = {"from": WHO, "chainId": "0x7a69"}
HEAD = '{"jsonrpc":"2.0","id":1,"method":"wallet_requestAccount","params":['


def build_request(method: str, *params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, separators=(",", ":"))


def fill(before: str, piece: str, after: str, values: int) -> str:
    """As many of a piece as there is room for, with that many values at most."""
    room, held = (MOST - len(before) - len(after)) // len(piece), count_marks(piece.encode())
    containers = values if values > MAX_READ else MAX_BODY_CONTAINERS - 20
    fitting = min(values // max(1, held), containers // max(1, count_marks(piece.encode(), b"[{")), room)
    return f"{before}{piece * fitting}{after}"


def _full_of(piece: str, request: str, values: int) -> str:
    """A request with as many of a piece, and a zero, for the text HERE in it."""
    before, after = request.split('"HERE"')
    return fill(before, f"{piece},", f"0{after}", values)


def _numbers(count: int, digits: int) -> list[str]:
    return [f"0x{number:0{digits}x}" for number in range(1, count + 1)]


def _keys(count: int) -> str:
    return ",".join(f'"{number}":0' for number in range(count))


def _calls(*calls: Any, **capabilities: Any) -> str:
    return build_request("wallet_prepareCalls", {**SOMEWHERE, "calls": list(calls), "capabilities": capabilities})


def _grant(*permissions: Any) -> str:
    key, expiry = {"type": "secp256k1", "publicKey": KEY}, int(time.time()) + 3600
    asked = {"account": WHO, "chainId": "0x7a69", "expirySec": expiry, "key": key, "permissions": list(permissions)}
    return build_request("wallet_createSession", asked)


def _functions(functions: list[Any]) -> str:
    return _grant({"type": "functions-on-contract", "data": {"address": WHO, "functions": functions}})


def _message(type_: str, data: Any) -> str:
    return build_request("wallet_prepareSign", {**SOMEWHERE, "signatureRequest": {"type": type_, "data": data}})


def _typed_data(type_: str, value: Any, **structs: Any) -> str:
    types = {"D": [{"name": "a", "type": type_}], **structs}
    return _message("eth_signTypedData_v4", {"types": types, "primaryType": "D", "message": {"a": value}})


def _chain(structs: int) -> dict[str, Any]:
    """Structs of which each has an array of the next."""
    types = {f"S{number}": [{"name": "a", "type": f"S{number + 1}[]"}] for number in range(structs - 1)}
    return {**types, f"S{structs - 1}": []}


READ: Mapping[str, Callable[[int], str]] = {
    "small arrays": lambda values: fill(HEAD, "[],", "0]}", values),
    "arrays in arrays": lambda values: fill(HEAD, "[[[[[[[[[]]]]]]]]],", "0]}", values),
    "arrays, and an end that is missing": lambda values: fill(HEAD, "[],", "", values),
    "levels": lambda values: fill(HEAD, "[", "", values),
    "keys": lambda values: f"{HEAD}{{{_keys(min(90_000, values))}}}]}}",
    "one key again and again": lambda values: fill(f"{HEAD}{{", '"a":0,', '"a":0}]}', values),
    "members beside the request's own": lambda values: (
        f'{{{_keys(min(90_000, values))},"jsonrpc":"2.0","id":1,"method":"x"}}'
    ),
    "digits": lambda values: fill(HEAD, "9", "]}", values),
    "long integers": lambda values: fill(HEAD, "9" * 4000 + ",", "0]}", values),
    "numbers": lambda values: fill("[", "0,", "0]", values),
    "escapes": lambda values: fill(f'{HEAD}"', "\\u00e9", '"]}', values),
    "a method": lambda values: fill('{"jsonrpc":"2.0","id":1,"method":"', "x", '","params":[]}', values),
    "entries of small arrays": lambda values: (
        "[" + ",".join([HEAD + "[]," * min(3300, values // 310) + "0]}"] * 99) + "]"
    ),
}
"""What is only read, or not even that."""
INVALID: Mapping[str, Callable[[int], str]] = {
    "wrong calls": lambda values: _full_of("0", _calls("HERE"), values),
    "calls without members": lambda values: _full_of("{}", _calls("HERE"), values),
    "wrong permissions": lambda values: _full_of("0", _grant("HERE"), values),
    "permissions without members": lambda values: _full_of('{"type":"contract-access"}', _grant("HERE"), values),
    "wrong functions": lambda values: _full_of("0", _functions(["HERE"]), values),
    "wrong grants": lambda values: _full_of("0", build_request("wallet_requestExecutionPermissions", "HERE"), values),
    "wrong signed calls": lambda values: _full_of(
        "0", build_request("wallet_sendPreparedCalls", {"type": "array", "data": ["HERE"]}), values
    ),
    "wrong chains": lambda values: _full_of("0.5", build_request("wallet_getCapabilities", WHO, ["HERE"]), values),
    "wrong policies": lambda values: _full_of("0", _calls(paymasterService={"policyIds": ["HERE"]}), values),
}
"""Arrays in which every item is wrong."""
VALID: Made = {
    "permissions": lambda: _grant(
        *({"type": "contract-access", "data": {"address": address}} for address in _numbers(2400, 40))
    ),
    "functions": lambda: _functions(_numbers(9900, 8)),
    "calls": lambda: _calls(*[{"to": KEY, "value": "0x1", "data": "0x12345678"}] * 2400),
    "chains": lambda: build_request("wallet_getCapabilities", WHO, ["0x1"] * 9900),
    "policies": lambda: _calls({"to": KEY}, paymasterService={"policyIds": [POLICY] * 9900}),
    "overridden accounts": lambda: _calls(
        {"to": KEY}, stateOverride={address: {"balance": "0x1"} for address in _numbers(4900, 40)}
    ),
    "overridden slots": lambda: _calls(
        {"to": KEY}, stateOverride={WHO: {"stateDiff": dict.fromkeys(_numbers(7000, 64), "0x" + "00" * 32)}}
    ),
    "capabilities": lambda: _calls({"to": KEY}, **{f"c{number}": {"optional": True} for number in range(4900)}),
    "topics": lambda: build_request("eth_getLogs", {"topics": [_numbers(9900, 64)]}),
    "parameters of the chain": lambda: _full_of("{}", build_request("eth_blockNumber", "HERE"), MOST),
}
"""Arrays and objects in which every item is right, but for their number."""
LONG: Made = {
    "call data": lambda: _calls({"to": KEY, "data": "0x" + "ab" * (MOST // 2 - 200)}),
    "a context": lambda: _calls({"to": KEY}, permissions={"context": "0x00" + "ab" * (MOST // 2 - 200)}),
    "a deferred action": lambda: _calls({"to": KEY}, permissions={"context": "0x01" + "00" * (MOST // 2 - 200)}),
    "a context of another form": lambda: build_request(
        "wallet_sendPreparedCalls", {"context": "0x015b" + b"[],".hex() * 160_000, "key": {}, "signature": "0x"}
    ),
    "a signature": lambda: build_request(
        "wallet_formatSign", {**SOMEWHERE, "signature": {"type": "ecdsa", "data": "0x" + "ab" * (MOST // 2 - 200)}}
    ),
    "an id of a call": lambda: build_request("wallet_getCallsStatus", "0x" + "ab" * (MOST // 2 - 200)),
    "a message": lambda: _message("personal_sign", "x" * (MOST - 200)),
    "data of the chain": lambda: build_request(
        "eth_call", {"to": WHO, "data": "0x" + "ab" * (MOST // 2 - 200)}, "latest"
    ),
}
"""One value of a megabyte."""
TYPED: Made = {
    "typed: small arrays": lambda: _typed_data("bool[][]", [[]] * 49_000),
    "typed: structs whose type reaches 400 others": lambda: _typed_data("S0[]", [{"a": []}] * 15_000, **_chain(400)),
    "typed: addresses": lambda: _typed_data("address[]", _numbers(21_000, 40)),
    "typed: types": lambda: _typed_data("bool", value=True, **{f"T{number}": [] for number in range(49_000)}),
    "typed: members": lambda: _typed_data(
        "S", {}, S=[{"name": str(number), "type": "bool"} for number in range(20_000)]
    ),
    "typed: structs that all reach each other": lambda: _typed_data(
        "S0", {}, **{f"S{a}": [{"name": f"m{b}", "type": f"S{b}[]"} for b in range(150)] for a in range(150)}
    ),
    "typed: many": lambda: f"[{','.join([_typed_data('bool[]', value=[True] * 1500)] * 30)}]",
}
"""Typed data."""

WORST: Made = {
    **{f"{name}, more than are read": partial(READ[name], MOST) for name in ("arrays in arrays", "numbers", "keys")},
    **{name: partial(make, MAX_READ - 100) for name, make in READ.items()},
    **{name: partial(make, MAX_REQUEST_VALUES - 100) for name, make in INVALID.items()},
    **VALID,
    **LONG,
    **TYPED,
}
