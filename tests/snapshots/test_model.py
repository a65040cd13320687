"""Random use of the wallet between snapshots and reverts: after each revert all is as it was at its snapshot."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeAlias

from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.snapshots.conftest import FRIEND, TRANSFERS, fund
from wallet_rpc.client import Call, Grant, RpcError, WalletClient
from wallet_rpc.testing import WalletServer

Picture: TypeAlias = dict[str, Any]
NO_SUCH_CALL = 5730
"""The error code of EIP-5792 for an unknown call."""
STEPS = ("grant", "grant with a rule", "send", "send", "pause", "resume", "stop", "end of stop")
PLANS = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), min_size=3, max_size=7)


class Wallet:
    """The wallet of one owner, and its snapshots with the picture of when they were taken."""

    def __init__(self, wallet: WalletClient) -> None:
        self.wallet = wallet
        self.owner = fund(wallet)
        self.snapshots: list[tuple[str, int, Picture]] = []
        self.grants: list[Grant] = []
        self.call_ids: list[str] = []

    def run(self, plan: list[tuple[str, int]]) -> None:
        for step, number in plan:
            if step.startswith("grant"):
                rules = [{"type": "amount", "limit": "0x14", "period": "day"}] if step != "grant" else []
                self.grants.append(self.wallet.grant(self.owner, Account.create(), *TRANSFERS, rules=rules))
            if step in {"grant", "grant with a rule", "send"} and self.grants:
                self.send(self.grants[-1 - number % len(self.grants)], 1 + 9 * number)
            elif step in {"pause", "resume"}:
                self.change_session(number, f"wallet_{step}Session")
            else:
                method = "wallet_stopSessions" if step == "stop" else "wallet_resumeSessions"
                with suppress(RpcError):  # there is no such stop
                    self.wallet.request(method, {"scope": {"tag": f"tag {number % 2}"}})

    def send(self, grant: Grant, value: int) -> None:
        with suppress(RpcError):  # its session is gone or stopped, or its limits are reached
            call_id = self.wallet.send(grant, Call(to=FRIEND, value=value))
            assert self.wallet.wait(call_id).status == 200
            self.call_ids.append(str(call_id))

    def change_session(self, number: int, method: str) -> None:
        for session in self.list_sessions()[number : number + 1]:
            self.wallet.request(method, {"sessionId": session})
            self.wallet.request("wallet_setSessionTags", {"sessionId": session, "tags": [f"tag {number % 2}"]})

    def list_sessions(self) -> list[str]:
        page = self.wallet.request("wallet_listSessions", {"account": str(self.owner.account)})
        return [session["sessionId"] for session in page["sessions"]]

    def read_picture(self) -> Picture:
        """Return what the wallet and the chain tell."""
        return {
            "sessions": [
                self.wallet.request("wallet_getSession", {"sessionId": each}) for each in self.list_sessions()
            ],
            "calls": [self.find_status(call_id) for call_id in self.call_ids],
            "stops": self.wallet.request("wallet_listStops"),
            "balance": self.wallet.request("eth_getBalance", str(FRIEND), "latest"),
            "block": self.wallet.request("eth_blockNumber"),
        }

    def find_status(self, call_id: str) -> Any:
        try:
            return self.wallet.request("wallet_getCallsStatus", call_id)
        except RpcError as error:
            return error.code

    def take_snapshot(self) -> None:
        picture = self.read_picture()
        self.snapshots.append((self.wallet.request("evm_snapshot"), len(self.call_ids), picture))

    def revert(self, position: int) -> None:
        later = self.snapshots[position:]
        del self.snapshots[position:]
        number, calls, picture = later[0]
        undone = set(self.call_ids[calls:])
        del self.call_ids[calls:]
        assert self.wallet.request("evm_revert", number) is True
        assert self.read_picture() == picture
        assert all(self.find_status(call_id) == NO_SUCH_CALL for call_id in undone - set(self.call_ids))
        assert not any(self.wallet.request("evm_revert", gone) for gone, _, _ in later)


@settings(max_examples=3)
@given(plans=st.lists(PLANS, min_size=2, max_size=3), position=st.integers(0, 1), afterwards=PLANS)
def test_a_revert_restores_what_the_wallet_tells(
    server: WalletServer, plans: list[list[tuple[str, int]]], position: int, afterwards: list[tuple[str, int]]
) -> None:
    with WalletClient(server.url, api_key=server.api_key) as client:
        client.request("anvil_reset")
        wallet = Wallet(client)
        for plan in plans:
            wallet.take_snapshot()
            wallet.run(plan)
        wallet.revert(position)
        wallet.take_snapshot()
        wallet.run(afterwards)
        wallet.revert(0)
