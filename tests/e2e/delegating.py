"""Wallet whose account is its owner's address (EIP-7702)."""

from __future__ import annotations

from typing import Any

from tests.support.keys import new_key
from tests.support.wallet import Wallet

DELEGATE = "0x69007702764179f14F51cdce752f4f775d74E139"
DELEGATE_V1_1 = "0x77021100bD87b7008E5E1989d0eB38555d0d0000"
ZERO = "0x" + "00" * 20


class External(Wallet):
    """Externally owned account: it makes calls from the owner's address, without wallet_requestAccount."""

    def __post_init__(self) -> None:
        self.account = self.owner.address

    def code(self) -> str:
        return str(self.client.rpc("eth_getCode", self.account, "latest"))

    def is_delegated_to(self, implementation: str) -> bool:
        return self.code().lower() == "0xef0100" + implementation[2:].lower()

    def count(self) -> int:
        return int(self.client.rpc("eth_getTransactionCount", self.account, "latest"), 16)

    def submit(self, request: dict[str, Any]) -> str:
        sent: dict[str, Any] = self.client.rpc("wallet_sendPreparedCalls", request)
        assert sent["preparedCallIds"] == [sent["id"]]
        return str(sent["id"])

    def delegate(self, *calls: dict[str, Any], **capabilities: Any) -> dict[str, Any]:
        """Make the first call, which delegates the account, and return its final status."""
        prepared = self.prepare(*calls, **capabilities)
        return self.wait_until_final(self.submit(self.sign_array(prepared)))

    def prepare_removal(self) -> dict[str, Any]:
        return self.prepare(eip7702Auth={"delegation": ZERO})

    def delegate_elsewhere(self, implementation: str) -> None:
        """Set the account's delegation directly on the node, as if another wallet had delegated it."""
        self.client.chain("anvil_setCode", self.account, "0xef0100" + implementation[2:].lower())


def external(wallet: Wallet) -> External:
    """Return a new externally owned account on the server of `wallet`."""
    return External(wallet.client, owner=new_key())
