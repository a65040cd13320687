"""False JSON-RPC answers of a node or a bundler."""

from __future__ import annotations

from typing import Any

from tests.chaos.switch import Behaviour
from tests.support.calls import call_data
from tests.support.constants import ENTRY_POINT

Json = dict[str, Any]

OTHER_CHAIN = "0x1"
"""The chain id of a lie."""
_LOOKUPS = ("eth_getUserOperationByHash", "eth_getUserOperationReceipt")
_GET_NONCE = call_data("getNonce(address,uint192)", "0x" + "00" * 20, 0)[:10]


class Liar:
    """Changes true answers into false ones, as the behaviour says."""

    def __init__(self) -> None:
        self._nonces: dict[str, Any] = {}

    def change(self, behaviour: Behaviour, request: Json, answer: Json) -> Json:
        """Return the answer to give instead of the true one."""
        self._remember_nonce(request, answer)
        method = request.get("method")
        result: Any
        match behaviour:
            case Behaviour.NULL:
                result = None
            case Behaviour.WRONG_CHAIN if method == "eth_chainId":
                result = OTHER_CHAIN
            case Behaviour.NO_LOGS if method == "eth_getLogs":
                result = []
            case Behaviour.STALE_NONCE if _is_nonce(request) and _nonce_key(request) in self._nonces:
                result = self._nonces[_nonce_key(request)]
            case Behaviour.FORGET if method in _LOOKUPS:
                result = None
            case Behaviour.FORGET_PENDING if method == "eth_getUserOperationByHash" and _is_pending(answer):
                result = None
            case _:
                return answer
        return {"jsonrpc": "2.0", "id": answer.get("id"), "result": result}

    def _remember_nonce(self, request: Json, answer: Json) -> None:
        if _is_nonce(request) and "result" in answer:
            self._nonces.setdefault(_nonce_key(request), answer["result"])


def _is_nonce(request: Json) -> bool:
    params = request.get("params")
    if request.get("method") != "eth_call" or not isinstance(params, list) or not params:
        return False
    return str(params[0].get("to", "")).lower() == ENTRY_POINT.lower() and _nonce_key(request).startswith(_GET_NONCE)


def _nonce_key(request: Json) -> str:
    call = request["params"][0]
    return str(call.get("data") or call.get("input") or "")


def _is_pending(answer: Json) -> bool:
    result = answer.get("result")
    return isinstance(result, dict) and result.get("blockNumber") is None
