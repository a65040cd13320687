"""The audit facts of a request for a method of the chain: its method and, if it has them, a hash and an account.

No request is too malformed to be logged, and no other parameters are logged. A signed operation or transaction becomes
public when it is sent, but other parameters may contain anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.user_operation import user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, Data
from wallet_rpc.wire import decode

_LONGEST_METHOD = 64
"""The maximum length of a logged method name, in characters."""


def chain_facts(request: Mapping[str, Any], chain_id: int) -> dict[str, Any]:
    """Return the facts of a request object: `chainId`, `method`, and `hash` and `account` of an operation it sends.

    The hash identifies the user operation or transaction in the request, even if it is rejected later.
    """
    method = str(request.get("method"))
    params = _list_params(request.get("params"))
    facts: dict[str, Any] = {"chainId": chain_id, "method": method[:_LONGEST_METHOD]}
    if not params:
        return facts
    match method:
        case "eth_sendUserOperation":
            return facts | _operation_facts(params[0], chain_id)
        case "eth_sendRawTransaction":
            return facts | _transaction_facts(params[0])
        case "eth_sendTransaction":
            return facts | _account_facts(params[0].get("from") if isinstance(params[0], Mapping) else None)
        case _:
            return facts | _account_facts(params[0])


def _list_params(given: Any) -> list[Any]:
    if isinstance(given, Mapping):
        return list(given.values())
    return given if isinstance(given, list) else []


def _operation_facts(given: Any, chain_id: int) -> dict[str, str]:
    try:
        operation = decode(UserOperationJson, given).to_domain()
        operation_hash = user_operation_hash(operation, chain_id, ENTRY_POINT)
    except InvalidParams:
        return _account_facts(given.get("sender") if isinstance(given, Mapping) else None)
    return {"hash": operation_hash.hex0x(), **_account_facts(operation.sender)}


def _transaction_facts(given: Any) -> dict[str, str]:
    try:
        return {"hash": keccak(Data.parse(given)).hex0x()}
    except ValueError:
        return {}


def _account_facts(given: Any) -> dict[str, str]:
    try:
        return {"account": Address.parse(given).hex0x()}
    except ValueError:
        return {}
