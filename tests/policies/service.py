"""Paymaster service (ERC-7677): an HTTP server that signs for VerifyingPaymaster, or fails as configured."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.http_stub import Answer, serve_stub
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain import sponsorship
from wallet_rpc.domain.sponsorship import Window
from wallet_rpc.domain.user_operation import PaymasterPart, UserOperation
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.primitives import Data
from wallet_rpc.wire import decode

UNLIMITED = Window(valid_until=0)
LIMITS = ("paymasterVerificationGasLimit", "paymasterPostOpGasLimit")
STUB, SIGN = "pm_getPaymasterStubData", "pm_getPaymasterData"


@dataclass
class Service:
    """Requests and signatures of the service so far, and the configuration of its next responses."""

    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Methods and contexts of the requests."""
    more: dict[str, dict[str, Any]] = field(default_factory=lambda: {STUB: {}, SIGN: {}})
    """Additional fields of the response by method; gas limits among them are signed too."""
    fails: dict[str, int] = field(default_factory=dict)
    """Error codes by method."""
    delay_seconds: float = 0.0
    signatures: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method = request["method"]
        operation, _, chain_id, context = request["params"]
        self.requests.append((method, context))
        if method in self.fails:
            text = f"policy {context} at {self.url}"
            return {"error": {"code": self.fails[method], "message": text, "data": text}}
        part = self.part(decode(UserOperationJson, operation).to_domain(), method, int(chain_id, 16))
        limits = dict(zip(LIMITS, map(hex, (part.verification_gas_limit, part.post_op_gas_limit)), strict=True))
        result = {"paymaster": part.address.hex0x(), "paymasterData": part.data.hex0x()}
        return {"result": {**result, **(limits if method == STUB else {}), **self.more[method]}}

    def part(self, operation: UserOperation, method: str, chain_id: int) -> PaymasterPart:
        if method == STUB:
            return sponsorship.build_sponsorship_stub(dev_constants.PAYMASTER, window=UNLIMITED)
        verification, post_op = (self.more[SIGN].get(limit) for limit in LIMITS)
        if verification is not None and post_op is not None:
            own = PaymasterPart(dev_constants.PAYMASTER, int(verification, 16), int(post_op, 16), Data())
            operation = replace(operation, paymaster=own)
        key = dev_constants.PAYMASTER_KEY
        signed = sponsorship.sign_sponsorship(
            operation, dev_constants.PAYMASTER, chain_id=chain_id, window=UNLIMITED, key=key
        )
        self.signatures.append(signed.data.hex0x())
        return signed

    def contexts(self, method: str) -> list[dict[str, Any]]:
        return [context for one, context in self.requests if one == method]


@contextmanager
def serve_paymaster() -> Iterator[Service]:
    service = Service()

    def answer(body: bytes) -> Answer:
        request = json.loads(body)
        time.sleep(service.delay_seconds)
        return Answer(json.dumps({"jsonrpc": "2.0", "id": request["id"], **service.answer(request)}).encode())

    with serve_stub(answer) as url:
        service.url = f"{url}/"
        yield service
