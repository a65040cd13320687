"""Metrics of the connections that follow events, and of webhooks."""

from __future__ import annotations

from wallet_rpc.metrics import catalogue
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.services.event_counts import FollowerKind, WebhookOutcome


class EventMetrics:
    """`services.event_counts.EventObserver` on instruments; every counter starts at 0."""

    def __init__(self, instruments: Instruments) -> None:
        self._open = {kind: instruments.gauge(catalogue.FOLLOWERS, kind.value) for kind in FollowerKind}
        self._sent = {kind: instruments.tally(catalogue.EVENTS_SENT, kind.value) for kind in FollowerKind}
        self._lagging = {kind: instruments.tally(catalogue.LAGGING, kind.value) for kind in FollowerKind}
        self._webhooks = {each: instruments.tally(catalogue.WEBHOOKS, each.value) for each in WebhookOutcome}

    def count_open(self, kind: FollowerKind, change: int) -> None:
        """Count a connection or subscription that was opened (1) or has ended (-1)."""
        self._open[kind].inc(change)

    def count_sent(self, kind: FollowerKind) -> None:
        """Count an event that is sent to a client."""
        self._sent[kind].add()

    def count_lagging(self, kind: FollowerKind) -> None:
        """Count a client that is ended because too many events waited for it."""
        self._lagging[kind].add()

    def count_webhook(self, outcome: WebhookOutcome) -> None:
        """Count an attempt to deliver an event to a webhook."""
        self._webhooks[outcome].add()
