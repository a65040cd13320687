"""Client of the stream of server-sent events, by the rules of the standard."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx2

from tests.support.constants import LONGEST_SECONDS


@dataclass(frozen=True)
class Message:
    """One event of a stream."""

    kind: str
    """`message`, or the name of an event about the stream itself."""
    id: str
    data: dict[str, Any]


@dataclass
class StreamClient:
    """`with StreamClient(url)`: an open stream, whose messages a thread collects."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Sequence[tuple[str, str]] = ()
    messages: list[Message] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    last_id: str = ""
    """The last event id, as a browser would send it after a lost connection."""
    has_ended: bool = False

    def __enter__(self) -> Self:
        self._http = httpx2.Client(timeout=LONGEST_SECONDS)
        url = f"{self.url}/v1/events?{urlencode(self.params)}"
        request = self._http.build_request("GET", url, headers=self.headers)
        self.response = self._http.send(request, stream=True)
        assert self.response.status_code == 200, self.response.read()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        try:
            self.wait_for(lambda: len(self.comments) > 0)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        connection: socket.socket = self.response.extensions["network_stream"].get_extra_info("socket")
        with suppress(OSError):  # the server has closed it
            connection.shutdown(socket.SHUT_RDWR)  # the thread may wait for input
        self._thread.join(LONGEST_SECONDS)
        self._http.close()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self.response.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                    continue
                self._dispatch(fields)
                fields = {}
        except httpx2.TransportError:
            pass
        self.has_ended = True

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            message = Message(fields.get("event", "message"), self.last_id, json.loads(fields["data"]))
            self.messages.append(message)
        if "" in fields:
            self.comments.append(fields[""])

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.messages
            assert not self.has_ended or condition(), self.messages
            time.sleep(0.01)

    def types(self, **members: str) -> list[str]:
        """Return the types of the events that have these members."""
        events = [each.data for each in self.messages if each.kind == "message"]
        return [each["type"] for each in events if members.items() <= each.items()]

    def notices(self) -> list[tuple[str, str]]:
        """Return name and reason of the events about the stream itself."""
        return [(each.kind, each.data["reason"]) for each in self.messages if each.kind != "message"]
