"""Assembly of the two ways to follow events over a connection: the stream of server-sent events, and WebSockets."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.event_stream import EVENTS_PATH, EventStream
from wallet_rpc.edge.followers import Followers
from wallet_rpc.edge.http import WebSockets
from wallet_rpc.edge.request_sources import Sources
from wallet_rpc.edge.rpc_endpoint import JsonRpcPaths
from wallet_rpc.edge.websocket_rpc import WebSocketRpc
from wallet_rpc.ports import Entropy, Ports
from wallet_rpc.services.event_feed import EventFeed


def build_following(
    feed: EventFeed,
    authenticator: Authenticator,
    ports: Callable[[], Ports],
    sources: Sources,
    request_ids: Entropy,
) -> tuple[dict[str, ASGIApp], WebSockets]:
    """Return the mounts and the WebSockets of a server; both count against the same limits of connections."""
    followers = Followers()
    stream = EventStream(feed, followers, authenticator, ports)

    def build_websockets(paths: JsonRpcPaths) -> ASGIApp:
        made = WebSocketRpc(paths, feed, followers, ports, sources)
        made.draw_bytes = request_ids.random_bytes
        return made

    return {EVENTS_PATH: stream.build_mount(sources.origins)}, build_websockets
