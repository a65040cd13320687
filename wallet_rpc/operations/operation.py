"""An operation: one thing a server can do, declared once; every door and document is made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from wallet_rpc.domain.access import WRITE_ACCESS, RequiredAccess
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address

C = TypeVar("C")
Q = TypeVar("Q")
A = TypeVar("A")


class ErrorFormat(StrEnum):
    """How a REST answer says what went wrong."""

    ORGANIZATION = "organization"
    """`{code, message, details, requestId}`. Source: seed 000."""
    TOKEN = "token"  # noqa: S105  # a name
    """`{statusCode, message, error}`. Source: seed 004."""


class Credential(StrEnum):
    """What a REST place lets in."""

    KEY = "key"
    TOKEN = "token"  # noqa: S105  # a name


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRoute:
    """Where an operation is in the REST API.

    The request is the path's parameters, and the JSON body or, of a place without a body, the query.
    """

    verb: str
    paths: tuple[str, ...]
    """Templates such as `/v1/organizations/{orgId}/sessions`; all mean the same, the first is the documented one."""
    error_format: ErrorFormat
    statuses: tuple[int, ...] = ()
    """What it answers beside 200 and what every place of its dialect may answer."""
    credential: Credential = Credential.KEY
    most_bytes: int | None = None
    """The longest body; None: it has none, and what is sent is ignored."""


async def _allow_all(_: Any) -> None:
    """Let every caller run it."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[C, Q, A]):
    """In a context `C`, take a request `Q`, give an answer `A`."""

    name: str
    """The method's name on the wire."""
    request: type[Q]
    """What is decoded from the parameters: a `@shape`."""
    answer: Any
    """The type the answer is encoded by."""
    run: Callable[[C, Q], Awaitable[A]]
    summary: str = ""
    """One sentence for the document."""
    errors: tuple[type[WalletError], ...] = ()
    """What a caller must expect beside a bad request."""
    positional: bool = False
    """False: the parameters are one object, the request. True: they are the request's fields, in order."""
    variadic: bool = False
    """True: the request is a list of objects, and the parameters are its items, in order; never with `positional`."""
    need: RequiredAccess = WRITE_ACCESS
    """What the caller must hold."""
    wallets: Callable[[Q], tuple[Address, ...]] | None = None
    """Which accounts or owners a request is about: a token's wallet must be, or own, one of them. None: not told."""
    rest: RestRoute | None = None
    """Where REST has it; such an operation is not a JSON-RPC method."""
    has_long_answers: bool = False
    """Whether an answer may hold thousands of values; then it is encoded beside the event loop."""
    has_own_limits: bool = False
    """False: the parameters may hold `wire.MAX_VALUES` JSON values. True: the operation bounds what it looks at."""
    authorize: Callable[[C], Awaitable[None]] = _allow_all
    """Asked before the parameters are read. Raises: WalletError for a caller who may not run it."""
