"""A received HTTP request in the form of a recording, without the credentials in its head."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Scope

from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.recording.exchanges import RecordedBody, RecordedRequest
from wallet_rpc.recording.redaction import Redactor

_KEY_PATHS = frozenset({"v2", "v3"})
"""Segments of a path before one with an API key."""
_KEY_SEGMENT = re.compile(r"(?!0x)(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9]{30,}")
"""A segment of a path that has the form of an API key."""
_KEY_NAMES = frozenset({"apikey", "api_key", "api-key", "key", "token", "access_token", "auth", "secret", "signature"})
"""Names in a query with credentials."""


Replace: TypeAlias = Callable[[str], str]
"""Returns the text that a request has in the place of a credential."""


def describe_request(
    scope: Scope, body: RecordedBody | None, redactor: Redactor, replace: Replace | None = None
) -> RecordedRequest:
    """Return a request with placeholders for the credentials in header fields, path and query.

    Transactions in its body have no signatures; the rest of it is unchanged. The secrets in both are known to
    `redactor` from then on. `replace` chooses other texts in the place of the credentials.
    """

    def replace_credential(text: str) -> str:
        placeholder = redactor.replace(text)
        return placeholder if replace is None else replace(text)

    query: dict[str, str] = {}
    for name, text in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        value = replace_credential(text) if text and name.lower() in _KEY_NAMES else text
        query[name] = f"{query[name]},{value}" if name in query else value
    return RecordedRequest(
        verb=scope["method"],
        path="/".join(_redact_segments(scope["path"], replace_credential)),
        query=query,
        credential=_redact_credential(HeaderFields.of(scope), replace_credential),
        body=_split_transactions(body, redactor),
    )


def _split_transactions(body: RecordedBody | None, redactor: Redactor) -> RecordedBody | None:
    """Return a body with transactions without their signatures, so that it does not depend on them."""
    value = None if body is None else body.json
    if isinstance(value, list):
        return RecordedBody(json=[_split_transaction(each, redactor) for each in value])
    return body if value is None else RecordedBody(json=_split_transaction(value, redactor))


def _split_transaction(entry: Any, redactor: Redactor) -> Any:
    match entry:
        case {"method": str() as method, "params": [str() as text, *rest]} if "rawtransaction" in method.lower():
            return {**entry, "params": [redactor.split_transaction(text), *rest]}
        case _:
            return entry


def _redact_segments(path: str, replace: Replace) -> list[str]:
    found = []
    for before, segment in pairwise(["", *path.split("/")]):
        is_key = segment != "" and (before in _KEY_PATHS or _KEY_SEGMENT.fullmatch(segment) is not None)
        found.append(replace(segment) if is_key else segment)
    return found


def _redact_credential(fields: HeaderFields, replace: Replace) -> str | None:
    """Return the API key or the token in its new form."""
    found = [fields.get(b"authorization").strip().rpartition(" ")[2], fields.get(b"x-api-key").strip()]
    placeholders = [replace(each) for each in found if each]
    return placeholders[0] if placeholders else None
