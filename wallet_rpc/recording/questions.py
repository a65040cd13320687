"""The requests of a recording, each with the answers that it got."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from wallet_rpc.recording.exchanges import (
    RecordedBody,
    RecordedExchange,
    RecordedRequest,
    Recording,
)
from wallet_rpc.recording.placeholders import fill_placeholders

_HEX = re.compile(r"\b0x[0-9a-fA-F]+")


@dataclass(frozen=True, slots=True)
class Question:
    """A request object of JSON-RPC, or an HTTP request of another kind."""

    name: str
    """The method, or the HTTP method and the path."""
    form: Mapping[str, Any]
    """The parts that two requests are compared by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswer:
    """The answer to a question: of JSON-RPC the response object without its id, and the HTTP response around it."""

    line: int
    status: int
    headers: Mapping[str, str]
    body: RecordedBody | None
    response_object: Mapping[str, Any] | None = None
    has_request_id: bool = False
    """True if the response object had the id of its request."""
    is_of_whole_batch: bool = False
    """True if the response object was the response to a whole batch, such as an error."""


@dataclass(slots=True, kw_only=True)
class RecordedQuestion:
    """Requests of a recording that are the same, and their answers in order."""

    question: Question
    at: float
    """The time of the first request, in seconds."""
    answers: list[RecordedAnswer] = field(default_factory=list)
    sent: int = 0
    """The number of times that a client has sent."""

    @property
    def is_exhausted(self) -> bool:
        """True if each answer was given."""
        return self.sent >= len(self.answers)

    @property
    def next_line(self) -> int:
        """The line of the next answer."""
        return self.answers[min(self.sent, len(self.answers) - 1)].line

    def next_answer(self) -> RecordedAnswer:
        """Return the next answer; after the last one, that one again."""
        answer = self.answers[min(self.sent, len(self.answers) - 1)]
        self.sent += 1
        return answer


def split_request(request: RecordedRequest) -> list[tuple[Question, Any]]:
    """Return the questions of an HTTP request, each with its request object, if it has one.

    A batch has one for each entry.
    """
    head = {"path": request.path, "query": request.query}
    if request.credential is not None:
        head["credential"] = request.credential
    value = None if request.body is None else request.body.json
    entries = value if isinstance(value, list) else [value]
    if request.verb == "POST" and entries and all(map(_is_call, entries)):
        return [
            (Question(each["method"], {**head, **_call_form(each)}), each) for each in entries if isinstance(each, dict)
        ]
    body = {} if request.body is None else {"body": value if request.body.text is None else request.body.text}
    return [(Question(f"{request.verb} {request.path}", {**head, "verb": request.verb, **body}), None)]


def group_questions(recording: Recording) -> list[RecordedQuestion]:
    """Return the questions of a recording in the order in which they were first sent."""
    found: dict[str, RecordedQuestion] = {}
    for line, exchange in recording.exchanges:
        for question, answer in _read_answers(line, exchange):
            key = repr((question.form.get("credential"), fill_placeholders(form_key(question.form))))
            at = exchange.at_milliseconds / 1000
            found.setdefault(key, RecordedQuestion(question=question, at=at)).answers.append(answer)
    return [*found.values()]


def form_key(form: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal forms: with sorted members, and hex in lower case."""
    return _HEX.sub(lambda found: found[0].lower(), json.dumps(form, sort_keys=True))


def _is_call(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("method"), str)


def _call_form(entry: Mapping[str, Any]) -> dict[str, Any]:
    params = entry.get("params")
    form = {"method": entry["method"], "params": [] if params is None else params}
    return form if "id" in entry else {**form, "isNotification": True}


def _read_answers(line: int, exchange: RecordedExchange) -> Iterator[tuple[Question, RecordedAnswer]]:
    response = exchange.response
    value = None if response.body is None else response.body.json
    is_batch = exchange.request.body is not None and isinstance(exchange.request.body.json, list)
    objects = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
    for question, entry in split_request(exchange.request):
        found: dict[str, Any] | None = None
        has_id = False
        if entry is not None and "id" in entry:
            found = next((each for each in objects if "id" in each and each["id"] == entry["id"]), None)
            has_id = found is not None
            if found is None:  # one error for a whole batch, or for a request that was not read
                found = value if isinstance(value, dict) else None
            elif isinstance(value, list):
                objects.remove(found)
        yield (
            question,
            RecordedAnswer(
                line=line,
                status=response.status,
                headers=response.headers,
                body=response.body,
                response_object=found,
                has_request_id=has_id,
                is_of_whole_batch=is_batch and found is not None and found is value,
            ),
        )
