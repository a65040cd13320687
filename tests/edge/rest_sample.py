"""Sample REST operations in both error formats, with a fake authenticator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx2
from pydantic import BeforeValidator, Field, StrictInt
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from tests.edge.sample import SECRET, Journal, dispatcher
from wallet_rpc.domain.access import ApiKey, Caller, KeyId, KeyScope, OrganizationId
from wallet_rpc.domain.decimal_text import DecimalText
from wallet_rpc.edge.http import build_app, wallet_handlers
from wallet_rpc.edge.request_context import current_caller, current_context
from wallet_rpc.edge.rest import RestApi
from wallet_rpc.errors import Conflict, Forbidden, InvalidParams, RateLimited, Unauthorized, Unavailable
from wallet_rpc.operations.operation import Credential, ErrorFormat, Operation, RestRoute
from wallet_rpc.ports.limits import RateLimitResult
from wallet_rpc.primitives import Address, validation_error
from wallet_rpc.wire import shape

HOME = OrganizationId("org_home")
THINGS = f"/v1/organizations/{HOME}/things"
TOKENS = "/api/v1/burner/things"
BODY_BYTES = 4096


def _address(value: object) -> Address:
    try:
        return Address.parse(value)
    except ValueError:
        raise validation_error("must be an address", reason="address_malformed") from None


@shape
class Part:
    size: StrictInt


@shape
class NewThing:
    """A thing to create."""

    name: str
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=3)]
    owner: Annotated[Address, BeforeValidator(_address)]
    words: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


@shape
class Thing:
    id: str
    name: str
    words: dict[str, Any]
    note: str | None = None


async def _make(journal: Journal, request: NewThing) -> Thing:
    journal.lines.append(f"make {request.name}")
    return Thing(id="thing_1", name=request.name, words=request.words, note=request.note)


@shape
class Page:
    limit: Annotated[int, DecimalText(1, 100, reason="pagination")] = 20
    offset: Annotated[int, DecimalText(0, 2**53, reason="pagination")] = 0
    name: str | None = None


@shape
class ThingsPage:
    limit: int
    offset: int
    name: str | None = None


async def _list(_: Journal, page: Page) -> ThingsPage:
    return ThingsPage(limit=page.limit, offset=page.offset, name=page.name)


@shape
class One:
    id: str


_FAILURES: Mapping[str, Exception] = {
    "gone": Conflict("thing already gone", reason="session_already_revoked"),
    "bad": InvalidParams("2 parts are bad", reason="grant_disagrees").with_details([{"field": "a", "message": "b"}]),
    "named": InvalidParams("expected x", reason="address_malformed", field="owner"),
    "away": Unavailable("redis: expected an answer"),
    "leak": RuntimeError(SECRET),
    "group": ExceptionGroup("two", [RuntimeError(SECRET), Unavailable("redis: expected an answer")]),
    "timeout": TimeoutError(SECRET),
    "unwritable": InvalidParams("\ud800"),
    "strange": InvalidParams("strange", reason="strange"),
}


async def _drop(journal: Journal, request: One) -> One:
    journal.lines.append(f"drop {request.id}")
    if request.id in _FAILURES:
        raise _FAILURES[request.id]
    return request


def _seconds(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise validation_error("ttlSeconds must be an integer number")
    return value


@shape
class NewToken:
    wallet: str
    ttl_seconds: Annotated[int | None, BeforeValidator(_seconds)] = None


@shape
class TokenInfo:
    wallet: str


async def _mint(journal: Journal, request: NewToken) -> TokenInfo:
    journal.lines.append("mint")
    return TokenInfo(wallet=request.wallet)


@shape
class Nothing:
    pass


async def _me(_: Journal, __: Nothing) -> TokenInfo:
    return TokenInfo(wallet=current_caller().name)


async def _for_writers(journal: Journal) -> None:
    journal.lines.append("admit")
    if not current_caller().may_write:
        raise Forbidden("key scope does not allow this", reason="key_scope")


def _org(verb: str, below: str = "", **more: Any) -> RestRoute:
    path = f"/v1/organizations/{{orgId}}/things{below}"
    return RestRoute(verb=verb, paths=(path,), error_format=ErrorFormat.ORGANIZATION, **more)


def _token(verb: str, below: str = "", **more: Any) -> RestRoute:
    return RestRoute(verb=verb, paths=(TOKENS + below, f"/v1/things{below}"), error_format=ErrorFormat.TOKEN, **more)


OPERATIONS: Sequence[Operation[Journal, Any, Any]] = (
    Operation(
        "makeThing",
        NewThing,
        Thing,
        _make,
        "Make a thing.",
        rest=_org("POST", statuses=(409,), most_bytes=BODY_BYTES),
        authorize=_for_writers,
    ),
    Operation("listThings", Page, ThingsPage, _list, "Things, by page.", rest=_org("GET")),
    Operation("dropThing", One, One, _drop, "Drop one.", rest=_org("DELETE", "/{id}", statuses=(409,))),
    Operation("mintToken", NewToken, TokenInfo, _mint, "Mint one.", rest=_token("POST", most_bytes=BODY_BYTES)),
    Operation("dropToken", One, One, _drop, "Drop one.", rest=_token("DELETE", "/{id}", statuses=(404, 409))),
    Operation("showToken", Nothing, TokenInfo, _me, "Its own.", rest=_token("GET", "/me", credential=Credential.TOKEN)),
)
GOOD = {"x-api-key": "good"}
NEW_THING = {"name": "box", "parts": [{"size": 1}], "owner": "0x" + "11" * 20}
NEW_TOKEN = {"wallet": "0x1"}


def _holder(name: str, scope: KeyScope) -> Caller:
    key_id = KeyId(f"key_{name}")
    key = ApiKey(id=key_id, organization=HOME, digest="", scope=scope, requests_per_minute=60, created_at=1)
    return Caller(name=key_id, organization=HOME, key=key)


HOLDERS = {
    "good": _holder("good", KeyScope.READ_WRITE),
    "reader": _holder("reader", KeyScope.READ),
    "busy": _holder("busy", KeyScope.READ),
}


@dataclass
class FakeAuthenticator:
    """A fake that accepts the keys `good`, `reader` and `busy` (rate limited), and the token `a.b.c`."""

    counted: int = 0
    allowance: RateLimitResult = field(default_factory=lambda: RateLimitResult(limit=60, remaining=59))

    async def authenticate_key(self, scope: Scope) -> None:
        api_key = Headers(scope=scope).get("x-api-key")
        if api_key is None:
            raise Unauthorized("Invalid API key", reason="api_key_required")
        if api_key == "revoked":
            raise Unauthorized("API key revoked", reason="api_key_revoked")
        if api_key == "leak":
            raise RuntimeError(SECRET)
        if api_key not in HOLDERS:
            raise Unauthorized("Invalid API key", reason="api_key_invalid")
        current_context().caller = HOLDERS[api_key]

    async def authenticate_token(self, scope: Scope) -> None:
        if Headers(scope=scope).get("authorization") != "Bearer a.b.c":
            raise Unauthorized("Session expired", reason="session_token_expired")
        current_context().caller = Caller(name="token", organization=HOME)

    async def enforce_rate_limit(self, cost: int) -> None:
        self.counted += cost
        current_context().rate_limit = self.allowance
        if current_caller().name == "key_busy":
            current_context().rate_limit = RateLimitResult(limit=60, remaining=0, retry_after_seconds=7)
            raise RateLimited("Rate limit exceeded", retryAfter=7)


def rest_app(
    journal: Journal | None = None,
    authenticator: FakeAuthenticator | None = None,
    *,
    operations: Sequence[Operation[Journal, Any, Any]] = OPERATIONS,
    **more: Any,
) -> ASGIApp:
    """Build a server with these operations next to the sample dispatcher."""
    context = Journal() if journal is None else journal
    chosen = FakeAuthenticator() if authenticator is None else authenticator
    api = RestApi(operations=operations, context=lambda: context, authenticator=chosen, **more)
    return build_app(wallet_handlers(dispatcher().dispatch), mounts=api.build_mounts())


def client(app: ASGIApp | None = None, *, raises: bool = True) -> httpx2.AsyncClient:
    """Build an in-process HTTP client of `app` that sends the key `good`."""
    transport = httpx2.ASGITransport(rest_app() if app is None else app, raise_app_exceptions=raises)
    return httpx2.AsyncClient(transport=transport, base_url="http://wallet", headers=GOOD)
