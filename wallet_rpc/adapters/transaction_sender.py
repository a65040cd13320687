"""Transactions of an operator's key, sent one at a time: each is mined before the next one is built."""

from __future__ import annotations

import asyncio
from typing import Any

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.transactions import (
    add_transaction_margin,
    build_fee_fields,
    sign_transaction,
    signer_of,
    submit_transaction,
)
from wallet_rpc.domain.contracts import CREATE2_DEPLOYER
from wallet_rpc.errors import OutcomeUnknown, Rejected, WalletError
from wallet_rpc.primitives import Address, Data, Gas, Hash32, Uint256
from wallet_rpc.wire import shape

_WAIT_SECONDS = 180.0
_POLL_SECONDS = 1.0
_GAS: Any = Gas


@shape
class _Receipt:
    status: Uint256
    transaction_hash: Hash32


class TransactionSender:
    """Sender of transactions that one key signs."""

    def __init__(
        self, node: Rpc, chain_id: int, key: bytes, *, check: str, account: str = "the deployer account"
    ) -> None:
        """Create a sender; `account` names the key's account in errors.

        `check` says what to check when the node rejects a transaction.
        """
        self._node = node
        self._chain = NodeChain(node)
        self._chain_id = chain_id
        self._key = key
        self.address = signer_of(key)
        self._name = account
        self._check = check

    async def send(self, to: Address, data: bytes, *, value: int = 0) -> None:
        """Send a transaction and wait until it is mined; `value` is in wei.

        Raises: Rejected; Unavailable; OutcomeUnknown when the transaction may still be mined.
        """
        sender = self.address
        call: dict[str, Any] = {
            "from": sender.hex0x(),
            "to": to.hex0x(),
            "data": Data(data).hex0x(),
            "value": hex(value),
        }
        nonce, fees, balance = await asyncio.gather(
            self._chain.transaction_count(sender), self._chain.fees(), self._chain.balance(sender)
        )
        fee_limits = build_fee_fields(fees)
        if balance <= value:
            raise Rejected(f"{self._name} {sender} has {balance} wei, expected {value} wei and the cost of gas")
        estimate = self._node.decode_result(
            _GAS, await self._node.read("eth_estimateGas", [call], map_error=self._map_error)
        )
        gas = add_transaction_margin(estimate)
        needed = value + gas * fee_limits["maxFeePerGas"]
        if balance < needed:
            raise Rejected(f"{self._name} {sender} has {balance} wei, expected {needed} wei, gas included")
        transaction = await sign_transaction(
            self._key,
            {
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": to.hex0x(),
                "data": bytes(data),
                "value": value,
                "gas": gas,
                **fee_limits,
            },
        )
        await submit_transaction(self._node, transaction, map_error=self._map_error)
        await self._wait_until_mined(transaction.hash)

    async def deploy(self, salt_and_creation_code: bytes, *, at: Address) -> None:
        """Deploy a contract with the CREATE2 deployer.

        Raises: as `send`; Rejected when the chain has no deployer, or the contract is not at the expected address.
        """
        if not await self._chain.code(CREATE2_DEPLOYER):
            raise Rejected(
                f"the chain has no CREATE2 deployer at {CREATE2_DEPLOYER}; "
                "to deploy it, see https://github.com/Arachnid/deterministic-deployment-proxy"
            )
        await self.send(CREATE2_DEPLOYER, salt_and_creation_code)
        if not await self._chain.code(at):
            raise Rejected(f"there is no code at {at} after the deployment")

    async def _wait_until_mined(self, transaction: Hash32) -> None:
        waited = 0.0
        while (answer := await self._node.read("eth_getTransactionReceipt", [transaction.hex0x()])) is None:
            if waited >= _WAIT_SECONDS:
                raise OutcomeUnknown(f"transaction {transaction} is not mined after {_WAIT_SECONDS:.0f} seconds")
            await asyncio.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        if self._node.decode_result(_Receipt, answer).status != 1:
            raise Rejected(f"transaction {transaction} failed on chain")

    def _map_error(self, error: ErrorObject) -> WalletError:
        return Rejected(f"the node rejected the transaction (code {error.code}): check {self._check}")
