"""Accepted sources of requests: names of this server, web origins, no proxies.

The rule: a server that needs no key trusts every client that reaches it. So it refuses web pages of other origins (seen
in `Origin`), other names for this machine (DNS rebinding, seen in `Host`), and proxies, which may forward a network
(seen in the header fields that they add).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from wallet_rpc.edge.guard import REJECTION, HttpRejection
from wallet_rpc.edge.health import HEALTH_PATH, READY_PATH
from wallet_rpc.errors import Forbidden
from wallet_rpc.primitives import preview

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The names by which a machine reaches itself."""
LOCAL_ORIGIN = r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?"
"""Pages of this machine, on any port, as front-end tools serve them."""
ANY = "*"

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+?)\.?(?::[0-9]{1,5})?", re.ASCII)
_UNCHECKED = frozenset({HEALTH_PATH, READY_PATH})
"""Paths that load balancers request under any name; they reveal and change nothing."""
_FORWARDING = re.compile(
    r"forwarded|via|cdn-loop|x-forwarded(-.+)?|x-original-(forwarded-for|host|url)|x-real-ip|(x-)?client-ip"
    r"|x-cluster-client-ip|true-client-ip|(cf|fastly|fly|do|x-azure|x-appengine)-(client-?ip|connecting-ip(v6)?|user-ip)"
    r"|cf-ray|x-envoy-external-address|x-proxyuser-ip|x-nginx-proxy"
    r"|x-arr-log-id|ngrok-.+|(x-)?tailscale-.+"
)
"""Header fields that proxies add, and clients do not send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The web origins whose pages may call."""

    allowed: tuple[str, ...] = (ANY,)
    """Those that the operator names; `*` for all."""
    has_local: bool = False
    """True: pages of this machine too."""

    @property
    def is_any(self) -> bool:
        """True when pages of every origin may call."""
        return ANY in self.allowed

    def is_named(self, origin: str) -> bool:
        """True for an origin that the operator names."""
        return origin in self.allowed

    def __contains__(self, origin: str) -> bool:
        """True for an origin whose pages may call."""
        is_local = self.has_local and re.fullmatch(LOCAL_ORIGIN, origin) is not None
        return is_local or self.is_any or self.is_named(origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The accepted sources of requests."""

    are_checked: bool = True
    """False: a key is needed, which suffices; `origins` then matters to browsers only."""
    hosts: Iterable[str] = ()
    """More names of this server than `LOCAL_HOSTS`, in lower case and without a port."""
    origins: Origins = Origins(allowed=(), has_local=True)
    accepts_forwarded: bool = False
    """True: requests that a proxy passes on are accepted, as those of development proxies are."""

    def find_rejection(self, headers: Headers) -> HttpRejection | None:
        """The refusal of a request that comes from elsewhere; None for others."""
        error = self._host_error(headers) or self._origin_error(headers) or self._forwarding_error(headers)
        return None if error is None else HttpRejection(403, error)

    def _host_error(self, headers: Headers) -> Forbidden | None:
        given = headers.getlist("host")
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is not None and found[1].lower() in {*LOCAL_HOSTS, *self.hosts}:
            return None
        got = preview(given[0]) if len(given) == 1 else f"{len(given)} fields"
        text = f"host: expected localhost, 127.0.0.1, [::1] or one of WALLET_RPC_ALLOWED_HOSTS, got {got}"
        return Forbidden(text, reason="host_not_allowed")

    def _origin_error(self, headers: Headers) -> Forbidden | None:
        given = headers.getlist("origin")
        if all(origin in self.origins for origin in given) and len(given) < 2:
            return None
        got = preview(given[0]) if len(given) == 1 else f"{len(given)} fields"
        text = f"origin: expected one of this machine or of WALLET_RPC_CORS_ORIGINS, got {got}"
        return Forbidden(text, reason="origin_not_allowed")

    def _forwarding_error(self, headers: Headers) -> Forbidden | None:
        found = None if self.accepts_forwarded else next(filter(_FORWARDING.fullmatch, headers.keys()), None)
        if found is None:
            return None
        text = f"{found}: expected no proxy before a server that needs no API key; set WALLET_RPC_OPEN=no behind one"
        return Forbidden(text, reason="forwarded_request")


class SourceMiddleware:
    """Refuses requests that come from elsewhere, before anything is looked up for them."""

    def __init__(self, app: ASGIApp, sources: Sources) -> None:
        self._app = app
        self._sources = sources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refused = None
        if self._sources.are_checked and scope["path"] not in _UNCHECKED:
            refused = self._sources.find_rejection(Headers(scope=scope))
        if refused is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused.error.reason})
            return
        if refused is not None:
            scope = {REJECTION: refused, **scope}  # a refusal that is there already counts
        await self._app(scope, receive, send)
