"""One WebSocket connection, within the limits of all connections of the server.

The head of its handshake was read within the limits of `request_parser`. uvicorn pauses reading while a message waits
for the application, so at most one message is buffered.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from wallet_rpc.edge.connections import BUFFER_BYTES, ConnectionCut, Connections, Wait
from wallet_rpc.edge.drain import Drain, set_current_drain

GOING_AWAY = 1012
"""Code of the close frame of a server that ends: service restart. Source: the WebSocket close code registry of IANA."""
CLOSE_SECONDS = 1.0
"""Maximum time for a client to answer a close frame."""

_LOGGER = logging.getLogger("uvicorn.error.websocket")
_LOGGER.setLevel(logging.ERROR)  # uvicorn logs the target of each handshake, which may have an API key


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which also reports slow readers to `Connections` and closes within the server's drain."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connections: Connections,
        drain: Drain,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self.wait: Wait | None = None
        self.is_spare = False
        self.logger = _LOGGER
        self.close_timeout = CLOSE_SECONDS
        self._limits = connections
        self._drain = drain

    def connection_made(self, transport: Any) -> None:
        """Take the connection over."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._limits.note(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse input; send the library's refusal of a handshake that it does not parse, such as one with a long line.

        uvicorn would send nothing and leave the connection open.
        """
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def pause_writing(self) -> None:
        """Record that the client reads too slowly."""
        super().pause_writing()
        self._limits.note(self, Wait.READING)

    def resume_writing(self) -> None:
        """Record that the client has read what was sent."""
        super().resume_writing()
        self._limits.note(self, None)

    @property
    def unsent_bytes(self) -> int:
        """The number of bytes that are not sent yet."""
        return int(self.transport.get_write_buffer_size())

    def expire(self) -> None:
        """End a wait that took too long."""
        self.abort()

    def abort(self) -> None:
        """Close the connection immediately."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Have the application close the connection, after the responses to the requests that have begun."""
        if self.handshake_complete and not self.close_sent:
            self.stop_keepalive()
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY, "reason": None})
        else:
            super().shutdown()

    async def run_asgi(self) -> None:
        """Run the application within the drain of the server, which may cancel it."""
        app = self.app

        async def run(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self._drain.requests.have_ended:
                    raise
            except ConnectionCut:
                pass  # uvicorn closes the connection, without a close frame

        self.app = run
        set_current_drain(self._drain)
        await super().run_asgi()
