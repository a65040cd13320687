"""`wallet_test_listFaults`: the faults that still occur, oldest first, in pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from wallet_rpc.domain.cursor import PlaceCursor
from wallet_rpc.domain.fault import Fault
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.services.fault_requests import controls_of
from wallet_rpc.wire import shape, strict_shape

MAX_FAULTS_PER_PAGE = 100
"""Maximum and default page size."""


@strict_shape
class ListFaults:
    """The page of the list."""

    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_FAULTS_PER_PAGE), BeforeValidator(exact_integer)] = (
        MAX_FAULTS_PER_PAGE
    )
    """Maximum number of faults on the page."""
    cursor: Annotated[bytes, PlaceCursor(8)] | None = None
    """Cursor of the previous page. Default: the first page."""


@shape
class FaultsPage:
    """One page of faults."""

    faults: tuple[Fault, ...]
    """Faults that still occur, the oldest first."""
    cursor: Annotated[bytes, PlaceCursor(8)] | None = None
    """Cursor of the next page; absent on the last one."""


async def run(ports: Ports, request: ListFaults) -> FaultsPage:
    """Return one page."""
    after = request.cursor
    rest = [fault for fault in await controls_of(ports).list_faults() if after is None or bytes(fault.id) > after]
    page = rest[: request.limit]
    return FaultsPage(faults=tuple(page), cursor=bytes(page[-1].id) if len(rest) > len(page) else None)


OPERATION: Operation[Ports, ListFaults, FaultsPage] = Operation(
    "wallet_test_listFaults",
    ListFaults,
    FaultsPage,
    run,
    "List the faults that still occur.",
    description="A fault that has occurred `count` times is not listed.",
)
