"""Methods with two request forms, the hosted Wallet API's and ERC-7836's; the fields of a request decide between them.

A `wallet_prepareCalls` request with a `key` is ERC-7836. So is a `wallet_sendPreparedCalls` request with a `context`
and no `type`. Any other request, an invalid one included, is read in the hosted form.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, Tag

from wallet_rpc.domain.prepared import PreparedCalls
from wallet_rpc.operations import keyed_calls, prepare_calls, send_prepared_calls
from wallet_rpc.operations.keyed_calls import KeyedCalls, KeyedPrepared, KeyedSend, KeyedSent
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.operations.send_prepared_calls import SentCalls
from wallet_rpc.ports import Ports
from wallet_rpc.services.signed_calls import SendPreparedCalls


def _form_of_prepare(value: Any) -> str:
    keyed = isinstance(value, KeyedCalls) or (isinstance(value, Mapping) and "key" in value)
    return "keyed" if keyed else "hosted"


def _form_of_send(value: Any) -> str:
    keyed = isinstance(value, KeyedSend) or (isinstance(value, Mapping) and "context" in value and "type" not in value)
    return "keyed" if keyed else "hosted"


def _allow_both_forms(schema: dict[str, Any]) -> None:
    """Replace `oneOf` by `anyOf`: a keyed request also fits the hosted form's schema, which ignores unknown fields."""
    schema["anyOf"] = schema.pop("oneOf")


Prepare: TypeAlias = Annotated[
    Annotated[PrepareCalls, Tag("hosted")] | Annotated[KeyedCalls, Tag("keyed")],
    Discriminator(_form_of_prepare),
    Field(
        json_schema_extra=_allow_both_forms,
        description="Calls to prepare, in the hosted form or, with `key`, in that of ERC-7836.",
    ),
]
"""Calls to prepare, in either form."""
Send: TypeAlias = Annotated[
    Annotated[SendPreparedCalls, Tag("hosted")] | Annotated[KeyedSend, Tag("keyed")],
    Discriminator(_form_of_send),
    Field(description="Signed calls: items of the hosted form or, with `context`, the form of ERC-7836."),
]
"""Signed calls to send, in either form."""


async def run_prepare(ports: Ports, request: PrepareCalls | KeyedCalls) -> PreparedCalls | KeyedPrepared:
    """Prepare the calls and respond in the form of the request."""
    if isinstance(request, KeyedCalls):
        return await keyed_calls.prepare_keyed(ports, request)
    return await prepare_calls.run(ports, request)


async def run_send(ports: Ports, request: Any) -> SentCalls | tuple[KeyedSent, ...]:
    """Send the signed calls and respond in the form of the request."""
    if isinstance(request, KeyedSend):
        return await keyed_calls.send_keyed(ports, request)
    return await send_prepared_calls.run(ports, request)


def _to_hosted_calls(request: Any) -> PrepareCalls:
    return keyed_calls.to_hosted_calls(request) if isinstance(request, KeyedCalls) else request


def _to_hosted_send(request: Any) -> SendPreparedCalls:
    return keyed_calls.to_hosted_send(request) if isinstance(request, KeyedSend) else request


def _add_keyed_form(
    hosted: Operation[Ports, Any, Any],
    *,
    request: Any,
    answer: Any,
    run: Callable[[Ports, Any], Awaitable[Any]],
    to_hosted: Callable[[Any], Any],
) -> Operation[Ports, Any, Any]:
    """Return the operation of the hosted form with the request and response of both; the rest stays as declared.

    The wallets of a keyed request are those of the hosted request that `to_hosted` returns.
    """
    wallets = hosted.wallets
    return replace(
        hosted,
        request=request,
        answer=answer,
        run=run,
        wallets=None if wallets is None else lambda value: wallets(to_hosted(value)),
    )


PREPARE = _add_keyed_form(
    prepare_calls.OPERATION,
    request=Prepare,
    answer=Annotated[
        PreparedCalls | KeyedPrepared, Field(description="Prepared calls and payloads to sign, in the request's form.")
    ],
    run=run_prepare,
    to_hosted=_to_hosted_calls,
)
SEND = _add_keyed_form(
    send_prepared_calls.OPERATION,
    request=Send,
    answer=Annotated[
        SentCalls | tuple[KeyedSent, ...],
        Field(description="Id of the sent calls: in an object, or for the form of ERC-7836 in an array of one object."),
    ],
    run=run_send,
    to_hosted=_to_hosted_send,
)
