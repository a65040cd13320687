"""Metrics of a real server that sends events to a stream, to a subscription and to a webhook."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import httpx2

from tests.e2e.process import Server, until
from tests.follow.conftest import Shop
from tests.metrics.prometheus import read_samples, scrape, values_of
from tests.support.constants import ROOT
from tests.support.event_stream import StreamClient
from tests.support.wallet import Wallet
from tests.support.web_socket import open_socket
from tests.support.webhook_receiver import open_receiver


async def test_open_followers_sent_events_and_webhooks_are_counted(start: Callable[..., Server], shop: Shop) -> None:
    with start(METRICS_PORT="0") as server, open_receiver() as receiver:
        found = re.search(r"^Metrics: +(\S+)$", server.output(), re.MULTILINE)
        assert found is not None, server.output()

        def counts(kind: str) -> list[float]:
            samples = read_samples(scrape(found[1]))
            names = ("event_followers_open", "events_sent_total", "event_followers_lagging_total")
            return [value for name in names for value in values_of(samples, f"wallet_rpc_{name}", kind=kind)]

        def webhooks() -> list[float]:
            samples = read_samples(scrape(found[1]))
            outcomes = ("delivered", "failed", "dead")
            return [
                value
                for each in outcomes
                for value in values_of(samples, "wallet_rpc_webhook_attempts_total", outcome=each)
            ]

        assert (counts("stream"), counts("subscription"), webhooks()) == ([0, 0, 0], [0, 0, 0], [0, 0, 0])
        hooks = f"{server.url}/v1/organizations/{shop.organization}/webhooks"
        assert httpx2.post(hooks, json={"url": receiver.url}, headers=shop.headers, timeout=30).status_code == 200
        receiver.status = lambda delivery: 500 if delivery is receiver.deliveries[0] else 200
        wallet = Wallet(shop.client(server))
        with StreamClient(server.url, shop.headers, [("type", "session")]):
            async with open_socket(f"{server.url}/v2/{shop.key}") as client:
                assert await client.result("wallet_subscribe", "sessions")
                await client.result("wallet_subscribe", "calls")
                for _ in range(2):
                    await asyncio.to_thread(wallet.create_session, ROOT)
                await asyncio.to_thread(until, lambda: counts("stream") == [1, 2, 0], "the stream is counted")
                await asyncio.to_thread(until, lambda: counts("subscription") == [2, 2, 0], "both are counted")
        await asyncio.to_thread(until, lambda: webhooks() == [2, 1, 0], "the webhook is counted")
        await asyncio.to_thread(
            until, lambda: (counts("stream"), counts("subscription")) == ([0, 2, 0], [0, 2, 0]), "both have ended"
        )
