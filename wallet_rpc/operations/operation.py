"""An operation: one thing a server can do, declared once; every door and document is made from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from wallet_rpc.errors import WalletError

C = TypeVar("C")
Q = TypeVar("Q")
A = TypeVar("A")


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
