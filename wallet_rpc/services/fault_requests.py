"""Parts of the requests for faults, and the controls that answer them."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.fault import TEST_NAMESPACE, Fault
from wallet_rpc.errors import InvalidParams, MethodNotFound
from wallet_rpc.ports import Ports
from wallet_rpc.ports.faults import FaultControls
from wallet_rpc.primitives import ChainId, validation_error
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.wire import strict_shape

MAX_COUNT = 1000
"""Maximum number of times that a fault occurs."""
MAX_MILLISECONDS = 60_000
"""Maximum duration of a fault, in milliseconds."""
MAX_MESSAGE = 1000
"""Maximum length of an error's text."""
MAX_DATA = 16_384
"""Maximum size of an error's data, in bytes of JSON."""


def _check_data(value: object) -> object:
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_DATA:
        raise validation_error(f"must be at most {MAX_DATA} bytes of JSON")
    return value


Count: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT), BeforeValidator(exact_integer)]
"""Number of times that a fault occurs."""
Milliseconds: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MAX_MILLISECONDS), BeforeValidator(exact_integer)]
"""A duration in milliseconds."""
ErrorCode: TypeAlias = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31), BeforeValidator(exact_integer)]
"""The code of an error of JSON-RPC."""
ErrorMessage: TypeAlias = Annotated[str, Field(strict=True, max_length=MAX_MESSAGE)]
"""The text of an error."""
ErrorData: TypeAlias = Annotated[Any, BeforeValidator(_check_data)]
"""The data of an error: any JSON value."""
MethodName: TypeAlias = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,99}$")]
"""The name of a method of JSON-RPC."""
FAULT_REASONS = ("too_many_faults", "test_method")
"""Reasons of operations that add faults of requests."""


@strict_shape
class NextRequests:
    """The requests of clients that have a fault."""

    method: MethodName | None = None
    """Method of the requests: one of the wallet, a node or a bundler. Default: any but those of `wallet_test_`."""
    chain_id: ChainId | None = None
    """Chain that the requests name, by their URL or by `chainId` in their parameters. Default: any, or none."""
    count: Count = 1
    """Number of requests that have the fault."""


@strict_shape
class ChainSelector:
    """The embedded chain of a fault."""

    chain_id: ChainId | None = None
    """Chain of the fault. Default: the first one of the server."""


@strict_shape
class NextOperations(ChainSelector):
    """The user operations that have a fault of the bundler."""

    count: Count = 1
    """Number of user operations that have the fault, of those that the bundler accepts."""


def controls_of(ports: Ports) -> FaultControls:
    """Return the controls of a development server. Raises: MethodNotFound for another one, which has no such method."""
    if ports.faults is None:
        raise MethodNotFound("only wallet-rpc dev has the methods of wallet_test_")
    return ports.faults


def choose_chain(ports: Ports, selector: ChainSelector) -> ChainId:
    """Return the id of the selected chain. Raises: UnsupportedChain."""
    chosen = next(iter(ports.chains)) if selector.chain_id is None else selector.chain_id
    return chain_of(ports, chosen).chain_id


async def add_request_fault(ports: Ports, fault: Fault) -> Fault:
    """Add a fault of requests. Raises: InvalidParams (test_method); UnsupportedChain; LimitExceeded."""
    if fault.method is not None and fault.method.startswith(TEST_NAMESPACE):
        text = f"expected a method other than those of {TEST_NAMESPACE}, which always work"
        raise InvalidParams(text, field="params.method", reason="test_method")
    if fault.chain_id is not None:
        chain_of(ports, fault.chain_id)
    return await controls_of(ports).add(fault)
