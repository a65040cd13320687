"""Methods with two request forms, the hosted Wallet API's and ERC-7836's; the fields of a request decide between them.

A `wallet_prepareCalls` request with a `key` is ERC-7836. So is a `wallet_sendPreparedCalls` request with a `context`
and no `type`. Any other request, an invalid one included, is read in the hosted form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, cast

from pydantic import Discriminator, Field, Tag

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.prepared import PreparedCalls
from wallet_rpc.operations import keyed_calls, prepare_calls, send_prepared_calls
from wallet_rpc.operations.keyed_calls import KeyedCalls, KeyedPrepared, KeyedSend, KeyedSent
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.prepare_calls import PrepareCalls
from wallet_rpc.operations.send_prepared_calls import SentCalls
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.signed_calls import SendPreparedCalls, senders


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
    Field(json_schema_extra=_allow_both_forms),
]
"""Calls to prepare, in either form."""
Send: TypeAlias = Annotated[
    Annotated[SendPreparedCalls, Tag("hosted")] | Annotated[KeyedSend, Tag("keyed")], Discriminator(_form_of_send)
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


def _senders(request: Any) -> tuple[Address, ...]:
    """Return the accounts whose signed operations a request sends, in either form."""
    return senders(keyed_calls.read_hosted_request(request)) if isinstance(request, KeyedSend) else senders(request)


PREPARE: Operation[Ports, Any, Any] = Operation(
    prepare_calls.OPERATION.name,
    cast("Any", Prepare),
    PreparedCalls | KeyedPrepared,
    run_prepare,
    prepare_calls.OPERATION.summary,
    prepare_calls.OPERATION.errors,
    need=RequiredAccess(scopes=(Scope.TRANSACTIONS_BUILD,)),
    wallets=lambda request: (request.from_,),
)
SEND: Operation[Ports, Any, Any] = Operation(
    send_prepared_calls.OPERATION.name,
    cast("Any", Send),
    SentCalls | tuple[KeyedSent, ...],
    run_send,
    send_prepared_calls.OPERATION.summary,
    send_prepared_calls.OPERATION.errors,
    need=RequiredAccess(scopes=(Scope.TRANSACTIONS_SUBMIT,)),
    wallets=_senders,
)
