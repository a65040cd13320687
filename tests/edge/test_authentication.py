"""A session token is valid only with the API key that created it, in the organisation of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from starlette.types import Scope

from tests.contract.sample import a_key
from tests.contract.token_signing import CLAIMS, NOW, TOKEN_SIGNER
from tests.support.clocks import FixedClock
from wallet_rpc.domain.access import ApiKey, KeyId, OrganizationId
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.edge.request_context import RequestContext, set_context
from wallet_rpc.errors import Unauthorized

OTHER = OrganizationId("org_43210987654321043210")


@pytest.fixture(autouse=True)
async def request_context() -> None:
    """Set a context that has no caller yet, as the server does for each request; tests share one task."""
    set_context(RequestContext())


@dataclass
class FakeTokens:
    """A fake of `ports.storage.IssuedTokens` in which every token is revoked, or none is."""

    is_expired: bool = False

    async def is_revoked(self, token_id: str) -> bool:
        assert token_id == CLAIMS.id
        return self.is_expired


def new_authenticator(
    key_record: ApiKey | None = None, *, is_expired: bool = False, is_open: bool = False, has_secrets: bool = True
) -> Authenticator:
    """Build an authenticator whose directory has this key, or none; without secrets it has no token signer."""

    async def key(key_id: KeyId) -> ApiKey | None:
        assert key_id == CLAIMS.key
        return key_record

    return Authenticator(
        find_key=key,
        tokens=lambda _: cast("Any", FakeTokens(is_expired)),
        token_signer=TOKEN_SIGNER if has_secrets else None,
        limiter=cast("Any", None),  # no request is counted in these tests
        clock=FixedClock(NOW),
        is_open=is_open,
    )


def issuing_key(**more: Any) -> ApiKey:
    return a_key(**{"id": CLAIMS.key, "organization": CLAIMS.organization, **more})


async def test_a_token_acts_for_the_organization_of_its_key() -> None:
    caller = await new_authenticator(issuing_key())._verify_token(TOKEN_SIGNER.sign_token(CLAIMS))
    assert (caller.organization, caller.token) == (CLAIMS.organization, CLAIMS)


@pytest.mark.parametrize(
    ("key_record", "is_expired", "reason"),
    [
        (None, False, "session_token_invalid"),
        (issuing_key(organization=OTHER), False, "session_token_invalid"),
        (issuing_key(revoked_at=NOW), False, "api_key_revoked"),
        (issuing_key(expires_at=NOW), False, "api_key_expired"),
        (issuing_key(), True, "session_token_revoked"),
    ],
)
async def test_a_token_without_its_key_is_rejected(key_record: ApiKey | None, is_expired: bool, reason: str) -> None:
    with pytest.raises(Unauthorized) as error_info:
        await new_authenticator(key_record, is_expired=is_expired)._verify_token(TOKEN_SIGNER.sign_token(CLAIMS))
    assert error_info.value.reason == reason


def request_with(**headers: str) -> Scope:
    """Build the scope of a request with headers; `_` in a name means a hyphen."""
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "headers": named, "query_string": b"", "path_params": {}}


async def test_a_route_for_tokens_accepts_no_key_and_a_route_for_keys_no_token() -> None:
    token, key = f"Bearer {TOKEN_SIGNER.sign_token(CLAIMS)}", "Bearer wrk_one"
    await new_authenticator(issuing_key()).authenticate_token(request_with(authorization=token))
    for without in (request_with(), request_with(authorization=key), request_with(x_api_key="wrk_one")):
        with pytest.raises(Unauthorized) as error_info:
            await new_authenticator(issuing_key()).authenticate_token(without)
        assert error_info.value.reason == "session_token_invalid"
    for without in (
        request_with(),
        request_with(authorization=token),
        request_with(authorization=token, x_api_key="wrk_one"),
    ):
        with pytest.raises(Unauthorized) as error_info:
            await new_authenticator(issuing_key()).authenticate_key(without)
        assert error_info.value.reason == "api_key_required"


async def test_a_closed_server_rejects_a_request_without_a_key_and_an_open_one_accepts_it() -> None:
    with pytest.raises(Unauthorized) as error_info:
        await new_authenticator().authenticate(request_with())
    assert error_info.value.reason == "api_key_required"
    assert (await new_authenticator(is_open=True).authenticate(request_with())).is_anonymous


async def test_a_server_without_token_secrets_rejects_every_token() -> None:
    with pytest.raises(Unauthorized) as error_info:
        await new_authenticator(issuing_key(), has_secrets=False).authenticate_token(
            request_with(authorization=f"Bearer {TOKEN_SIGNER.sign_token(CLAIMS)}")
        )
    assert error_info.value.reason == "session_token_invalid"
