"""Creating a session one second before its end, at its end, and one second after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.org_sessions.org_client import OrgClient, OrgWallet
from tests.support.constants import CHAINS, HOUR
from tests.support.keys import new_key

CHAIN = CHAINS[0]
TOKEN = "0x" + "a1" * 20


@pytest.mark.parametrize("method", ["wallet_createSession", "wallet_grantPermissions"])
async def test_a_session_can_be_created_until_the_second_of_its_end(client: OrgClient, method: str) -> None:
    wallet = await OrgWallet(client).open(chains=())
    key = new_key()
    end = client.clock.now() + HOUR
    requests: dict[str, dict[str, Any]] = {
        "wallet_createSession": {
            "account": wallet.account,
            "expirySec": end,
            "key": {"type": "secp256k1", "publicKey": key.address},
            "permissions": [{"type": "root"}],
        },
        "wallet_grantPermissions": {
            "address": wallet.account,
            "expiry": end,
            "signer": {"type": "key", "data": {"type": "secp256k1", "publicKey": key.address}},
            "permissions": [{"type": "contract-access", "data": {"address": TOKEN}, "policies": []}],
        },
    }

    request = {"chainId": hex(CHAIN), **requests[method]}
    reasons = [await client.at(second).reason(method, **request) for second in (end - 1, end, end + 1)]
    assert reasons == [None, None, "expired"]
