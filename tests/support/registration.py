"""Registration of signed sessions by an organisation, over REST."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from eth_account.signers.local import LocalAccount

from tests.support.constants import HOUR
from tests.support.wallet import Grant


def timestamp_in(seconds: int) -> str:
    """Return the time that many seconds ahead, in the format of REST."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + seconds))


def build_registration(account_id: str, key: LocalAccount, grants: Sequence[Grant], **changes: Any) -> dict[str, Any]:
    """Return the body of the request that registers the grants of one key for half an hour."""
    return {
        "walletId": account_id,
        "sessionAddress": key.address,
        "expiresAt": timestamp_in(HOUR // 2),
        "policies": {"note": "of the tests"},
        "installs": [{"chainId": each.chain, "serialized": each.serialized} for each in grants],
        **changes,
    }
