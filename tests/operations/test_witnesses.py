"""Evidence about sent calls: the node decides, bundlers give hints, and nothing final is said without proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.operations.chain_control import ask_node, pass_blocks
from tests.operations.conftest import CHAIN, WalletFixture, call_id_of, quantity
from tests.support.constants import FRIEND
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.errors import Unavailable
from wallet_rpc.ports import NO_LOGS, Fees, Node, OperationReceipt
from wallet_rpc.primitives import Hash32
from wallet_rpc.services.delivery_workers import FINALITY_CHECK_SECONDS
from wallet_rpc.services.pending_calls import STUCK_SECONDS

CALL = {"to": FRIEND}
OTHER = {"to": FRIEND, "data": "0x1234"}
INVENTED = OperationReceipt(
    success=True,
    revert_reason=b"",
    logs=(),
    transaction_hash=Hash32(b"\1" * 32),
    block_hash=Hash32(b"\2" * 32),
    block_number=1,
    gas_used=1,
)


@dataclass
class ChangedNode:
    """A `ports.Node` in front of a real one with some answers of its own."""

    inner: Node
    fees_now: Fees | None = None
    has_logs: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def fees(self) -> Fees:
        return await self.inner.fees() if self.fees_now is None else self.fees_now

    async def find_operation(self, *arguments: Any, **options: Any) -> OperationReceipt | None:
        if not self.has_logs:
            raise Unavailable("the node does not search its logs", reason=NO_LOGS, part="node")
        return await self.inner.find_operation(*arguments, **options)

    async def find_nonce_use(self, *arguments: Any, **options: Any) -> Any:
        if not self.has_logs:
            raise Unavailable("the node does not search its logs", reason=NO_LOGS, part="node")
        return await self.inner.find_nonce_use(*arguments, **options)


async def test_a_final_status_is_read_from_the_record_with_its_receipt(wallet: WalletFixture) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    first = await wallet.client.rpc("wallet_getCallsStatus", call_id)
    assert first["status"] == 200

    wallet.mempool.is_silent = True
    wallet.change_chain(node=None)
    again = await wallet.client.rpc("wallet_getCallsStatus", call_id)
    assert again["receipts"] == first["receipts"]
    assert again["status"] == 200


async def test_no_bundler_is_queried_about_a_call_that_the_node_shows(wallet: WalletFixture) -> None:
    wallet.change_chain(confirmations=5)
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    assert await wallet.status(call_id) == 100
    queries = wallet.mempool.queries
    assert queries

    await wallet.mempool.mine()
    assert [await wallet.status(call_id) for _ in range(2)] == [110, 110]
    await pass_blocks(wallet, 4)
    assert await wallet.status(call_id) == 200
    assert wallet.mempool.queries == queries


async def test_a_receipt_that_only_the_bundler_has_is_no_proof(wallet: WalletFixture) -> None:
    other = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    wallet.mempool.invented = INVENTED
    assert await wallet.status(other) == 100
    await wallet.mempool.mine()

    receipt = await wallet.mempool.inner.receipt(Hash32.parse("0x" + other[-64:]))
    wallet.mempool.invented = receipt
    call_id = await wallet.send(await wallet.prepare(OTHER), wallet.owner)
    assert await wallet.status(call_id) == 100, "the transaction exists, but has another operation"
    assert await wallet.status(other) == 200


async def test_a_bundler_that_answers_null_for_a_pending_call_changes_nothing(wallet: WalletFixture) -> None:
    wallet.mempool.is_blind = True
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    for _ in range(4):
        await wallet.work(after=40)
        assert await wallet.status(call_id) == 100
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def test_a_block_that_is_replaced_moves_the_call_back_and_it_is_delivered_again(
    wallet: WalletFixture, snapshot: str
) -> None:
    wallet.change_chain(confirmations=3)
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    await pass_blocks(wallet, 1)
    assert (await wallet.status(call_id), await wallet.state(call_id)) == (110, "included")

    assert await ask_node(wallet, "evm_revert", snapshot)
    assert await wallet.status(call_id) == 110, "the node has no other block of that height yet"
    await pass_blocks(wallet, 2)
    assert (await wallet.status(call_id), await wallet.state(call_id)) == (100, "submitted")
    assert "receipts" not in await wallet.client.rpc("wallet_getCallsStatus", call_id)
    await wallet.work(after=15)
    assert wallet.mempool.sent == 2
    await wallet.mempool.mine()
    await wallet.work(after=30)
    assert await wallet.status(call_id) == 110
    await pass_blocks(wallet, 2)
    assert await wallet.status(call_id) == 200


async def test_a_final_call_stays_final_and_a_deeper_reorganization_is_reported(
    wallet: WalletFixture, snapshot: str
) -> None:
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    await wallet.work(after=15)
    assert await ask_node(wallet, "evm_revert", snapshot)

    await wallet.work(after=FINALITY_CHECK_SECONDS - 1)
    assert wallet.reports.reorganized == []
    await wallet.work(after=1)
    assert [record.hash.hex() for record in wallet.reports.reorganized] == [call_id[-64:]]
    assert await wallet.status(call_id) == 200
    assert await wallet.work(after=10**6) == 0


async def test_a_reverted_call_is_final_at_the_configured_depth(wallet: WalletFixture) -> None:
    wallet.change_chain(confirmations=2)
    await ask_node(wallet, "anvil_setBalance", wallet.account, "0x1")
    transfer = await wallet.prepare({"to": FRIEND, "value": "0x1"})
    await ask_node(wallet, "anvil_setBalance", wallet.account, "0x0")
    call_id = await wallet.send(transfer, wallet.owner)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 115
    await pass_blocks(wallet, 1)
    assert await wallet.status(call_id) == 500


async def test_another_operation_with_the_nonce_is_proof_at_the_configured_depth(wallet: WalletFixture) -> None:
    wallet.change_chain(confirmations=3)
    first_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.send(await wallet.prepare(OTHER), wallet.owner)
    await wallet.mempool.mine()
    for blocks in (0, 1):
        await pass_blocks(wallet, blocks)
        assert await wallet.status(first_id) == 100
    await pass_blocks(wallet, 1)
    assert (await wallet.status(first_id), await wallet.state(first_id)) == (400, "replaced")


async def test_a_nonce_that_no_operation_used_is_no_proof(wallet: WalletFixture) -> None:
    """The account uses up the nonce itself, by EntryPoint's `incrementNonce(uint192)`."""
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    waiting = dict(wallet.mempool.waiting)
    wallet.mempool.drop()
    key, _ = split_nonce(quantity(prepared, "nonce"))
    increment = {
        "to": ENTRY_POINT.hex0x(),
        "data": "0x" + (keccak(b"incrementNonce(uint192)")[:4] + key.key.to_bytes(32, "big")).hex(),
    }
    await wallet.send(await wallet.prepare(increment, nonceOverride={"nonceKey": "0x7"}), wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.waiting |= waiting

    for _ in range(3):
        await wallet.work(after=60)
        assert await wallet.status(call_id) == 100
    assert (await wallet.details(call_id))["pendingReason"]["reason"] == "nonce_used_without_event"


@pytest.mark.parametrize("hint", [True, False])
async def test_a_node_without_logs_needs_the_bundlers_hint(wallet: WalletFixture, hint: bool) -> None:
    wallet.change_chain(node=ChangedNode(wallet.ports.chains[CHAIN].node, has_logs=False))
    call_id = await wallet.send(await wallet.prepare(CALL), wallet.owner)
    await wallet.mempool.mine()
    wallet.mempool.is_behind = not hint
    assert await wallet.status(call_id) == (200 if hint else 100)
    reason = (await wallet.details(call_id)).get("pendingReason", {}).get("reason")
    assert reason == (None if hint else NO_LOGS)


@pytest.mark.usefixtures("snapshot")
@pytest.mark.parametrize(("late", "code", "state"), [(0, 100, "submitted"), (1, 400, "expired")])
async def test_a_call_expires_when_a_final_block_is_later_than_its_deadline(
    wallet: WalletFixture, late: int, code: int, state: str
) -> None:
    block = await ask_node(wallet, "eth_getBlockByNumber", "latest", False)
    now = max(int(block["timestamp"], 16), wallet.clock.now())
    grant = await wallet.grant({"type": "root"}, expirySec=now + 100)
    prepared = await wallet.prepare(CALL, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    await ask_node(wallet, "evm_setNextBlockTimestamp", now + 100 + late)
    await pass_blocks(wallet, 1)

    assert (await wallet.status(call_id), await wallet.state(call_id)) == (code, state)
    if late:
        assert (await wallet.details(call_id))["error"]["data"]["reason"] == "call_expired"
        wallet.mempool.drop()
        await wallet.work(after=60)
        assert wallet.mempool.sent == 1, "it is never delivered again"


async def test_the_status_of_a_stuck_call_has_a_replacement_to_sign(wallet: WalletFixture) -> None:
    await ask_node(wallet, "anvil_setBalance", wallet.account, hex(10**18))
    grant = await wallet.grant_root()
    prepared = await wallet.prepare(CALL, sponsored=False, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    wallet.clock.ahead_seconds = STUCK_SECONDS
    assert "replacement" not in await wallet.details(call_id), "it pays enough"

    fees = Fees(base_fee_per_gas=2 * quantity(prepared, "maxFeePerGas"), max_priority_fee_per_gas=10**9)
    wallet.change_chain(node=ChangedNode(wallet.ports.chains[CHAIN].node, fees_now=fees))
    wallet.clock.ahead_seconds = STUCK_SECONDS - 1
    assert "replacement" not in await wallet.details(call_id), "it is young"
    wallet.clock.ahead_seconds = STUCK_SECONDS
    details = await wallet.details(call_id)
    replacement = details["replacement"]
    assert details["pendingReason"]["reason"] == "underpriced"
    assert replacement["data"]["nonce"] == prepared["data"]["nonce"]
    assert quantity(replacement, "maxFeePerGas") >= fees.base_fee_per_gas + fees.max_priority_fee_per_gas

    second_id = await wallet.send(replacement, grant.key, grant.permissions)
    assert second_id == call_id_of(replacement) != call_id
    await wallet.mempool.mine()
    assert [await wallet.status(one) for one in (call_id, second_id)] == [400, 200]


async def test_a_stuck_sponsored_call_has_to_be_prepared_again(wallet: WalletFixture) -> None:
    prepared = await wallet.prepare(CALL)
    call_id = await wallet.send(prepared, wallet.owner)
    fees = Fees(base_fee_per_gas=2 * quantity(prepared, "maxFeePerGas"), max_priority_fee_per_gas=10**9)
    wallet.change_chain(node=ChangedNode(wallet.ports.chains[CHAIN].node, fees_now=fees))
    wallet.clock.ahead_seconds = STUCK_SECONDS
    details = await wallet.details(call_id)
    assert (details["pendingReason"]["reason"], details.get("replacement")) == ("underpriced_prepare_again", None)
    again = await wallet.prepare(CALL)
    assert again["data"]["nonce"] == prepared["data"]["nonce"]
    second_id = await wallet.send(again, wallet.owner)
    await wallet.mempool.mine()
    assert [await wallet.status(one) for one in (call_id, second_id)] == [400, 200]
