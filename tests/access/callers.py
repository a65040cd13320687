"""Callers with API keys and session tokens, and ports for them without any chain."""

from __future__ import annotations

import secrets
import time
from typing import Any

from tests.support.api_keys import caller_of, issue_api_key
from wallet_rpc.adapters.jwt_tokens import JwtTokenSigner
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.system import SystemClock, SystemEntropy
from wallet_rpc.domain.access import (
    ApiKey,
    Caller,
    Claims,
    KeyId,
    KeyScope,
    OrganizationId,
    Scope,
)
from wallet_rpc.domain.wallet_address import parse_wallet
from wallet_rpc.ports import Ports

TOKEN_SIGNER = JwtTokenSigner((b"a secret of the tests, 32 bytes or more",))
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
SOLANA = "DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy"


def a_key(scope: KeyScope = KeyScope.READ_WRITE, organization: str = "org_ours") -> ApiKey:
    return issue_api_key(organization=OrganizationId(organization), scope=scope)[1]


def by_token(*scopes: Scope, wallet: str = EVM, key: ApiKey | None = None, **more: Any) -> Caller:
    key = a_key() if key is None else key
    now = int(time.time())
    values = {"issued_at": now, "expires_at": now + 300, **more}
    claims = Claims(
        id=secrets.token_hex(16),
        wallet=parse_wallet(wallet),
        scopes=scopes,
        key=KeyId(key.id),
        organization=key.organization,
        **values,
    )
    return caller_of(key, token=claims)


def ports_of(store: RedisStore, caller: Caller) -> Ports:
    return Ports(
        chains={},
        store=store.for_organization(caller.organization),
        clock=SystemClock(),
        entropy=SystemEntropy(),
        caller=caller,
        token_signer=TOKEN_SIGNER,
    )
