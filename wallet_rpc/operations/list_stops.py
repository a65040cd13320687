"""`wallet_listStops`: the kill switches of the caller's organisation, and the stops that an account's owner signed."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.errors import InvalidParams, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, NonZeroAddress, malformed_error
from wallet_rpc.primitives.base64url import decode_base64url, encode_base64url
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.kill_switches import SWITCH_REASONS, ListedStop, describe_stop, list_account_stops
from wallet_rpc.wire import shape, strict_shape

MAX_STOPS_PER_PAGE = 100
"""Maximum and default page size."""


def _read_cursor(value: Any) -> str:
    """Decode a cursor: the name of the last scope of a page, as unpadded base64url."""
    try:
        if isinstance(value, str):
            return decode_base64url(value).decode()
    except ValueError:
        pass
    raise malformed_error("a cursor that this method returned", value)


Cursor: TypeAlias = Annotated[
    str,
    PlainValidator(_read_cursor),
    PlainSerializer(lambda name: encode_base64url(name.encode())),
    WithJsonSchema({"type": "string"}),
]
"""The name of the last scope of a page, as opaque text."""


@strict_shape
class ListStops:
    """A list request: the account if only its stops are listed, and the page."""

    account: NonZeroAddress | None = None
    """Account whose stops are listed, with those that its owner signed. Default: all of the organisation's."""
    chain_id: ChainId | None = None
    """Chain of the stops that the owner of `account` signed. Default: all chains of this server."""
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_STOPS_PER_PAGE)] = MAX_STOPS_PER_PAGE
    """Maximum number of kill switches on the page."""
    cursor: Cursor | None = None
    """Cursor of the previous page. Default: the first page."""


@shape
class StopsPage:
    """One page of kill switches."""

    stops: tuple[ListedStop, ...]
    """Stops that hold now, by the names of their scopes."""
    cursor: Cursor | None = None
    """Cursor of the next page; absent on the last one."""


async def run(ports: Ports, request: ListStops) -> StopsPage:
    """Return one page."""
    stops = await find_stops(ports, request.account, request.chain_id)
    rest = sorted(name for name in stops if request.cursor is None or name > request.cursor)
    page = rest[: request.limit]
    return StopsPage(
        stops=tuple(stops[name] for name in page),
        cursor=page[-1] if len(rest) > len(page) else None,
    )


async def find_stops(
    ports: Ports, account: NonZeroAddress | None, chain_id: ChainId | None, *, at: str = "params.chainId"
) -> dict[str, ListedStop]:
    """Return the stops of an account, or all of the organisation's, by the names of their scopes.

    Raises: UnsupportedChain; InvalidParams (stop_scope) for a chain without an account.
    """
    if account is not None:
        chains = tuple(ports.chains) if chain_id is None else (chain_of(ports, chain_id, at=at).chain_id,)
        return await list_account_stops(ports, Address(account), chains)
    if chain_id is not None:
        text = (
            f"expected with account only, got {chain_id:#x} without one; leave it out, since an organisation's "
            "kill switch holds on every chain"
        )
        raise InvalidParams(text, field=at, reason="stop_scope")
    switches = await ports.store.stops.switches()
    return {scope.name: describe_stop(scope, record) for scope, record in switches.items()}


OPERATION: Operation[Ports, ListStops, StopsPage] = Operation(
    "wallet_listStops",
    ListStops,
    StopsPage,
    run,
    "List the kill switches of the caller's organisation, and those that an account's owner signed.",
    (UnsupportedChain,),
    need=READ_ACCESS,
    wallets=lambda request: () if request.account is None else (request.account,),
    reasons=SWITCH_REASONS,
    description=(
        "With `account`, the list has the kill switch of this account and the stops of all its sessions that its owner "
        "signed, each with its `chainId`. Pauses and revocations of single sessions are part of each session's state."
    ),
)
