"""Exchanges with placeholders instead of secrets."""

from __future__ import annotations

from typing import Any

from wallet_rpc.recording.exchanges import RecordedBody, RecordedExchange, RecordedRequest, RecordedResponse
from wallet_rpc.recording.redaction import Redactor


def redact_exchange(redactor: Redactor, exchange: RecordedExchange) -> RecordedExchange:
    """Return the exchange with placeholders for its secrets and all that were found before."""
    request, response = exchange.request, exchange.response
    learn_bodies(redactor, request.body, response.body)
    return RecordedExchange(
        format=exchange.format,
        number=exchange.number,
        at_milliseconds=exchange.at_milliseconds,
        request=redact_request(redactor, request),
        response=RecordedResponse(
            status=response.status,
            headers=redactor.redact(response.headers),
            body=_redact_body(redactor, response.body),
        ),
    )


def redact_request(redactor: Redactor, request: RecordedRequest) -> RecordedRequest:
    """Return the request with placeholders for all secrets that are known."""
    return RecordedRequest(
        verb=request.verb,
        path=redactor.redact(request.path),
        query=redactor.redact(request.query),
        credential=request.credential,
        body=_redact_body(redactor, request.body),
    )


def _redact_body(redactor: Redactor, body: RecordedBody | None) -> RecordedBody | None:
    return None if body is None else RecordedBody(json=redactor.redact(body.json), text=redactor.redact(body.text))


def learn_bodies(redactor: Redactor, sent: RecordedBody | None, received: RecordedBody | None) -> None:
    """Find secrets in the bodies of a request and its response."""
    for body in (sent, received):
        if body is not None and body.text is not None:
            redactor.learn_text(body.text)
    calls, results = (entries_of(body) for body in (sent, received))
    by_id = {repr(each.get("id")): each for each in results if isinstance(each, dict)}
    for each in calls:
        if isinstance(each, dict) and isinstance(each.get("method"), str):
            result = by_id.get(repr(each.get("id")), {}).get("result")
            redactor.learn_call(each["method"], each.get("params"), result)
        redactor.learn(each)
    for each in results:
        redactor.learn(each)


def entries_of(body: RecordedBody | None) -> list[Any]:
    """Return the entries of a batch, or any other body as the only one."""
    value = None if body is None else body.json
    return value if isinstance(value, list) else [value]
