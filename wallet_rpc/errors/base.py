"""The base class of all errors that a caller can see: the message, made from the field and a text, and the facts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from wallet_rpc.primitives import preview

_NOT_GIVEN = object()


class WalletError(Exception):
    """An error that the caller sees. `error.data` holds `reason`, `field`, `details` and further facts.

    The message is `field: text` if the error has a field, else `text`. Callers therefore never write the field in the
    text. `verbatim` leaves the field out of the message, for texts that are exactly those of the hosted service or of
    a standard. Without a text, `expected` and `given` make one: `expected an address, got null`.
    """

    code: ClassVar[int] = -32603
    status: ClassVar[int] = 400
    """The HTTP status in REST, whose response bodies carry no JSON-RPC code."""
    default_reason: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    sets_http_status: ClassVar[bool] = False
    """True if JSON-RPC over HTTP uses `status` too; `data` then repeats the status and the message, as in REST."""

    def __init__(
        self,
        text: str | None = None,
        *,
        field: str | None = None,
        expected: str | None = None,
        given: Any = _NOT_GIVEN,
        verbatim: bool = False,
        reason: str | None = None,
        **facts: Any,
    ) -> None:
        text = _compose(expected, given) if text is None else text
        super().__init__(text)
        self.text = text
        """The message without the field."""
        self.field = field
        """The path of the invalid value, such as `params.calls[0].to`; empty for the whole request."""
        self.expected = expected
        self.given = None if given is _NOT_GIVEN else given
        self.verbatim = verbatim
        self.reason = self.default_reason if reason is None else reason
        self.details: Sequence[Mapping[str, str]] | None = None
        """The field and the text of each invalid value, when a request is checked for all of them."""
        self.facts = facts
        """Further members of `data`, for display only: code decides by the attributes of an error."""

    @property
    def message(self) -> str:
        """The message on the wire."""
        return self.text if self.verbatim or not self.field else f"{self.field}: {self.text}"

    @property
    def data(self) -> dict[str, Any]:
        """`error.data` on the wire: the reason, then the facts that are not None."""
        http_members = {"statusCode": self.status, "message": self.message} if self.sets_http_status else {}
        facts = {"field": self.field, "details": self.details, **self.facts}
        known = {key: value for key, value in facts.items() if value is not None}
        return {**http_members, "reason": self.reason, **({"retryable": True} if self.retryable else {}), **known}

    def with_field(self, field: str) -> Self:
        """Return a copy with another field, in the message too."""
        copied = copy.copy(self)
        copied.field = field
        return copied

    def with_text(self, text: str, **facts: Any) -> Self:
        """Return a copy with another text and with additional facts."""
        copied = copy.copy(self)
        copied.text = text
        copied.facts = {**self.facts, **facts}
        return copied

    def with_reason(self, reason: str) -> Self:
        """Return a copy with another reason."""
        copied = copy.copy(self)
        copied.reason = reason
        return copied

    def with_details(self, details: Sequence[Mapping[str, str]]) -> Self:
        """Return a copy that lists each invalid value."""
        copied = copy.copy(self)
        copied.details = details
        return copied

    def __str__(self) -> str:
        return self.message


def _compose(expected: str | None, given: Any) -> str:
    if expected is None:
        raise TypeError("an error needs a text, or the value that was expected")
    return f"expected {expected}" if given is _NOT_GIVEN else f"expected {expected}, got {preview(given)}"
