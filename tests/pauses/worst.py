"""Worst-case requests of up to 1 MiB: for each kind of content, as much of it as fits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from tests.support.constants import POLICY
from wallet_rpc.edge.envelope import MAX_BODY_CONTAINERS
from wallet_rpc.edge.envelope import MAX_BODY_VALUES as MAX_READ
from wallet_rpc.wire import MAX_REQUEST_VALUES, count_marks

Builders: TypeAlias = Mapping[str, Callable[[], str]]
"""Request builders by kind of content; each request is built when it is sent."""
MAX_BYTES = (1 << 20) - 600
"""Maximum bytes of the content, with room for the rest of the request."""
ACCOUNT, KEY = "0x" + "11" * 20, "0x" + "22" * 20
ACCOUNT_AND_CHAIN = {"from": ACCOUNT, "chainId": "0x7a69"}
HEAD = '{"jsonrpc":"2.0","id":1,"method":"wallet_requestAccount","params":['


def build_request(method: str, *params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}, separators=(",", ":"))


def fill(before: str, piece: str, after: str, values: int) -> str:
    """Return a text with as many copies of `piece` as fit, and at most `values` values."""
    room = (MAX_BYTES - len(before) - len(after)) // len(piece)
    piece_values = count_marks(piece.encode())
    containers = values if values > MAX_READ else MAX_BODY_CONTAINERS - 20
    fitting = min(values // max(1, piece_values), containers // max(1, count_marks(piece.encode(), b"[{")), room)
    return f"{before}{piece * fitting}{after}"


def _full_of(piece: str, request: str, values: int) -> str:
    """Return a request in which copies of `piece` and a zero replace the text HERE."""
    before, after = request.split('"HERE"')
    return fill(before, f"{piece},", f"0{after}", values)


def _numbers(count: int, digits: int) -> list[str]:
    return [f"0x{number:0{digits}x}" for number in range(1, count + 1)]


def _keys(count: int) -> str:
    return ",".join(f'"{number}":0' for number in range(count))


def _calls(*calls: Any, **capabilities: Any) -> str:
    return build_request(
        "wallet_prepareCalls", {**ACCOUNT_AND_CHAIN, "calls": list(calls), "capabilities": capabilities}
    )


def _grant(*permissions: Any) -> str:
    key = {"type": "secp256k1", "publicKey": KEY}
    expiry = int(time.time()) + 3600
    params = {
        "account": ACCOUNT,
        "chainId": "0x7a69",
        "expirySec": expiry,
        "key": key,
        "permissions": list(permissions),
    }
    return build_request("wallet_createSession", params)


def _functions(functions: list[Any]) -> str:
    return _grant({"type": "functions-on-contract", "data": {"address": ACCOUNT, "functions": functions}})


def _message(type_: str, data: Any) -> str:
    return build_request("wallet_prepareSign", {**ACCOUNT_AND_CHAIN, "signatureRequest": {"type": type_, "data": data}})


def _typed_data(type_: str, value: Any, **structs: Any) -> str:
    types = {"D": [{"name": "a", "type": type_}], **structs}
    return _message("eth_signTypedData_v4", {"types": types, "primaryType": "D", "message": {"a": value}})


def _chain(structs: int) -> dict[str, Any]:
    """Return struct types, each with an array of the next."""
    types = {f"S{number}": [{"name": "a", "type": f"S{number + 1}[]"}] for number in range(structs - 1)}
    return {**types, f"S{structs - 1}": []}


READ: Mapping[str, Callable[[int], str]] = {
    "small arrays": lambda values: fill(HEAD, "[],", "0]}", values),
    "arrays in arrays": lambda values: fill(HEAD, "[[[[[[[[[]]]]]]]]],", "0]}", values),
    "arrays, and an end that is missing": lambda values: fill(HEAD, "[],", "", values),
    "levels": lambda values: fill(HEAD, "[", "", values),
    "keys": lambda values: f"{HEAD}{{{_keys(min(90_000, values))}}}]}}",
    "one key again and again": lambda values: fill(f"{HEAD}{{", '"a":0,', '"a":0}]}', values),
    "members next to the request's own": lambda values: (
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
"""Requests that fail at or directly after JSON parsing."""
INVALID: Mapping[str, Callable[[int], str]] = {
    "invalid calls": lambda values: _full_of("0", _calls("HERE"), values),
    "calls without members": lambda values: _full_of("{}", _calls("HERE"), values),
    "invalid permissions": lambda values: _full_of("0", _grant("HERE"), values),
    "permissions without members": lambda values: _full_of('{"type":"contract-access"}', _grant("HERE"), values),
    "invalid functions": lambda values: _full_of("0", _functions(["HERE"]), values),
    "invalid grants": lambda values: _full_of("0", build_request("wallet_requestExecutionPermissions", "HERE"), values),
    "invalid signed calls": lambda values: _full_of(
        "0", build_request("wallet_sendPreparedCalls", {"type": "array", "data": ["HERE"]}), values
    ),
    "invalid chains": lambda values: _full_of(
        "0.5", build_request("wallet_getCapabilities", ACCOUNT, ["HERE"]), values
    ),
    "invalid policies": lambda values: _full_of("0", _calls(paymasterService={"policyIds": ["HERE"]}), values),
}
"""Arrays in which every item is invalid."""
VALID: Builders = {
    "permissions": lambda: _grant(
        *({"type": "contract-access", "data": {"address": address}} for address in _numbers(2400, 40))
    ),
    "functions": lambda: _functions(_numbers(9900, 8)),
    "calls": lambda: _calls(*[{"to": KEY, "value": "0x1", "data": "0x12345678"}] * 2400),
    "chains": lambda: build_request("wallet_getCapabilities", ACCOUNT, ["0x1"] * 9900),
    "policies": lambda: _calls({"to": KEY}, paymasterService={"policyIds": [POLICY] * 9900}),
    "overridden accounts": lambda: _calls(
        {"to": KEY}, stateOverride={address: {"balance": "0x1"} for address in _numbers(4900, 40)}
    ),
    "overridden slots": lambda: _calls(
        {"to": KEY}, stateOverride={ACCOUNT: {"stateDiff": dict.fromkeys(_numbers(7000, 64), "0x" + "00" * 32)}}
    ),
    "capabilities": lambda: _calls({"to": KEY}, **{f"c{number}": {"optional": True} for number in range(4900)}),
    "topics": lambda: build_request("eth_getLogs", {"topics": [_numbers(9900, 64)]}),
    "parameters of the chain": lambda: _full_of("{}", build_request("eth_blockNumber", "HERE"), MAX_BYTES),
}
"""Arrays and objects of valid items, as many as fit."""
LONG: Builders = {
    "call data": lambda: _calls({"to": KEY, "data": "0x" + "ab" * (MAX_BYTES // 2 - 200)}),
    "a context": lambda: _calls({"to": KEY}, permissions={"context": "0x00" + "ab" * (MAX_BYTES // 2 - 200)}),
    "a deferred action": lambda: _calls({"to": KEY}, permissions={"context": "0x01" + "00" * (MAX_BYTES // 2 - 200)}),
    "a context of another form": lambda: build_request(
        "wallet_sendPreparedCalls", {"context": "0x015b" + b"[],".hex() * 160_000, "key": {}, "signature": "0x"}
    ),
    "a signature": lambda: build_request(
        "wallet_formatSign",
        {**ACCOUNT_AND_CHAIN, "signature": {"type": "ecdsa", "data": "0x" + "ab" * (MAX_BYTES // 2 - 200)}},
    ),
    "an id of a call": lambda: build_request("wallet_getCallsStatus", "0x" + "ab" * (MAX_BYTES // 2 - 200)),
    "a message": lambda: _message("personal_sign", "x" * (MAX_BYTES - 200)),
    "data of the chain": lambda: build_request(
        "eth_call", {"to": ACCOUNT, "data": "0x" + "ab" * (MAX_BYTES // 2 - 200)}, "latest"
    ),
}
"""One value of a megabyte."""
TYPED: Builders = {
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
"""Large typed data."""

WORST: Builders = {
    **{
        f"{name}, more than are read": partial(READ[name], MAX_BYTES)
        for name in ("arrays in arrays", "numbers", "keys")
    },
    **{name: partial(make, MAX_READ - 100) for name, make in READ.items()},
    **{name: partial(make, MAX_REQUEST_VALUES - 100) for name, make in INVALID.items()},
    **VALID,
    **LONG,
    **TYPED,
}
