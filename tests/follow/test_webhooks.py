"""Webhooks of two replicas on one Redis: signed, in order, by one replica, repeated, and given up at last."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.contract.sample import a_marked_event
from tests.contract.waiting import until
from tests.e2e.commanding import Cli
from tests.e2e.process import Server
from tests.follow.conftest import Shop
from tests.support.calls import transfer
from tests.support.clocks import FixedClock
from tests.support.constants import ROOT
from tests.support.wallet import Wallet
from tests.support.webhook_receiver import Delivery, Receiver, open_receiver
from wallet_rpc.adapters import webhook_sender
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.webhook_sender import HttpWebhookSender
from wallet_rpc.devchain.dev_constants import API_KEY
from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.webhook import WebhookEndpoint, format_secret
from wallet_rpc.metrics.catalogue import WEBHOOKS
from wallet_rpc.metrics.events import EventMetrics
from wallet_rpc.metrics.instruments import Instruments
from wallet_rpc.services import webhook_delivery
from wallet_rpc.services.event_counts import WebhookOutcome, report_events_to
from wallet_rpc.services.event_feed import EventFeed
from wallet_rpc.services.webhook_delivery import WebhookDelivery

NOW = 1_700_000_000
SECRET = format_secret(b"s" * 32)
LIFE = ["call.submitted", "call.pending", "call.confirmed"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as found:
        yield found


@pytest.fixture
def wallet(replicas: tuple[Server, Server], shop: Shop) -> Wallet:
    return Wallet(shop.client(replicas[0])).fund()


def ask(shop: Shop, server: Server, verb: str, path: str = "", body: Any = None) -> tuple[int, Any]:
    url = f"{server.url}/v1/organizations/{shop.organization}/webhooks{path}"
    answer = httpx2.request(verb, url, json=body, headers=shop.headers)
    return answer.status_code, answer.json()


def test_events_are_posted_once_in_order_and_signed(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet, receiver: Receiver
) -> None:
    one, two = replicas
    wallet.create_session(ROOT)  # before the webhook, so not for it
    status, created = ask(shop, one, "POST", body={"url": receiver.url})
    assert status == 200
    grant = wallet.grant(ROOT)
    failed: set[str] = set()

    def fail_once(delivery: Delivery) -> int:
        """Fail the first attempt of one event, which all later ones wait for."""
        is_first = delivery.event["type"] == "session.activated" and delivery.id not in failed
        failed.add(delivery.id)
        return 500 if is_first else 204

    receiver.status = fail_once
    wallet.act(grant, transfer(1))
    receiver.wait_for(lambda: receiver.types()[-1:] == ["session.installed"])

    assert receiver.types() == ["session.created", *["session.activated"] * 2, *LIFE, "session.installed"]
    assert all(each.is_signed_with(created["secret"]) for each in receiver.deliveries)
    assert all(each.id == each.event["id"] for each in receiver.deliveries)
    assert receiver.deliveries[1].id == receiver.deliveries[2].id
    assert receiver.deliveries[0].event["sessionId"] == grant.session_id

    def has_progress() -> bool:
        return bool(ask(shop, two, "GET")[1]["webhooks"][0]["lastEventId"] == receiver.deliveries[-1].id)

    receiver.wait_for(has_progress)
    listed = ask(shop, two, "GET")[1]
    assert created["secret"] not in json.dumps(listed)
    assert listed["webhooks"][0] | {"id": created["id"], "url": receiver.url} == listed["webhooks"][0]
    assert ask(shop, two, "DELETE", f"/{created['id']}") == (200, {"id": created["id"]})
    assert ask(shop, two, "DELETE", f"/{created['id']}")[0] == 404
    assert created["secret"] not in one.output() + two.output()
    assert receiver.url not in one.output() + two.output()


def test_another_replica_goes_on_after_a_kill(start: Callable[..., Server], shop: Shop, receiver: Receiver) -> None:
    with start("first") as first:
        wallet = Wallet(shop.client(first))
        assert ask(shop, first, "POST", body={"url": receiver.url, "types": ["session"]})[0] == 200
        wallet.create_session(ROOT)
        receiver.wait_for(lambda: receiver.types() == ["session.created"])
        with start("second") as second:
            wallet.create_session(ROOT)
            receiver.wait_for(lambda: len(receiver.deliveries) == 2)
            first.kill()
            wallet.client = shop.client(second)
            wallet.create_session(ROOT)
            receiver.wait_for(lambda: len({each.id for each in receiver.deliveries}) == 3)  # the second perhaps twice


@pytest.mark.parametrize(
    ("hook", "text"),
    [
        ("ftp://example.com/", "expected an https URL"),
        ("http://example.com/", "expected an https URL"),
        ("https://user:word@example.com/", "expected a URL without user"),
        ("https://127.0.0.1/hook", "expected a public address"),
        ("https://127.1/hook", "expected a public address"),
        ("https://localhost/hook", "expected a public address"),
        ("https://[::ffff:10.0.0.1]/", "expected a public address"),
        ("https://169.254.169.254/latest", "expected a public address"),
    ],
)
def test_a_url_that_is_not_allowed_is_rejected(url: str, hook: str, text: str) -> None:
    """The server of this address has the default settings."""
    headers = {"x-api-key": API_KEY}
    path = f"{url}/v1/organizations/{OPEN_ORGANIZATION}/webhooks"
    answer = httpx2.post(path, json={"url": hook}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, 400013)
    assert text in answer.json()["message"]


def test_a_member_that_does_not_exist_is_rejected(url: str) -> None:
    path, body = f"{url}/v1/organizations/{OPEN_ORGANIZATION}/webhooks", {"url": "https://example.com", "events": []}
    answer = httpx2.post(path, json=body, headers={"x-api-key": API_KEY})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "events")


@asynccontextmanager
async def deliver(store: RedisStore, *, seconds: int = NOW) -> AsyncIterator[HttpWebhookSender]:
    """Deliver the webhooks of a store in this process while the block runs."""
    feed = EventFeed(lambda organization: store.for_organization(organization).events)
    clock = FixedClock(seconds)
    async with HttpWebhookSender(clock, allows_private=True) as sender:
        delivery = WebhookDelivery(
            feed,
            sender,
            clock,
            lambda organization: store.for_organization(organization).webhooks,
            store.list_webhook_organizations,
        )
        running = [asyncio.create_task(work) for work in (feed.run(), delivery.run())]
        try:
            yield sender
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


def an_endpoint(url: str, **fields: Any) -> WebhookEndpoint:
    return WebhookEndpoint(id="wh_one", url=url, secret=SECRET, created_at=NOW, **fields)


async def test_an_event_that_is_never_taken_becomes_a_dead_letter(
    store: RedisStore, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_delivery, "MAX_ATTEMPTS", 3)
    monkeypatch.setattr(webhook_delivery, "pause_after", lambda _: 0)
    monkeypatch.setattr(webhook_delivery, "SEARCH_SECONDS", 0.05)
    metrics = Instruments()
    report_events_to(EventMetrics(metrics))
    receiver.status = lambda delivery: 500 if delivery.event["data"]["number"] == 0 else 200
    await store.webhooks.add(an_endpoint(receiver.url), position="0-0")
    for number in range(2):
        await store.events.append(a_marked_event(f"{number}", data={"number": number}))

    async def is_stored() -> bool:
        return (await store.webhooks.list())[0].position == receiver.deliveries[-1].id

    async with deliver(store):
        await asyncio.to_thread(receiver.wait_for, lambda: len(receiver.deliveries) == 4)
        await until(is_stored)
    assert [each.event["data"]["number"] for each in receiver.deliveries] == [0, 0, 0, 1]
    (dead,) = await store.webhooks.list_dead()
    assert (dead.event_id, dead.attempts, dead.reason) == (receiver.deliveries[0].id, 3, "http_500")
    assert dead.event is not None
    assert dead.event["data"] == {"number": 0}
    report_events_to(None)
    metrics.flush()
    counts = {each: metrics.registry.get_sample_value(WEBHOOKS.name, {"outcome": each}) for each in WebhookOutcome}
    assert counts == {"delivered": 1, "failed": 2, "dead": 1}


async def test_only_the_replica_with_the_lease_writes_progress(store: RedisStore, redis_server: RedisServer) -> None:
    await store.webhooks.add(an_endpoint("https://example.com"), position="0-0")
    async with RedisStore.open(redis_server.url, prefix=store.events._link.prefix.rpartition(":")[0]) as other:
        assert await store.webhooks.hold()
        assert not await other.webhooks.hold()
        assert not await other.webhooks.advance("wh_one", "9-0")
        assert await store.webhooks.advance("wh_one", "1-0")
        await store.webhooks.leave()
        assert await other.webhooks.hold()
        assert not await store.webhooks.advance("wh_one", "2-0")
    assert (await store.webhooks.list())[0].position == "1-0"


class _Rebinding(AbstractResolver):
    """Resolver of a name whose addresses change with each request."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers.pop(0)
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def test_a_name_with_a_private_address_gets_nothing_also_when_it_changes(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    resolver = _Rebinding("127.0.0.1", "10.0.0.1", "203.0.113.1")
    async with HttpWebhookSender(FixedClock(NOW), allows_private=False, resolver=resolver) as sender:
        hook = an_endpoint(f"https://hook.example:{port}/hook")
        assert [await sender.send(hook, "1-0", b"{}") for _ in range(3)] == ["address_refused"] * 3
        assert resolver.answers == [], "the name is resolved for each connection"
        literal = an_endpoint(f"https://127.0.0.1:{port}/hook")
        assert await sender.send(literal, "1-0", b"{}") == "address_refused"
        for host in ("2130706433", "0x7f.1", "127.1"):  # forms that only the system's resolver understands
            assert await sender.send(an_endpoint(f"https://{host}:{port}/"), "1-0", b"{}") == "address_refused"
    assert receiver.deliveries == []


async def test_the_address_of_each_socket_is_checked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library opens a connection to an address in the URL itself without a resolver."""
    monkeypatch.setattr(webhook_sender, "find_url_error", lambda *_, **__: None)
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    async with HttpWebhookSender(FixedClock(NOW), allows_private=False) as sender:
        for host in ("127.0.0.1", "127\u30020\u30020\u30021", "[::ffff:7f00:1]"):
            assert await sender.send(an_endpoint(f"http://{host}:{port}/"), "1-0", b"{}") == "address_refused"
    assert receiver.deliveries == []


async def test_the_address_that_was_checked_is_the_one_that_is_used(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    resolver = _Rebinding("127.0.0.1")
    async with HttpWebhookSender(FixedClock(NOW), allows_private=True, resolver=resolver) as sender:
        assert await sender.send(an_endpoint(f"http://hook.example:{port}/hook"), "1-0", b'{"type":"x"}') is None
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 410, 503])
async def test_any_status_but_2xx_is_a_failure_and_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status = lambda _: status
    receiver.headers = {"location": receiver.url}
    async with HttpWebhookSender(FixedClock(NOW), allows_private=True) as sender:
        assert await sender.send(an_endpoint(receiver.url), "1-0", b'{"type":"x"}') == f"http_{status}"
        assert await sender.send(an_endpoint("http://127.0.0.1:1/"), "1-0", b"{}") == "no_answer"
    assert len(receiver.deliveries) == 1


def test_the_command_line_manages_webhooks(
    redis: RedisServer, shop: Shop, receiver: Receiver, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(redis.url, capsys, monkeypatch)
    org = ("--org", shop.organization)
    assert cli.status("webhook", "add", *org, receiver.url)[0] == 2
    assert "expected an https URL" in cli.stderr
    monkeypatch.setenv("WALLET_RPC_PRIVATE_WEBHOOKS", "yes")
    added = cli.json("webhook", "add", *org, receiver.url, "--type", "call")
    listed = cli.json("webhook", "list", *org)["webhooks"]
    assert [(each["id"], each["url"], each["types"]) for each in listed] == [
        (added["webhookId"], receiver.url, ["call"])
    ]
    assert added["secret"] not in json.dumps(listed) + cli.text("webhook", "list", *org)

    assert cli.json("webhook", "test", *org, added["webhookId"])["taken"] is True
    assert receiver.types() == ["webhook.test"]
    assert receiver.deliveries[0].is_signed_with(added["secret"])
    receiver.status = lambda _: 404
    status, printed = cli.status("webhook", "test", *org, added["webhookId"])
    assert (status, "did not take (http_404)" in printed) == (1, True)
    monkeypatch.setenv("WALLET_RPC_PRIVATE_WEBHOOKS", "no")
    assert "address_refused" in cli.status("webhook", "test", *org, added["webhookId"])[1]
    assert cli.text("webhook", "dead", *org) == "no dead letters\n"
    assert "is deleted" in cli.text("webhook", "remove", *org, added["webhookId"])
    assert cli.status("webhook", "remove", *org, added["webhookId"])[0] == 2
    assert cli.status("webhook", "add", *org, "https://example.com", "--type", "lost")[0] == 2
    assert OPEN_ORGANIZATION not in cli.stderr
