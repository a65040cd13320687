"""The declaration of an operation, from which the endpoints and the API documents are built."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from wallet_rpc.domain.access import WRITE_ACCESS, RequiredAccess
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address

_C = TypeVar("_C")
_Q = TypeVar("_Q")
_A = TypeVar("_A")


class ErrorFormat(StrEnum):
    """The JSON format of error responses in REST."""

    ORGANIZATION = "organization"
    """`{code, message, details, requestId}`. Source: seed 000."""
    TOKEN = "token"  # noqa: S105  # a name
    """`{statusCode, message, error}`. Source: seed 004."""


class Credential(StrEnum):
    """The credential that a REST endpoint accepts."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105  # a name


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRoute:
    """The REST route of an operation.

    The request consists of the path parameters and the JSON body; a route without a body reads the query instead.
    """

    verb: str
    paths: tuple[str, ...]
    """Equivalent templates such as `/v1/organizations/{orgId}/sessions`; the first one is documented."""
    error_format: ErrorFormat
    statuses: tuple[int, ...] = ()
    """Further HTTP status codes, in addition to 200 and those common to all routes of its error format."""
    credential: Credential = Credential.KEY
    most_bytes: int | None = None
    """Maximum body size in bytes; None: the route has no body and ignores any that is sent."""


async def _allow_all(_: Any) -> None:
    """Accept every caller."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[_C, _Q, _A]):
    """An operation that, in a context `C`, takes a request `Q` and returns an answer `A`."""

    name: str
    """The JSON-RPC method's name; of a REST operation, its operation id."""
    request: type[_Q]
    """The type that the parameters are decoded to: a `@shape`."""
    answer: Any
    """The type that the response is encoded by."""
    run: Callable[[_C, _Q], Awaitable[_A]]
    summary: str = ""
    """One sentence for the API documents."""
    errors: tuple[type[WalletError], ...] = ()
    """Errors that the operation may raise, in addition to InvalidParams."""
    reasons: tuple[str, ...] = ()
    """Reasons that these errors can have here, beyond the default ones and `reasons.EVERY_METHOD`."""
    positional: bool = False
    """False: the parameters are one object, the request. True: they are the request's fields, in order."""
    variadic: bool = False
    """True: the request is a list of objects, and the parameters are its items, in order; never with `positional`."""
    need: RequiredAccess = WRITE_ACCESS
    """The API key scope and the token scopes that a caller needs."""
    wallets: Callable[[_Q], tuple[Address, ...]] | None = None
    """The accounts or owners of a request; a session token's wallet must be or own each of them. None: no check."""
    rest: RestRoute | None = None
    """The REST route; an operation with one is not a JSON-RPC method."""
    is_long: Callable[[_A], bool] | None = None
    """Returns True for an answer that may hold thousands of values, which is encoded outside the event loop. None: no
    answer does."""
    has_own_limits: bool = False
    """False: the parameters may hold `wire.MAX_REQUEST_VALUES` JSON values. True: the operation limits them itself."""
    description: str = ""
    """Sentences for the API documents on what the summary does not say: effects, forms and limits."""
    authorize: Callable[[_C], Awaitable[None]] = _allow_all
    """The check that runs before the parameters are decoded. Raises: WalletError for an unauthorized caller."""
