"""Grants of one session key on two chains, signed by the wallet's owner, for registration by an organisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount

from tests.support.constants import CHAINS, FRIEND, ROOT
from tests.support.keys import new_key
from tests.support.registration import build_registration
from tests.support.wallet import Grant, Wallet
from tests.tenants.tenant import Tenant


@dataclass
class SessionGrants:
    """A wallet's signed grants to one key, one per chain."""

    wallet: Wallet
    key: LocalAccount
    grants: list[Grant]

    @property
    def session_ids(self) -> list[str]:
        return [each.session_id for each in self.grants]

    def permissions(self, number: int) -> dict[str, str]:
        return self.grants[number].permissions

    def body(self) -> dict[str, Any]:
        """Return the body of the request that registers all grants."""
        return build_registration(self.wallet.account_id, self.key, self.grants)

    def calls(self, number: int) -> dict[str, Any]:
        """Return a `wallet_prepareCalls` request under the session of one chain."""
        request = self.wallet.build_calls({"to": FRIEND}, permissions=self.permissions(number))
        return {**request, "chainId": hex(CHAINS[number])}


def grant_sessions(tenant: Tenant, wallet: Wallet | None = None) -> SessionGrants:
    """Grant root sessions of a new wallet, or of the given one."""
    granting = Wallet(tenant.client()) if wallet is None else wallet
    key = new_key()
    return SessionGrants(granting, key, [granting.grant(ROOT, key=key, chainId=hex(chain)) for chain in CHAINS])
