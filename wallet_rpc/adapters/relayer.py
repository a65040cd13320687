"""Relayer: a key of this server that pays for transactions with an authorization (EIP-7702, type 4).

It sends one transaction at a time, over all processes on one Redis, so that each gets its own nonce. It sends only
authorizations, and none beyond the daily budget.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.log_entries import LogEntry, logs_of
from wallet_rpc.adapters.relayer_budget import Expense, RelayerBudget
from wallet_rpc.adapters.relayer_turn import RelayerTurn
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.transactions import (
    RawTransaction,
    add_transaction_margin,
    build_fee_fields,
    sign_transaction,
    signer_of,
    submit_transaction,
)
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.gas import AUTHORIZATION_GAS
from wallet_rpc.errors import AlreadyKnown, OutcomeUnknown, Rejected, Unavailable, WalletError
from wallet_rpc.ports import Node, TransactionReceipt
from wallet_rpc.primitives import BlockNumber, ChainId, Gas, Hash32, TransactionCount, Uint256
from wallet_rpc.wire import shape


@shape
class _Receipt:
    status: Uint256
    logs: tuple[LogEntry, ...]
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: BlockNumber
    gas_used: Gas


class KeyRelayer:
    """`ports.Relayer` with a private key, over a node's JSON-RPC."""

    def __init__(
        self, client: Rpc, chain: Node, chain_id: ChainId, key: bytes, *, budget: RelayerBudget, turn: RelayerTurn
    ) -> None:
        self._client = client
        self._chain = chain
        self._chain_id = chain_id
        self._key = key
        self.address = signer_of(key)
        """Account that pays; it needs the chain's native token."""
        self._budget = budget
        self._turn = turn
        self._send_lock = asyncio.Lock()

    async def send(self, authorization: SignedAuthorization) -> Hash32:
        """Send a type 4 transaction and return its hash.

        Raises: Rejected when the daily budget is used up or the relayer has insufficient funds; Unavailable when the
        node did not accept the transaction; OutcomeUnknown when it may have accepted it.
        """
        async with self._send_lock, self._turn.hold(self._chain_id, self.address):
            fields = await self._build_transaction(authorization)
            transaction = await sign_transaction(self._key, fields)
            expense = self._build_expense(authorization, transaction, cost=fields["gas"] * fields["maxFeePerGas"])
            await self._budget.take(expense)
            try:
                await self._submit(transaction)
            except OutcomeUnknown:
                raise  # the transaction may still be mined
            except WalletError:
                with suppress(Unavailable):
                    await self._budget.give_back(expense)
                raise
            return transaction.hash

    async def check(self, authorization: SignedAuthorization) -> None:
        """Check that the relayer would pay now. Raises: Rejected, as `send`; Unavailable."""
        fields = await self._build_transaction(authorization)
        cost = fields["gas"] * fields["maxFeePerGas"]
        if await self._chain.balance(self.address) < cost:
            raise _build_funds_error()
        expense = self._build_expense(authorization, await sign_transaction(self._key, fields), cost=cost)
        await self._budget.take(expense)
        await self._budget.give_back(expense)

    async def _submit(self, transaction: RawTransaction) -> None:
        try:
            with suppress(AlreadyKnown):
                await submit_transaction(self._client, transaction, map_error=_map_send_error)
        except OutcomeUnknown:
            with suppress(Unavailable):
                if await self.has_transaction(transaction.hash):
                    return
            raise

    def _build_expense(self, authorization: SignedAuthorization, transaction: RawTransaction, *, cost: int) -> Expense:
        account = authorization.authority
        assert account is not None  # noqa: S101  # an authorization is checked before it comes here
        return Expense(chain_id=self._chain_id, account=account, transaction=transaction.hash, cost=cost)

    async def has_transaction(self, transaction_hash: Hash32) -> bool:
        """Return True if the node has the transaction, in a block or pending."""
        return await self._client.read("eth_getTransactionByHash", [transaction_hash.hex0x()]) is not None

    async def receipt(self, transaction_hash: Hash32) -> TransactionReceipt | None:
        """Return the transaction's receipt; None until the transaction is in a block."""
        answer = await self._client.read("eth_getTransactionReceipt", [transaction_hash.hex0x()])
        if answer is None:
            return None
        found = self._client.decode_result(_Receipt, answer)
        return TransactionReceipt(
            success=found.status == 1,
            logs=logs_of(found.logs),
            transaction_hash=found.transaction_hash,
            block_hash=found.block_hash,
            block_number=found.block_number,
            gas_used=found.gas_used,
        )

    async def _build_transaction(self, authorization: SignedAuthorization) -> dict[str, Any]:
        """Build an empty transaction from the relayer to itself that carries the authorization."""
        relayer = self.address.hex0x()
        fees, nonce, gas = await asyncio.gather(
            self._chain.fees(),
            self._read(TransactionCount, "eth_getTransactionCount", relayer, "pending"),
            self._read(Gas, "eth_estimateGas", {"from": relayer, "to": relayer}),
        )
        return {
            "type": 4,
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": relayer,
            "value": 0,
            "data": b"",
            "gas": add_transaction_margin(gas + AUTHORIZATION_GAS),
            **build_fee_fields(fees),
            "accessList": [],
            "authorizationList": [_encode_authorization(authorization)],
        }

    async def _read(self, kind: Any, method: str, *params: Any) -> Any:
        return self._client.decode_result(kind, await self._client.read(method, params))


def _encode_authorization(authorization: SignedAuthorization) -> dict[str, Any]:
    return {
        "chainId": authorization.chain_id,
        "address": authorization.address.hex0x(),
        "nonce": authorization.nonce,
        "yParity": authorization.y_parity,
        "r": authorization.r,
        "s": authorization.s,
    }


def _map_send_error(error: ErrorObject) -> WalletError:
    """Map a node's rejection of the relayer's transaction to an error; the caller cannot correct any of these."""
    text = error.message.lower()
    if "already known" in text:
        return AlreadyKnown("the node already has the relayer's transaction")
    if "insufficient funds" in text:
        return _build_funds_error()
    return Unavailable("the node rejected the relayer's transaction", part="relayer", upstreamCode=error.code)


def _build_funds_error() -> Rejected:
    return Rejected("this server's relayer has insufficient funds on this chain", reason="relayer_without_funds")
