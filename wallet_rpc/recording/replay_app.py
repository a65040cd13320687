"""The server of a replay: it answers from a recording, and reports differences at `GET /replay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_hash.auto import keccak
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from wallet_rpc import wire
from wallet_rpc.edge.envelope import error_response, response_id
from wallet_rpc.edge.guard import HttpRejection, JsonResponse, read_request_body
from wallet_rpc.edge.rpc_endpoint import jsonrpc_error_response, respond_or_reject
from wallet_rpc.errors import ParseError
from wallet_rpc.primitives import Data
from wallet_rpc.recording.exchange_redaction import entries_of, learn_bodies, redact_request
from wallet_rpc.recording.exchanges import dump_json_text, format_body, read_body
from wallet_rpc.recording.questions import Question, RecordedAnswer, split_request
from wallet_rpc.recording.received import describe_request
from wallet_rpc.recording.recorder import MAX_REQUEST_BYTES
from wallet_rpc.recording.redaction import Redactor
from wallet_rpc.recording.replayer import NotRecorded, Replayer, ReplayReport

REPORT_PATH = "/replay"
"""The path of the report."""


class ReplayApp:
    """The server as an ASGI application."""

    def __init__(self, replayer: Replayer) -> None:
        self._replayer = replayer
        self._redactor = Redactor()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        response = await respond_or_reject(self._response, scope, receive)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        if scope["path"] == REPORT_PATH and scope["method"] == "GET":
            return JsonResponse(wire.dump_json(ReplayReport, self._replayer.report()))
        body = await read_request_body(scope, receive, max_bytes=MAX_REQUEST_BYTES)
        try:
            parsed = read_body(body)
        except ValueError:
            raise HttpRejection(415, ParseError("body: expected text in UTF-8")) from None
        request = describe_request(scope, parsed, self._redactor, lambda text: text)
        learn_bodies(self._redactor, request.body, None)
        redacted = split_request(redact_request(self._redactor, request))
        outcomes = [
            (entry, self._find(question, hidden))
            for (question, entry), (hidden, _) in zip(split_request(request), redacted, strict=True)
        ]
        self._rename_hashes(entries_of(parsed), [outcome for _, outcome in outcomes])
        if parsed is not None and isinstance(parsed.json, list) and outcomes[0][0] is not None:
            return self._answer_batch(outcomes)
        entry, outcome = outcomes[0]
        if isinstance(outcome, NotRecorded):
            return jsonrpc_error_response(outcome.status, outcome) if entry is None else self._json(200, entry, outcome)
        if outcome.response_object is not None:
            return self._json(outcome.status, entry, outcome, outcome.headers)
        content = None if outcome.body is None else self._replayer.renames.to_given(format_body(outcome.body).decode())
        return Response(content, outcome.status, headers=dict(outcome.headers))

    def _answer_batch(self, outcomes: list[tuple[Any, RecordedAnswer | NotRecorded]]) -> Response:
        first = outcomes[0][1]
        if isinstance(first, RecordedAnswer) and first.is_of_whole_batch:
            return self._json(first.status, None, first, first.headers)
        listed = [each for each in (self._respond(*outcome) for outcome in outcomes) if each is not None]
        return JsonResponse(dump_json_text(listed).encode()) if listed else Response(status_code=204)

    def _find(self, question: Question, redacted: Question) -> RecordedAnswer | NotRecorded:
        """Return the answer to a question, or the error for one that was not recorded."""
        answer = self._replayer.find_answer(question, redacted)
        return self._replayer.note_unrecorded(question, self._redactor.redact) if answer is None else answer

    def _rename_hashes(self, entries: list[Any], outcomes: list[RecordedAnswer | NotRecorded]) -> None:
        """Rename the hash of each sent transaction, which depends on its signature, and which clients compute too."""
        for entry, outcome in zip(entries, outcomes, strict=False):
            found = outcome.response_object if isinstance(outcome, RecordedAnswer) else None
            match entry, found:
                case {"method": "eth_sendRawTransaction", "params": [str() as text]}, {"result": str() as recorded}:
                    given = keccak(Data.parse(text)).hex()
                    if given != recorded[2:]:
                        self._replayer.renames.add({recorded[2:].lower(): given})

    def _respond(self, entry: Any, outcome: RecordedAnswer | NotRecorded) -> Any:
        """Return the response object for a request object; None for a notification."""
        if isinstance(outcome, NotRecorded):
            return error_response(outcome, response_id(entry)) if "id" in entry else None
        found = outcome.response_object
        if found is None:
            return None
        renamed = self._replayer.renames.to_given(found)
        return {**renamed, "id": entry["id"]} if outcome.has_request_id else renamed

    def _json(
        self, status: int, entry: Any, outcome: RecordedAnswer | NotRecorded, headers: Mapping[str, str] | None = None
    ) -> Response:
        found = self._respond(entry, outcome)
        if found is None:
            return Response(status_code=204)
        response = Response(dump_json_text(found), status, headers=headers, media_type="application/json")
        response.headers["cache-control"] = "no-store"
        return response
