"""Accepted sources of requests for an open server: its host names, web origins, and no proxies.

An open server trusts every client that reaches it. So it rejects web pages of other origins (by `Origin`), other host
names of this machine (by `Host`, against DNS rebinding), and proxies, which may expose it to a network (by the header
fields that they add).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from wallet_rpc.edge.guard import HttpRejection
from wallet_rpc.edge.header_fields import HeaderFields
from wallet_rpc.edge.health import HEALTH_PATH, READY_PATH
from wallet_rpc.errors import Forbidden
from wallet_rpc.primitives import preview

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The host names by which a machine reaches itself."""
LOCAL_ORIGIN = r"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?"
"""The origins of pages on this machine, on any port, as front-end tools serve them."""
ANY = "*"

_REMEMBERED = 64
"""The number of results that are remembered: clients send the same fields with each request."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+?)\.?(?::[0-9]{1,5})?", re.ASCII)
_UNCHECKED = frozenset({HEALTH_PATH, READY_PATH})
"""Paths that load balancers request under any host name; they reveal and change nothing."""
_FORWARDING = re.compile(
    r"^(?:forwarded|via|cdn-loop|x-forwarded(-.+)?|x-original-(forwarded-for|host|url)|x-real-ip|(x-)?client-ip"
    r"|x-cluster-client-ip|true-client-ip|(cf|fastly|fly|do|x-azure|x-appengine)-(client-?ip|connecting-ip(v6)?|user-ip)"
    r"|cf-ray|x-envoy-external-address|x-proxyuser-ip|x-nginx-proxy"
    r"|x-arr-log-id|ngrok-.+|(x-)?tailscale-.+)$",
    re.MULTILINE,
)
"""Names of header fields that proxies add and clients do not send, searched in the names of a request, one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The web origins whose pages may send requests."""

    allowed: tuple[str, ...] = (ANY,)
    """The origins that the operator names; `*` for all."""
    has_local: bool = False
    """True if pages of this machine are accepted too."""

    @property
    def is_any(self) -> bool:
        """True if every origin is accepted."""
        return ANY in self.allowed

    def is_named(self, origin: str) -> bool:
        """Return True for an origin that the operator names."""
        return origin in self.allowed

    def __contains__(self, origin: str) -> bool:
        """Return True for an accepted origin."""
        is_local = self.has_local and re.fullmatch(LOCAL_ORIGIN, origin) is not None
        return is_local or self.is_any or self.is_named(origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The accepted sources of requests."""

    are_checked: bool = True
    """False for a server that requires API keys; `origins` then sets only its CORS headers."""
    hosts: Iterable[str] = ()
    """Host names of this server besides `LOCAL_HOSTS`, in lower case and without a port."""
    origins: Origins = Origins(allowed=(), has_local=True)
    accepts_forwarded: bool = False
    """True if requests through a proxy, such as a development proxy, are accepted."""

    def find_rejection(self, path: str, fields: HeaderFields) -> HttpRejection | None:
        """Return the rejection of a request whose source is not accepted; None for an accepted request."""
        if not self.are_checked or path in _UNCHECKED:
            return None
        error = self._host_error(fields) or self._origin_error(fields) or self._forwarding_error(fields)
        return None if error is None else HttpRejection(403, error)

    def _host_error(self, fields: HeaderFields) -> Forbidden | None:
        hosts = fields.values_of(b"host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else None
        if name is not None and (name in LOCAL_HOSTS or name in self.hosts):
            return None
        received = preview(hosts[0]) if len(hosts) == 1 else f"{len(hosts)} fields"
        text = f"host: expected localhost, 127.0.0.1, [::1] or one of WALLET_RPC_ALLOWED_HOSTS, got {received}"
        return Forbidden(text, reason="host_not_allowed")

    def _origin_error(self, fields: HeaderFields) -> Forbidden | None:
        origins = fields.values_of(b"origin")
        if not origins:
            return None
        if len(origins) == 1 and (origins[0] in self.origins or is_own_origin(origins[0], fields)):
            return None
        received = preview(origins[0]) if len(origins) == 1 else f"{len(origins)} fields"
        text = f"origin: expected one of this machine or of WALLET_RPC_CORS_ORIGINS, got {received}"
        return Forbidden(text, reason="origin_not_allowed")

    def _forwarding_error(self, fields: HeaderFields) -> Forbidden | None:
        found = None if self.accepts_forwarded else _find_forwarding_field(fields.names)
        if found is None:
            return None
        text = f"{found}: expected no proxy in front of an open server; set WALLET_RPC_OPEN=no to run behind a proxy"
        return Forbidden(text, reason="forwarded_request")


@lru_cache(maxsize=_REMEMBERED)
def _host_name(text: str) -> str | None:
    """Return the host name of a `Host` field, in lower case; None for a malformed one."""
    match = _HOST.fullmatch(text)
    return None if match is None else match[1].lower()


@lru_cache(maxsize=_REMEMBERED)
def _find_forwarding_field(names: str) -> str | None:
    """Return the name of a field that a proxy added, of these names."""
    found = _FORWARDING.search(names)
    return None if found is None else found[0]


def is_own_origin(origin: str, fields: HeaderFields) -> bool:
    """Return True for the origin of a page of this server itself, by the host name of the request."""
    return origin in {f"{scheme}://{host}" for scheme in ("http", "https") for host in fields.values_of(b"host")}
