"""Grants made without a server, as an SDK makes them: with any entity id and any parallel nonce key."""

from __future__ import annotations

from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from tests.support.keys import new_key, sign_digest
from tests.support.wallet import Wallet
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.uninstall import uninstall_call_data
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data


@dataclass
class LocalGrant:
    """Grant that the client stores itself, signed by the owner."""

    install: ValidationInstall
    nonce: int
    key: LocalAccount

    def permissions(self, wallet: Wallet) -> dict[str, str]:
        """Return the permissions context of type 01 that contains the grant."""
        action = DeferredAction(nonce=self.nonce, deadline=0, call=self.install.call_data)
        digest = action.digest(account=Address.parse(wallet.account), chain_id=int(wallet.chain_id, 16))
        signature = Data.parse(sign_digest(wallet.owner, digest))
        hooks = self.install.has_execution_hooks
        signed_action = SignedDeferredAction(
            action=action, has_execution_hooks=hooks, authorization=Data(b"\0" + signature)
        )
        return {"context": "0x01" + signed_action.blob.hex()}

    def use(self, wallet: Wallet, *calls: dict[str, str]) -> int:
        """Make calls under the grant, and return their status."""
        permissions = self.permissions(wallet)
        prepared = wallet.prepare(*calls, permissions=permissions)
        status: int = wallet.wait_until_final(wallet.send(prepared, self.key, permissions))["status"]
        return status

    def uninstall(self, wallet: Wallet) -> None:
        """Uninstall the session as the owner, as the SDK documents it: without hook data, so modules keep data."""
        data = uninstall_call_data(self.install, with_hook_data=False)
        assert wallet.act(None, {"to": wallet.account, "data": data.hex0x()})["status"] == 200


def local_grant(wallet: Wallet, *permissions: Permission, entity_id: int = 1, parallel_key: int = 0) -> LocalGrant:
    """Return a grant to a new key, without expiry."""
    key = new_key()
    account = Address.parse(wallet.account)
    terms = SessionTerms(account=account, key=Address.parse(key.address), entity_id=entity_id, deadline=0, now=0)
    install = compile_permissions(permissions, terms)
    nonce_key = NonceKey(entity_id=entity_id, is_global=install.is_global, is_deferred=True, parallel_key=parallel_key)
    return LocalGrant(install, nonce_key.nonce(0), key)
