"""Calls in the form of a request, and their conversion to account calls.

An unknown member may change the call or its value, so it is rejected by name.

Source: the Wallet API's `wallet_prepareCalls` (seed 002); EIP-5792 (`capabilities` and `optional` of a call).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import refuse_unknown
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import Address, ChainId, Data, Wei
from wallet_rpc.wire import strict_shape

_T = TypeVar("_T")


def _null_as(default: _T) -> BeforeValidator:
    """Return a validator that replaces null by the default."""
    return BeforeValidator(lambda value: default if value is None else value)


@strict_shape
class RequestedCall:
    """One call of a request: `value` in wei (default 0), `data` the call data (default 0x).

    `chainId`, if given, must equal the request's. Capabilities of a single call are not supported, so each one must be
    optional.
    """

    to: Address
    """Account or contract that the call goes to."""
    value: Annotated[Wei, _null_as(0)] = 0
    """Amount that the call carries, in wei."""
    data: Annotated[Data, _null_as(Data())] = Data()
    """Call data: a selector and its ABI-encoded arguments. Default: a plain transfer."""
    chain_id: ChainId | None = None
    """Chain of the call, which must be the chain of the request."""
    capabilities: dict[str, Any] | None = None
    """Capabilities of this call alone. None is supported, so each must have `optional: true`."""


def to_calls(chain_id: int, requested: Sequence[RequestedCall], *, at: str = "params.calls") -> tuple[Call, ...]:
    """Convert the calls of a request for the chain `chain_id`; `at` is their path in the request.

    Raises: InvalidParams (call_on_another_chain); UnsupportedCapability for a capability that is not optional.
    """
    for index, call in enumerate(requested):
        _refuse_other_chain(call, chain_id, f"{at}[{index}].chainId")
        refuse_unknown(call.capabilities, known=frozenset(), at=f"{at}[{index}].capabilities")
    return tuple(Call(to=call.to, value=call.value, data=call.data) for call in requested)


def to_requested_calls(calls: Sequence[Call]) -> tuple[RequestedCall, ...]:
    """Convert account calls to the form of a request."""
    return tuple(RequestedCall(to=call.to, value=call.value, data=call.data) for call in calls)


def _refuse_other_chain(call: RequestedCall, chain_id: int, at: str) -> None:
    if call.chain_id not in {None, chain_id}:
        raise InvalidParams(
            f"expected {chain_id:#x}, the chain of the request, got {call.chain_id:#x}; prepare the calls of each "
            "chain separately",
            field=at,
            reason="call_on_another_chain",
        )
