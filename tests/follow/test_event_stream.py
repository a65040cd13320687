"""`GET /v1/events` of two replicas on one Redis: resumed on any of them, told of gaps, and ended with the server."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.e2e.process import Server, until
from tests.follow.conftest import KEPT_EVENTS, Shop
from tests.support.calls import transfer
from tests.support.constants import ROOT
from tests.support.event_stream import StreamClient
from tests.support.wallet import Wallet

LIFE = ["call.submitted", "call.pending", "call.confirmed"]


@pytest.fixture
def wallet(replicas: tuple[Server, Server], shop: Shop) -> Wallet:
    return Wallet(shop.client(replicas[0])).fund()


def test_a_stream_is_resumed_on_the_other_replica_without_a_gap(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    one, two = replicas
    with StreamClient(one.url, shop.headers) as stream:
        grant = wallet.grant(ROOT)
        stream.wait_for(lambda: stream.types() == ["session.created"])
    assert wallet.act(grant, transfer(1))["status"] == 200
    with StreamClient(two.url, {**shop.headers, "last-event-id": stream.last_id}) as resumed:
        assert wallet.act(grant, transfer(1))["status"] == 200
        resumed.wait_for(lambda: len(resumed.types()) == 8)

    assert resumed.types() == ["session.activated", *LIFE, "session.installed", *LIFE]
    assert resumed.notices() == []
    ids = [tuple(map(int, each.id.split("-"))) for each in (*stream.messages, *resumed.messages)]
    assert ids == sorted(set(ids))
    assert all(each.data["id"] == each.id for each in resumed.messages)
    sessions = {each.data["sessionId"] for each in (*stream.messages, *resumed.messages)}
    assert sessions == {grant.session_id}


def test_a_stream_without_events_can_be_resumed_too(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    with StreamClient(replicas[0].url, shop.headers) as stream:
        assert stream.messages == []
    wallet.create_session(ROOT)
    with StreamClient(replicas[1].url, shop.headers, [("lastEventId", stream.last_id)]) as resumed:
        resumed.wait_for(lambda: resumed.types() == ["session.created"])


def test_filters_choose_types_accounts_and_sessions(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    other = Wallet(wallet.client)
    mine, yours = wallet.grant(ROOT), other.create_session(ROOT)[0]
    wallet.act(mine, transfer(1))

    def read(*params: tuple[str, str]) -> list[str]:
        with StreamClient(replicas[1].url, shop.headers, [("lastEventId", "0-0"), *params]) as stream:
            wallet.create_session(ROOT)  # the last event that each of them may have
            other.create_session(ROOT)
            stream.wait_for(lambda: stream.last_id != "0-0" and len(stream.messages) >= 1)
            return stream.types()

    assert read(("type", "call.pending"), ("type", "call.confirmed")) == ["call.pending", "call.confirmed"]
    assert read(("type", "call")) == LIFE
    assert set(read(("sessionId", mine.session_id))) >= {"session.created", "session.activated", *LIFE}
    assert read(("sessionId", yours["sessionId"])) == ["session.created"]
    assert set(read(("account", other.account))) == {"session.created"}


def test_a_client_learns_that_what_it_asks_for_was_deleted(
    replicas: tuple[Server, Server], shop: Shop, wallet: Wallet
) -> None:
    with StreamClient(replicas[0].url, shop.headers) as first:
        wallet.create_session(ROOT)
        first.wait_for(lambda: len(first.messages) == 1)
    for _ in range(KEPT_EVENTS + 5):
        wallet.create_session(ROOT)
    with StreamClient(replicas[1].url, {**shop.headers, "last-event-id": first.last_id}) as stream:
        stream.wait_for(lambda: len(stream.types()) == KEPT_EVENTS)
    assert stream.notices() == [("trimmed", "events_trimmed")]
    assert stream.messages[0].kind == "trimmed"

    with StreamClient(replicas[0].url, {**shop.headers, "last-event-id": stream.messages[0].id}) as again:
        again.wait_for(lambda: len(again.types()) == KEPT_EVENTS)
    assert again.notices() == [], "the notice's own id has no gap after it"

    late = "9999999999999-0"
    with StreamClient(replicas[0].url, {**shop.headers, "last-event-id": late}) as lost:
        wallet.create_session(ROOT)
        lost.wait_for(lambda: len(lost.messages) == 2)
    assert lost.notices() == [("trimmed", "event_id_unknown")]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("type=call.lost", "query.type[0]: expected a type of event"),
        ("account=0x12", "query.account[0]: expected 0x and 20 hex bytes"),
        ("sessionId=7", "query.sessionId[0]: expected 0x and 16 hex bytes"),
        ("lastEventId=yesterday", "query.lastEventId: expected the id of an event"),
        ("since=1", "query.since: "),
    ],
)
def test_an_invalid_query_is_rejected(replicas: tuple[Server, Server], shop: Shop, query: str, reason: str) -> None:
    answer = httpx2.get(f"{replicas[0].url}/v1/events?{query}", headers=shop.headers)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(reason)


def test_only_the_stream_itself_is_at_its_path(replicas: tuple[Server, Server], shop: Shop) -> None:
    url = f"{replicas[0].url}/v1/events"
    answers = [
        httpx2.get(url),
        httpx2.get(f"{url}/1", headers=shop.headers),
        httpx2.post(url, headers=shop.headers),
        httpx2.head(url, headers=shop.headers),
        httpx2.options(url),
    ]

    assert [each.status_code for each in answers] == [401, 404, 405, 200, 204]
    assert answers[2].headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_server_that_ends_says_so_and_ends_in_time(start: Callable[..., Server], shop: Shop) -> None:
    with start() as server, StreamClient(server.url, shop.headers) as stream:
        server.process.send_signal(signal.SIGTERM)
        stream.wait_for(lambda: stream.has_ended)
        assert server.process.wait(5) == 0

    assert stream.notices() == [("end", "shutting_down")]


def send_calls(wallet: Wallet, stopped: threading.Event, sent: list[str]) -> None:
    """Send calls until `stopped`, or until the server closes the connection."""
    while not stopped.is_set():
        try:
            sent.append(wallet.send(wallet.prepare(transfer(1)), wallet.owner))
        except httpx2.TransportError:
            return


def test_a_killed_replica_loses_no_event(
    replicas: tuple[Server, Server], start: Callable[..., Server], shop: Shop
) -> None:
    survivor = replicas[0]
    with start(EVENT_LOG="10000,7") as killed, ThreadPoolExecutor(3) as pool:
        wallets = [Wallet(shop.client(killed)).fund() for _ in range(3)]
        sent, stopped = [list[str]() for _ in wallets], threading.Event()
        stream = StreamClient(survivor.url, shop.headers, [("type", "call")])
        with stream:
            sending = [pool.submit(send_calls, *each) for each in zip(wallets, [stopped] * 3, sent, strict=True)]
            until(lambda: all(len(each) >= 2 for each in sent), "calls are sent")
            killed.kill()
            stopped.set()
            for each in sending:
                each.result()
            ids = [call_id for each in sent for call_id in each]
            stream.wait_for(lambda: all(stream.types(callId=each)[-1:] == ["call.confirmed"] for each in ids))

    assert len(ids) >= 6
    assert all(stream.types(callId=each) == LIFE for each in ids)
    assert stream.notices() == []
