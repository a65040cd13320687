"""JSON-RPC over WebSockets, at the URLs of JSON-RPC over HTTP: the same dispatcher, authentication and limits.

Each message is one body. Its reply is one message, in the order in which replies become ready. Events of subscriptions
are notifications `wallet_subscription`, those of an embedded chain `eth_subscription`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.utils import ClientDisconnected

from wallet_rpc.domain.access import Caller
from wallet_rpc.edge.bounded_websocket import GOING_AWAY
from wallet_rpc.edge.chain_choice import select_chain
from wallet_rpc.edge.closing import POLICY_VIOLATION, Closing
from wallet_rpc.edge.connections import ConnectionCut
from wallet_rpc.edge.drain import current_drain
from wallet_rpc.edge.envelope import encode_response, error_response
from wallet_rpc.edge.followers import Follower, Followers
from wallet_rpc.edge.guard import HttpRejection
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.observe import choose_request_id, log_incident, log_request
from wallet_rpc.edge.request_context import LOCAL_CALLER, RequestContext, current_context, set_context
from wallet_rpc.edge.request_sources import Sources, is_own_origin
from wallet_rpc.edge.rpc_endpoint import JsonRpcEndpoint, JsonRpcPaths, jsonrpc_error_response
from wallet_rpc.edge.subscriptions import MessageSubscriber, Subscriptions
from wallet_rpc.errors import Forbidden, InvalidRequest, Unavailable, WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.services.event_feed import EventFeed

MESSAGES_AT_ONCE = 16
"""Maximum number of messages of a connection that are handled at once; the next one is read when one is done."""
SERVER_ERROR = 1011
"""Code of the close frame after a bug of the server."""


class WebSocketRpc:
    """The endpoint of all WebSockets."""

    def __init__(
        self,
        paths: JsonRpcPaths,
        feed: EventFeed,
        followers: Followers,
        ports: Callable[[], Ports],
        sources: Sources,
    ) -> None:
        self.draw_bytes: Callable[[int], bytes] = secrets.token_bytes
        """The source of request ids."""
        self._paths = paths
        self._feed = feed
        self._followers = followers
        self._ports = ports
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        context = _build_context(scope, self.draw_bytes)
        set_context(context)
        started = time.perf_counter()
        try:
            with ExitStack() as stack:
                endpoint = await self._accept(scope, receive, send, stack)
                if endpoint is not None:
                    await self._run(scope, receive, send, endpoint)
        finally:
            seconds = time.perf_counter() - started
            log_request(context, verb="GET", path=scope["path"], status=context.status, seconds=seconds)

    async def _run(self, scope: Scope, receive: Receive, send: Send, endpoint: JsonRpcEndpoint) -> None:
        closing = Closing()
        follower = Follower(scope, endpoint.authenticate, self._ports)
        subscriptions = Subscriptions(self._feed, follower, send, closing, self._ports().entropy.random_bytes)
        try:
            await _Connection(scope, send, endpoint, closing, self.draw_bytes).run(receive, subscriptions)
        finally:
            await subscriptions.close()

    async def _accept(self, scope: Scope, receive: Receive, send: Send, stack: ExitStack) -> JsonRpcEndpoint | None:
        """Accept the handshake, or answer it with an error and return None."""
        try:
            endpoint = self._find(scope)
            await endpoint.authenticate(scope)
            stack.enter_context(self._followers.join(current_context().caller))
        except HttpRejection as rejection:
            await _refuse(scope, receive, send, rejection)
            return None
        except WalletError as error:
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
            await _refuse(scope, receive, send, HttpRejection(error.status, error, headers))
            return None
        current_context().status = 101
        await receive()  # websocket.connect
        request_id = current_context().id.encode()
        await send({"type": "websocket.accept", "headers": [(b"x-request-id", request_id)]})
        return endpoint

    def _find(self, scope: Scope) -> JsonRpcEndpoint:
        """Return the endpoint of the path. Raises: HttpRejection, also for a source that is not accepted."""
        self._check_source(scope)
        endpoint = self._paths.find(scope)
        if endpoint is None:
            error = InvalidRequest("path: expected one of JSON-RPC, such as / or /v2", reason="no_such_path")
            raise HttpRejection(404, error)
        return endpoint

    def _check_source(self, scope: Scope) -> None:
        """Check host, origin and proxies as for HTTP. Raises: HttpRejection.

        A browser opens a WebSocket to any origin, without a preflight, so a page of another origin is rejected here.
        """
        fields = HeaderFields.of(scope)
        rejection = self._sources.find_rejection(scope["path"], fields)
        if rejection is not None:
            raise rejection
        origins = [each for each in fields.values_of(b"origin") if not is_own_origin(each, fields)]
        if any(origin not in self._sources.origins for origin in origins):
            error = Forbidden("origin: expected one of WALLET_RPC_CORS_ORIGINS", reason="origin_not_allowed")
            raise HttpRejection(403, error)


async def _refuse(scope: Scope, receive: Receive, send: Send, rejection: HttpRejection) -> None:
    """Answer a handshake with an HTTP response."""
    current_context().status = rejection.status
    await jsonrpc_error_response(rejection.status, rejection.error, rejection.headers)(scope, receive, send)


class _Connection:
    """One open connection."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        endpoint: JsonRpcEndpoint,
        closing: Closing,
        draw_bytes: Callable[[int], bytes],
    ) -> None:
        self._draw_bytes = draw_bytes
        self._scope = scope
        self._send = send
        self._endpoint = endpoint
        self._closing = closing
        self._slots = asyncio.Semaphore(MESSAGES_AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, receive: Receive, subscriptions: Subscriptions) -> None:
        """Handle messages until the client leaves, the server ends or the credential becomes invalid."""
        closing = asyncio.create_task(self._closing.requested.wait())
        receiving = asyncio.create_task(self._receive(receive))
        try:
            while True:
                await asyncio.wait({receiving, closing}, return_when=asyncio.FIRST_COMPLETED)
                if self._closing.is_cut:
                    raise ConnectionCut
                if closing.done():
                    await self._close(self._closing.code)
                    return
                message = receiving.result()
                if message["type"] == "websocket.disconnect":
                    if current_drain().is_draining and message["code"] == GOING_AWAY:
                        await self._finish()
                    return
                self._start(message, MessageSubscriber(subscriptions))
                receiving = asyncio.create_task(self._receive(receive))
        except ClientDisconnected:
            return
        finally:
            tasks = (closing, receiving, *self._running)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, receive: Receive) -> Any:
        """Receive a message once there is room for it."""
        await self._slots.acquire()
        return await receive()

    def _start(self, message: Any, subscriber: MessageSubscriber) -> None:
        text = message.get("text")
        body = message["bytes"] if text is None else text.encode()
        task = asyncio.create_task(self._handle(body, subscriber))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._slots.release()

    async def _handle(self, body: bytes, subscriber: MessageSubscriber) -> None:
        """Handle one message, as the endpoint of HTTP handles one request."""
        context = replace(_build_context(self._scope, self._draw_bytes), subscriber=subscriber, status=200)
        set_context(context)
        started = time.perf_counter()
        try:
            await self._answer(body)
            subscriber.start()
        except ClientDisconnected:
            pass  # no client is left to respond to
        except ConnectionCut:
            self._closing.is_cut = True
            self._closing.requested.set()
        except Exception as raised:  # the outermost exception handler of a message
            await self._send_text(encode_response(error_response(log_incident(raised), None)))
            self._closing.request(SERVER_ERROR)
        finally:
            seconds = time.perf_counter() - started
            log_request(context, verb="WS", path=self._scope["path"], status=context.status, seconds=seconds)

    async def _answer(self, body: bytes) -> None:
        """Send the reply to a message; a caller whose credential has become invalid is disconnected."""
        try:
            await self._endpoint.authenticate(self._scope)
        except Unavailable as error:
            current_context().record_rejection(error.code, error)
            await self._send_text(encode_response(error_response(error, None)))
        except WalletError as error:
            current_context().record_rejection(error.code, error)
            await self._send_text(encode_response(error_response(error, None)))
            self._closing.request(POLICY_VIOLATION)
        else:
            reply = await self._endpoint.handler(body)
            for text in (*reply.earlier, reply.text):
                if text is not None:
                    await self._send_text(text)

    async def _send_text(self, text: bytes) -> None:
        await self._send({"type": "websocket.send", "text": text.decode()})

    async def _finish(self) -> None:
        """Wait for the running messages within the time of the drain, then close the connection."""
        with suppress(TimeoutError), current_drain().requests.limit():
            if self._running:
                await asyncio.wait(self._running)
        await self._close(GOING_AWAY)

    async def _close(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": code})


def _build_context(scope: Scope, draw_bytes: Callable[[int], bytes]) -> RequestContext:
    client = scope.get("client")
    caller = LOCAL_CALLER if client is None else Caller(name=client[0])
    fields = HeaderFields.of(scope)
    request_id = choose_request_id(fields, scope["path"], draw_bytes)
    return RequestContext(caller, request_id, select_chain(scope.get("query_string", b"")))
