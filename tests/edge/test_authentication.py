"""A session token holds together with the API key that issued it, in the organisation of both, and only then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest
from starlette.requests import Request

from tests.clocks import FixedClock
from tests.contract.sample import a_key
from tests.contract.token_signing import CLAIMS, NOW, TOKEN_SIGNER
from wallet_rpc.domain.access import ApiKey, KeyId, OrganizationId
from wallet_rpc.edge.authentication import Authenticator
from wallet_rpc.errors import Unauthorized

OTHER = OrganizationId("org_43210987654321043210")


@dataclass
class FakeTokens:
    """`memory.IssuedTokens` of an organisation that has revoked its token, or has not."""

    is_over: bool = False

    async def is_revoked(self, token_id: str) -> bool:
        assert token_id == CLAIMS.id
        return self.is_over


def new_authenticator(
    kept: ApiKey | None = None, *, is_over: bool = False, is_open: bool = False, has_secrets: bool = True
) -> Authenticator:
    """One whose directory has this key, or none; a server without token secrets has no seals."""

    async def key(key_id: KeyId) -> ApiKey | None:
        assert key_id == CLAIMS.key
        return kept

    return Authenticator(
        find_key=key,
        tokens=lambda _: cast("Any", FakeTokens(is_over)),
        token_signer=TOKEN_SIGNER if has_secrets else None,
        limiter=cast("Any", None),  # nothing is counted here
        clock=FixedClock(NOW),
        is_open=is_open,
    )


def issuing_key(**more: Any) -> ApiKey:
    return a_key(**{"id": CLAIMS.key, "organization": CLAIMS.organization, **more})


async def test_a_token_acts_for_the_organization_of_its_key() -> None:
    caller = await new_authenticator(issuing_key())._verify_token(TOKEN_SIGNER.sign_token(CLAIMS))
    assert (caller.organization, caller.token) == (CLAIMS.organization, CLAIMS)


@pytest.mark.parametrize(
    ("kept", "is_over", "reason"),
    [
        (None, False, "session_token_invalid"),
        (issuing_key(organization=OTHER), False, "session_token_invalid"),
        (issuing_key(revoked_at=NOW), False, "api_key_revoked"),
        (issuing_key(expires_at=NOW), False, "api_key_expired"),
        (issuing_key(), True, "session_token_revoked"),
    ],
)
async def test_a_token_without_its_key_is_refused(kept: ApiKey | None, is_over: bool, reason: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        await new_authenticator(kept, is_over=is_over)._verify_token(TOKEN_SIGNER.sign_token(CLAIMS))
    assert refused.value.reason == reason


def request_with(**headers: str) -> Request:
    """A request with headers; `_` stands for a hyphen."""
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return Request({"type": "http", "headers": named, "query_string": b"", "path_params": {}})


async def test_a_place_for_tokens_takes_no_key_and_a_place_for_keys_no_token() -> None:
    token, key = f"Bearer {TOKEN_SIGNER.sign_token(CLAIMS)}", "Bearer wrk_one"
    await new_authenticator(issuing_key()).authenticate_token(request_with(authorization=token))
    for without in (request_with(), request_with(authorization=key), request_with(x_api_key="wrk_one")):
        with pytest.raises(Unauthorized) as refused:
            await new_authenticator(issuing_key()).authenticate_token(without)
        assert refused.value.reason == "session_token_invalid"
    for without in (
        request_with(),
        request_with(authorization=token),
        request_with(authorization=token, x_api_key="wrk_one"),
    ):
        with pytest.raises(Unauthorized) as refused:
            await new_authenticator(issuing_key()).authenticate_key(without)
        assert refused.value.reason == "api_key_required"


async def test_a_closed_server_refuses_a_request_without_a_key_and_an_open_one_takes_it() -> None:
    with pytest.raises(Unauthorized) as refused:
        await new_authenticator().authenticate(request_with())
    assert refused.value.reason == "api_key_required"
    assert (await new_authenticator(is_open=True).authenticate(request_with())).is_anonymous


async def test_a_server_without_token_secrets_refuses_every_token() -> None:
    with pytest.raises(Unauthorized) as refused:
        await new_authenticator(issuing_key(), has_secrets=False).authenticate_token(
            request_with(authorization=f"Bearer {TOKEN_SIGNER.sign_token(CLAIMS)}")
        )
    assert refused.value.reason == "session_token_invalid"
