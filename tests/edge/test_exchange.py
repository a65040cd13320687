"""Writes of a response: its head goes with the start of its body."""

from __future__ import annotations

from typing import Any, cast

from wallet_rpc.edge.exchange import ResponseTransport


class Written:
    """A transport that lists what is written and when it is closed."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def is_closing(self) -> bool:
        return "close" in self.calls

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


def transport() -> tuple[ResponseTransport, list[Any]]:
    written = Written()
    return ResponseTransport(cast("Any", written), written.close), written.calls


def test_head_and_body_are_one_write() -> None:
    responses, calls = transport()
    responses.holds = True
    responses.write(b"head")
    assert calls == []
    responses.holds = False
    responses.write(b"body")
    responses.write(b"more")
    responses.flush()
    assert calls == [b"headbody", b"more"]


def test_a_large_body_is_not_copied() -> None:
    responses, calls = transport()
    body = bytes(1 << 20)
    responses.holds = True
    responses.write(b"head")
    responses.holds = False
    responses.write(body)
    assert calls[0] == b"head"
    assert calls[1] is body


def test_a_head_without_a_body_is_written_before_the_connection_is_closed() -> None:
    responses, calls = transport()
    responses.holds = True
    responses.write(b"head")
    responses.close()
    assert calls == [b"head", "close"]


def test_a_head_without_a_body_is_written_by_a_flush() -> None:
    responses, calls = transport()
    responses.holds = True
    responses.write(b"head")
    responses.flush()
    responses.flush()
    assert calls == [b"head"]
