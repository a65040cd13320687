"""Failures of requests to Redis: which of them are repeated, the deadline for that, and the error that callers get."""

from __future__ import annotations

from types import TracebackType

from redis import exceptions
from redis.exceptions import AuthenticationError, NoPermissionError, RedisClusterException, RedisError, ResponseError

from wallet_rpc.errors import Unavailable
from wallet_rpc.time_limits import TimeLimit

REPEATED_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.AskError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.RedisClusterException,
)
"""Errors of a lost connection, a failover or a moved slot; the repeated command finds the new master."""


def require_repeatable(error: Exception) -> None:
    """Raise an error again, or its cause, after which a repeated request would fail too."""
    if isinstance(error, AuthenticationError):
        raise error
    if isinstance(error, RuntimeError) and "closed" not in str(error):  # uvloop's, for a write on a closed connection
        raise error
    if isinstance(error.__cause__, AuthenticationError | ResponseError):  # wrapped on a Unix socket
        raise error.__cause__ from None


class Deadline(TimeLimit):
    """Time limit of a block of requests to Redis, whose errors it replaces by Unavailable."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        except TimeoutError as expired:
            raise _describe_failure(expired) from expired
        if isinstance(error, RedisError | RedisClusterException | OSError):
            raise _describe_failure(error) from error


def _describe_failure(error: Exception) -> Unavailable:
    if isinstance(error, AuthenticationError | NoPermissionError):
        text = "the store rejects the user or the password of its URL, or the user lacks a permission"
        return Unavailable(text, reason="store_permission", part="store")
    is_of_number = isinstance(error, ResponseError) and "DB index" in str(error)
    text = "has no database with the number in its URL" if is_of_number else "does not answer"
    return Unavailable(f"the store {text}", part="store")
