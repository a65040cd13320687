"""Counts of connections that follow events and of webhooks, reported to one observer while a server is measured."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class FollowerKind(StrEnum):
    """Kinds of client that follow events over a connection."""

    STREAM = "stream"
    """A stream of server-sent events."""
    SUBSCRIPTION = "subscription"
    """A subscription of a WebSocket."""


class WebhookOutcome(StrEnum):
    """Outcomes of an attempt to deliver an event to a webhook."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """The event will be sent again."""
    DEAD = "dead"
    """The event became a dead letter."""


class EventObserver(Protocol):
    """An observer of connections and webhooks."""

    def count_open(self, kind: FollowerKind, change: int) -> None:
        """Count a connection or subscription that was opened (1) or has ended (-1)."""

    def count_sent(self, kind: FollowerKind) -> None:
        """Count an event that is sent to a client."""

    def count_lagging(self, kind: FollowerKind) -> None:
        """Count a client that is ended because too many events waited for it."""

    def count_webhook(self, outcome: WebhookOutcome) -> None:
        """Count an attempt to deliver an event to a webhook."""


class _NoObserver:
    def count_open(self, kind: FollowerKind, change: int) -> None:
        """Count nothing."""

    def count_sent(self, kind: FollowerKind) -> None:
        """Count nothing."""

    def count_lagging(self, kind: FollowerKind) -> None:
        """Count nothing."""

    def count_webhook(self, outcome: WebhookOutcome) -> None:
        """Count nothing."""


_observer: EventObserver = _NoObserver()


def report_events_to(observer: EventObserver | None) -> None:
    """Report what this process does with events to an observer from now on, or to none."""
    global _observer  # noqa: PLW0603  # one for the process, as that of its requests
    _observer = _NoObserver() if observer is None else observer


def event_observer() -> EventObserver:
    """Return the observer of this process."""
    return _observer
