"""Search of a recording for the answer to a request, and the report of differences."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from wallet_rpc.errors import WalletError
from wallet_rpc.recording.comparison import Comparison, TooDifferent
from wallet_rpc.recording.exchanges import Recording
from wallet_rpc.recording.placeholders import fill_placeholders
from wallet_rpc.recording.questions import Question, RecordedAnswer, RecordedQuestion, form_key, group_questions
from wallet_rpc.recording.renames import Renames
from wallet_rpc.wire import shape

MAX_DIFFERENCES = 20
"""The maximum number of differences that are listed for a request."""
MAX_REPORTED = 100
"""The maximum length of each list in a report."""


@shape
class PartDifference:
    """A part of a request that differs from the nearest recorded one."""

    path: str
    """The place of the part, such as `params[0].calls[0].value`."""
    expected: str
    """The recorded value."""
    given: str


@shape
class UnrecordedRequest:
    """A request that is not in the recording."""

    request: str
    """The method, or the HTTP method and the path."""
    nearest_line: int | None = None
    """The line of the nearest recorded request; None if no request of this kind was recorded."""
    differences: tuple[PartDifference, ...] = ()


@shape
class UnsentRequest:
    """A recorded request that the client did not send, or not as often."""

    request: str
    line: int
    recorded: int
    """The number of times that it was recorded."""
    sent: int


@shape
class RenamedValue:
    """A recorded value, and the one that the client chose in its place."""

    recorded: str
    given: str
    request: str
    path: str
    """The place in the request that first had the value."""


@shape
class ReplayReport:
    """Differences between a recording and the requests of a client."""

    has_differences: bool
    """True if a request was not recorded, or a recorded one was not sent at all."""
    recorded: int
    """The number of requests in the recording; a batch counts as many as it has entries."""
    answered: int
    """The number of requests that were answered from the recording."""
    repeated: int
    """The number of these that got the last answer once more."""
    not_recorded_count: int
    not_recorded: tuple[UnrecordedRequest, ...]
    not_sent_count: int
    not_sent: tuple[UnsentRequest, ...]
    sent_less: tuple[UnsentRequest, ...]
    """Requests that were sent, but less often than recorded; no difference, since clients poll."""
    renamed: tuple[RenamedValue, ...]


class NotRecorded(WalletError):
    """The recording has no such request."""

    code = -32001
    status = 501
    default_reason = "not_recorded"


@dataclass(slots=True)
class Replayer:
    """The state of a replay."""

    recording: Recording
    is_exact: bool = False
    renames: Renames = field(init=False)
    _questions: list[RecordedQuestion] = field(init=False)
    _last_line: int = 0
    """The line of the latest answer that was given for the first time: clients mostly go forward from there."""
    _answered: int = 0
    _repeated: int = 0
    _unrecorded: list[UnrecordedRequest] = field(default_factory=list)
    _unrecorded_count: int = 0
    _renamed: list[RenamedValue] = field(default_factory=list)
    _by_name: dict[str, list[RecordedQuestion]] = field(default_factory=lambda: defaultdict(list))

    _by_key: dict[str, list[RecordedQuestion]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        """Read the questions of the recording."""
        self.renames = Renames(self.recording, self.is_exact)
        self._questions = group_questions(self.recording)
        for each in self._questions:
            self._by_key[_key_of(each.question, self.renames)].append(each)
            self._by_name[_kind_of(each.question)].append(each)

    def find_answer(self, question: Question, redacted: Question) -> RecordedAnswer | None:
        """Return the next recorded answer to a question; None if it was not recorded.

        The question with placeholders for its secrets finds most recorded ones without a search.
        """
        key = _key_of(redacted, self.renames)
        best = self._choose(question, self._by_key.get(key, ()))
        if best is None:
            best = self._choose(question, self._by_name.get(_kind_of(question), ()))
        if best is None:
            return None
        match, comparison = best
        self.renames.add(comparison.pairs)
        self.renames.times |= comparison.times
        self.renames.secrets |= comparison.secrets
        self.renames.credentials |= comparison.credentials
        self._renamed += [
            RenamedValue(recorded=recorded, given=given, request=redacted.name, path=comparison.places[recorded])
            for recorded, given in comparison.pairs.items()
        ]
        return self._use(match)

    def _choose(
        self, question: Question, candidates: Iterable[RecordedQuestion]
    ) -> tuple[RecordedQuestion, Comparison] | None:
        """Return the recorded question that is the same in the least wide sense, and the comparison with it."""
        now = time.time()
        found = []
        for each in candidates:
            comparison = self._compare(each, question, now, max_differences=1)
            if not comparison.differences:
                is_behind = comparison.cost > 0 and each.next_line < self._last_line
                found.append(((comparison.cost, each.is_exhausted, is_behind), each, comparison))
        if not found:
            return None
        _, match, comparison = min(found, key=lambda each: each[0])
        return match, comparison

    def _use(self, match: RecordedQuestion) -> RecordedAnswer:
        self._answered += 1
        if match.is_exhausted:
            self._repeated += 1
        else:
            self._last_line = match.next_line
        return match.next_answer()

    def report(self) -> ReplayReport:
        """Return what differed until now."""
        unsent = [_describe_unsent(each) for each in self._questions if not each.is_exhausted]
        never = [each for each in unsent if each.sent == 0]
        return ReplayReport(
            has_differences=self._unrecorded_count > 0 or bool(never),
            recorded=sum(len(each.answers) for each in self._questions),
            answered=self._answered,
            repeated=self._repeated,
            not_recorded_count=self._unrecorded_count,
            not_recorded=tuple(self._unrecorded),
            not_sent_count=len(never),
            not_sent=tuple(never[:MAX_REPORTED]),
            sent_less=tuple(each for each in unsent if each.sent > 0)[:MAX_REPORTED],
            renamed=tuple(self._renamed[:MAX_REPORTED]),
        )

    def _compare(
        self, recorded: RecordedQuestion, question: Question, now: float, *, max_differences: int
    ) -> Comparison:
        found = Comparison(self.renames, recorded.at, now, max_differences)
        form = question.form
        if "credential" not in recorded.question.form:
            found.is_credential_ignored = "credential" in form
            form = {name: value for name, value in form.items() if name != "credential"}
        with suppress(TooDifferent):  # the comparison has the differences
            found.compare(recorded.question.form, form)
        return found

    def note_unrecorded(self, question: Question, redact: Callable[[str], str]) -> NotRecorded:
        """Note a question that was not recorded, and return its error with the differences, redacted by `redact`."""
        found = [
            (self._compare(each, question, time.time(), max_differences=MAX_DIFFERENCES).differences, each)
            for each in self._by_name.get(_kind_of(question), ())
        ]
        differences, nearest = min(found, key=lambda pair: (len(pair[0]), pair[1].is_exhausted), default=((), None))
        parts = tuple(
            PartDifference(path=each.path, expected=each.expected, given=redact(each.given)) for each in differences
        )
        name = redact(question.name)
        line = None if nearest is None else nearest.answers[0].line
        self._unrecorded_count += 1
        if len(self._unrecorded) < MAX_REPORTED:
            self._unrecorded.append(UnrecordedRequest(request=name, nearest_line=line, differences=parts))
        return NotRecorded(
            describe_differences(line, parts),
            field=name,
            nearestLine=line,
            differences=[{"path": each.path, "expected": each.expected, "given": each.given} for each in parts],
        )


def describe_differences(line: int | None, differences: Sequence[PartDifference]) -> str:
    """Describe a request that is not recorded, by its nearest recorded one."""
    if line is None:
        return "expected a recorded request, and none of this kind is in the recording"
    shown = [f"{each.path}: expected {each.expected}, got {each.given}" for each in differences]
    return f"expected a recorded request; the nearest one, line {line}, differs: {'; '.join(shown)}"


def _key_of(question: Question, renames: Renames) -> str:
    """Return a text that is equal for equal questions with any credential and any secrets."""
    form = {name: value for name, value in question.form.items() if name != "credential"}
    return fill_placeholders(renames.to_recorded(form_key(form)))


def _kind_of(question: Question) -> str:
    """Return the part of a question that selects those it is compared with: a method, or an HTTP method."""
    verb: str | None = question.form.get("verb")
    return question.name if verb is None else f" {verb}"


def _describe_unsent(question: RecordedQuestion) -> UnsentRequest:
    return UnsentRequest(
        request=question.question.name,
        line=question.answers[0].line,
        recorded=len(question.answers),
        sent=question.sent,
    )
