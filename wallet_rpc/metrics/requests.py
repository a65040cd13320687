"""Counts and durations of requests, by method, outcome and error code.

All labels are bounded: a text of a caller or of an upstream never becomes one. The instruments of a request are looked
up once for its method and code, since this code runs for every request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wallet_rpc.adapters.upstream_proxy import BUNDLER_READS, BUNDLER_WRITES, NODE_READS, NODE_WRITES
from wallet_rpc.edge.error_formats import ORGANIZATION_CODES
from wallet_rpc.edge.event_stream import EVENTS_PATH, STREAM
from wallet_rpc.edge.observe import OTHER, UNKNOWN, UNREADABLE
from wallet_rpc.edge.request_context import RequestContext, Result
from wallet_rpc.errors import Unavailable, WalletError
from wallet_rpc.metrics.catalogue import REQUEST_SECONDS, REQUESTS
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.operations.catalogue import OPERATIONS, REST_OPERATIONS

BATCH = "(batch)"
"""The method under which the duration of a batch counts."""
NO_OPERATION = "(none)"
"""The method of a request for no operation, such as one for `/health`."""
REJECTED = "(rejected)"
"""The method of a request that ended with an error before its operation was known, such as one without a valid key."""
OTHER_CODE = "(other)"
"""The code of an upstream's error whose code is not one of this server's."""
_DISCOVER = "rpc.discover"
_REVERTED = 3
"""The code of nodes for a reverted `eth_call`."""
_STATUSES = range(100, 600)
_SWITCHING_PROTOCOLS = 101
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500


def _error_codes(kind: type[WalletError] = WalletError) -> Iterator[int]:
    """Iterate over the codes of an error and of those below it in the tree."""
    yield kind.code
    for each in kind.__subclasses__():
        yield from _error_codes(each)


def _routes_by_method() -> dict[str, str]:
    """Return the route of each method: a REST operation's verb and path template, else JSON-RPC."""
    chain_methods = NODE_READS | NODE_WRITES | BUNDLER_READS | BUNDLER_WRITES
    names = [*(operation.name for operation in OPERATIONS), _DISCOVER, UNKNOWN, OTHER, UNREADABLE, *chain_methods]
    routes = dict.fromkeys(names, "JSON-RPC")
    for operation in REST_OPERATIONS:
        if operation.rest is not None:
            routes[operation.name] = f"{operation.rest.verb} {operation.rest.paths[0]}"
    return routes | {STREAM: f"GET {EVENTS_PATH}"}


_ROUTES = _routes_by_method() | {NO_OPERATION: "", REJECTED: "", BATCH: "JSON-RPC"}
"""The route of each method that is a label."""
_CODES = {
    _REVERTED,
    *_error_codes(),
    *ORGANIZATION_CODES.values(),
    *(code for status in _STATUSES for code in (status, 1000 * status)),
}
"""The codes that are labels."""


class RequestMetrics:
    """The instruments of requests, for `observe.report_requests_to`."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._counts: dict[tuple[str, int | None], Callable[[], None]] = {}
        """By method and error code; of a request for no operation, the code is its HTTP status."""
        self._times: dict[str, Callable[[float], None]] = {}

    def record(self, context: RequestContext, seconds: float) -> None:
        """Record a request that has ended, and its duration."""
        results = context.results or (_result_without_operation(context),)
        for result in results:
            count = self._counts.get((result.method, result.code))
            if count is None:
                count = self._find_count(result.method, result.code)
            count()
        method = results[0].method if context.batch_entries is None else BATCH
        if method == STREAM or context.status == _SWITCHING_PROTOCOLS:
            return  # the client decides how long it follows events
        add_time = self._times.get(method)
        if add_time is None:
            method = _bound_method(method)
            add_time = self._times[method] = self._instruments.time_tally(REQUEST_SECONDS, method).add
        add_time(seconds)

    def _find_count(self, method: str, code: int | None) -> Callable[[], None]:
        name = _bound_method(method)
        text = "" if code is None else str(code) if code in _CODES else OTHER_CODE
        count = self._instruments.tally(REQUESTS, name, _ROUTES[name], _outcome_of(name, code), text).add
        if name == method and text != OTHER_CODE:  # else the number of entries would have no bound
            self._counts[method, code] = count
        return count


def _result_without_operation(context: RequestContext) -> Result:
    rejection = context.rejection
    return Result(NO_OPERATION, context.status) if rejection is None else Result(REJECTED, rejection.code)


def _bound_method(method: str) -> str:
    return method if method in _ROUTES else OTHER


def _outcome_of(method: str, code: int | None) -> str:
    """Return the outcome by the code of an error, or by the HTTP status of a request for no operation."""
    if method == NO_OPERATION:
        if code is None:
            return "cut"
        if code < _FIRST_ERROR:
            return "ok"
    if code is None:
        return "ok"
    status = code // 1000 if code >= _STATUSES.stop else code
    return "failed" if code == Unavailable.code or _FIRST_SERVER_ERROR <= status < _STATUSES.stop else "rejected"
