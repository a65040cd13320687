"""Grants of one session key on two chains, signed by the wallet's owner, for registration by an organisation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from tests.support.constants import CHAINS, FRIEND, HOUR, SPONSORSHIP
from tests.support.keys import new_key, sign_digest
from tests.support.wallet import Wallet
from tests.tenants.tenant import Tenant


@dataclass
class SessionGrants:
    """An owner's signed grants, one per chain."""

    account: str
    wallet_id: str
    owner: LocalAccount
    key: LocalAccount
    created: list[dict[str, Any]]
    signatures: list[str]

    def permissions(self, number: int) -> dict[str, str]:
        return {"sessionId": self.created[number]["sessionId"], "signature": self.signatures[number]}

    def serialize(self, number: int) -> str:
        return f"0x00{self.created[number]['sessionId'][2:]}{self.signatures[number][2:]}"

    def body(self) -> dict[str, Any]:
        """Return the body of the request that registers all grants."""
        return {
            "walletId": self.wallet_id,
            "sessionAddress": self.key.address,
            "expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + HOUR)),
            "policies": {"note": "of the tests"},
            "installs": [
                {"chainId": chain, "serialized": self.serialize(number)} for number, chain in enumerate(CHAINS)
            ],
        }

    def calls(self, number: int) -> dict[str, Any]:
        """Return a `wallet_prepareCalls` request under the session of one chain."""
        return {
            "from": self.account,
            "chainId": hex(CHAINS[number]),
            "calls": [{"to": FRIEND}],
            "capabilities": {"permissions": self.permissions(number), "paymasterService": SPONSORSHIP},
        }


def grant_sessions(tenant: Tenant, wallet: Wallet | None = None) -> SessionGrants:
    """Grant root sessions of a new owner, or of the wallet's owner."""
    owner = new_key() if wallet is None else wallet.owner
    key = new_key()
    account = tenant.result("wallet_requestAccount", {"signerAddress": owner.address})
    created = [
        tenant.result(
            "wallet_createSession",
            {
                "account": account["accountAddress"],
                "chainId": hex(chain),
                "expirySec": int(time.time()) + HOUR,
                "key": {"type": "secp256k1", "publicKey": key.address},
                "permissions": [{"type": "root"}],
            },
        )
        for chain in CHAINS
    ]
    signatures = [sign_digest(owner, each["signatureRequest"]["rawPayload"]) for each in created]
    return SessionGrants(account["accountAddress"], account["id"], owner, key, created, signatures)
