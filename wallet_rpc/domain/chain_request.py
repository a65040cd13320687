"""A request for one of the chain's own methods, as the log tells of it: method, and hash and account where it has them.

The rule: any request gets an answer, and nothing else of it is repeated: what is signed is public once it is sent, but
other parameters may hold anything.
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


def chain_facts(request: Mapping[str, Any], chain_id: int) -> dict[str, Any]:
    """The log's facts of a request object: `chainId`, `method`, and of what is sent its `hash` and `account`.

    The hash is that of the user operation or transaction as it is given, whether or not it is taken.
    """
    method, given = str(request.get("method")), request.get("params")
    params = list(given.values()) if isinstance(given, Mapping) else given if isinstance(given, list) else []
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


def _operation_facts(given: Any, chain_id: int) -> dict[str, str]:
    try:
        operation = decode(UserOperationJson, given).to_domain()
        name = user_operation_hash(operation, chain_id, ENTRY_POINT)
    except InvalidParams:
        return _account_facts(given.get("sender") if isinstance(given, Mapping) else None)
    return {"hash": name.hex0x(), **_account_facts(operation.sender)}


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
