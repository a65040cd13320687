"""Sender of webhook messages: to public addresses only, unless a setting allows others.

The host's name is resolved for each connection, and each address is checked when its socket is opened. So a name which
changes its address gains nothing, nor does a host that the library reads as another one. Redirects and proxies are not
followed, and the body of a response is not read.
"""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from wallet_rpc import __version__
from wallet_rpc.domain.webhook import WebhookEndpoint, find_url_error, is_public_address, sign_message
from wallet_rpc.ports import Clock

SEND_SECONDS = 10.0
"""Maximum time of one attempt."""
ADDRESS_REFUSED = "address_refused"
"""Reason of a failure: the host's addresses are not public, or the URL is not allowed any more."""
NO_ANSWER = "no_answer"
"""Reason of a failure: no connection, or no response in time."""
_CONNECTIONS = 100
_TAKEN = range(200, 300)
_HEADERS = {"content-type": "application/json", "user-agent": f"wallet-rpc/{__version__}"}


class _AddressRefusedError(OSError):
    """An address to which nothing is sent."""


def _open_checked_socket(address_info: aiohttp.AddrInfoType) -> socket.socket:
    """Open the socket of a connection to a public address. Raises: OSError for another one."""
    family, kind, protocol, _, address = address_info
    if not is_public_address(str(address[0])):
        raise _AddressRefusedError
    return socket.socket(family=family, type=kind, proto=protocol)


class HttpWebhookSender:
    """`ports.webhooks.WebhookSender` over HTTP, which is open in an `async with` block."""

    _session: aiohttp.ClientSession

    def __init__(self, clock: Clock, *, allows_private: bool, resolver: AbstractResolver | None = None) -> None:
        """Create the sender; `resolver` replaces that of the system."""
        self._clock = clock
        self._allows_private = allows_private
        self._resolver = resolver

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS,
                resolver=self._resolver or aiohttp.ThreadedResolver(),
                use_dns_cache=False,
                socket_factory=None if self._allows_private else _open_checked_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=SEND_SECONDS),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, endpoint: WebhookEndpoint, message_id: str, body: bytes) -> str | None:
        """Send a signed message once; return None if the endpoint took it, else the reason of the failure."""
        if find_url_error(endpoint.url, allows_private=self._allows_private) is not None:
            return ADDRESS_REFUSED
        at = self._clock.now()
        headers = {
            **_HEADERS,
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": sign_message(endpoint.secret, message_id, at, body),
        }
        try:
            return await self._post(endpoint.url, headers, body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: the URL
            return ADDRESS_REFUSED if _has_refused(error) else NO_ANSWER

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> str | None:
        async with self._session.post(URL(url), data=body, headers=headers, allow_redirects=False) as response:
            status = response.status
            response.close()  # its body is not read
        return None if status in _TAKEN else f"http_{status}"


def _has_refused(error: Any) -> bool:
    """Return True if no socket was opened because of the address; aiohttp wraps its error."""
    return isinstance(getattr(error, "os_error", error), _AddressRefusedError)
