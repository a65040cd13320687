"""VerifyingPaymaster on a real chain: deployment, deposit, stake and status.

The CREATE2 deployer deploys it, so its address follows from owner and signer, and a second deployment finds it in
place. Transactions are sent one at a time, each after the previous one is mined.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.transaction_sender import TransactionSender
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import CREATE2_DEPLOYER, ENTRY_POINT
from wallet_rpc.errors import ExecutionReverted, Rejected, Unavailable
from wallet_rpc.primitives import Address, Data

_SALT = bytes(32)
_OWNER = abi.selector_of("owner()")
_SIGNER = abi.selector_of("signer()")
_DEPOSIT_TO = abi.selector_of("depositTo(address)")
_UNLOCK_STAKE = abi.selector_of("unlockStake()")
_WITHDRAW_STAKE = abi.selector_of("withdrawStake(address)")
_WITHDRAW_TO = abi.selector_of("withdrawTo(address,uint256)")
_GET_DEPOSIT_INFO = abi.selector_of("getDepositInfo(address)")


def creation_code(runtime: bytes, *, owner: Address, signer: Address) -> Data:
    """Build creation code that stores owner (slot 0) and signer (slot 1) and returns the runtime code.

    PUSH20 owner, PUSH0, SSTORE | PUSH20 signer, PUSH1 1, SSTORE | PUSH2 size, DUP1, PUSH1 57, PUSH0, CODECOPY, PUSH0,
    RETURN | runtime code. The contract has no constructor, because a development chain has it in its genesis state.
    """
    storing = b"\x73" + owner + b"\x5f\x55" + b"\x73" + signer + b"\x60\x01\x55"
    returning = b"\x61" + len(runtime).to_bytes(2, "big") + b"\x80\x60\x39\x5f\x39\x5f\xf3"
    return Data(storing + returning + runtime)


def derive_address(creation: bytes) -> Address:
    """Return the address at which the CREATE2 deployer deploys a contract. Source: EIP-1014."""
    return Address(abi.keccak(b"\xff" + CREATE2_DEPLOYER + _SALT + abi.keccak(creation))[12:])


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymasterStatus:
    """Owner, signer, deposit and stake of a paymaster; amounts in wei."""

    owner: Address
    signer: Address
    deposit: int
    stake: int
    unstake_delay_seconds: int
    stake_free_at: int | None
    """Time from which an unlocked stake can be withdrawn, in seconds since 1970; None for a locked stake or none."""


class PaymasterContract:
    """Client of the paymaster contracts of one chain."""

    def __init__(self, node: Rpc, chain_id: int) -> None:
        self._node = node
        self._chain = NodeChain(node)
        self._chain_id = chain_id

    async def check(self) -> None:
        """Check the chain. Raises: Unavailable when the node serves another chain, or it has no entry point v0.7."""
        await self._node.check_chain(self._chain_id)
        if not await self._chain.code(ENTRY_POINT):
            raise Unavailable(f"the chain has no entry point v0.7 at {ENTRY_POINT}")

    async def is_deployed(self, address: Address) -> bool:
        """Return True when there is code at `address`."""
        return bool(await self._chain.code(address))

    async def read_status(self, address: Address) -> PaymasterStatus:
        """Read the status of a paymaster. Raises: Rejected when there is no VerifyingPaymaster at `address`."""
        try:
            words = await asyncio.gather(*(self._chain.call(address, one) for one in (_OWNER, _SIGNER)))
        except ExecutionReverted:
            words = [b""]
        if any(len(word) != 32 for word in words):
            raise Rejected(f"no VerifyingPaymaster at {address}")
        info = await self._chain.call(ENTRY_POINT, _GET_DEPOSIT_INFO + abi.address(address))
        fields = [int.from_bytes(info[at : at + 32], "big") for at in range(0, 160, 32)]
        deposit, _, stake, delay, free_at = fields
        owner, signer = (Address(word[12:]) for word in words)
        return PaymasterStatus(
            owner=owner,
            signer=signer,
            deposit=deposit,
            stake=stake,
            unstake_delay_seconds=delay,
            stake_free_at=None if free_at == 0 else free_at,
        )

    async def deploy(self, creation: bytes, *, key: bytes) -> Address:
        """Deploy the contract and return its address.

        Raises: Rejected; Unavailable; OutcomeUnknown when the transaction may still be mined.
        """
        address = derive_address(creation)
        await self._sender(key).deploy(_SALT + creation, at=address)
        return address

    async def deposit(self, address: Address, *, wei: int, key: bytes) -> None:
        """Add to the paymaster's deposit in the entry point, from any account. Raises: as `deploy`."""
        await self._sender(key).send(ENTRY_POINT, _DEPOSIT_TO + abi.address(address), value=wei)

    async def stake(self, address: Address, *, wei: int, unstake_delay_seconds: int, key: bytes) -> None:
        """Add to the paymaster's stake, as the paymaster's owner. Raises: as `deploy`."""
        await self._sender(key).send(address, abi.ADD_STAKE + abi.uint(unstake_delay_seconds), value=wei)

    async def unlock_stake(self, address: Address, *, key: bytes) -> None:
        """Start the stake's unstake delay, as the paymaster's owner. Raises: as `deploy`."""
        await self._sender(key).send(address, _UNLOCK_STAKE)

    async def withdraw_stake(self, address: Address, *, to: Address, key: bytes) -> None:
        """Withdraw the whole stake after its unstake delay, as the paymaster's owner. Raises: as `deploy`."""
        await self._sender(key).send(address, _WITHDRAW_STAKE + abi.address(to))

    async def withdraw(self, address: Address, *, to: Address, wei: int, key: bytes) -> None:
        """Withdraw from the deposit, as the paymaster's owner. Raises: as `deploy`."""
        await self._sender(key).send(address, _WITHDRAW_TO + abi.address(to) + abi.uint(wei))

    def _sender(self, key: bytes) -> TransactionSender:
        check = "that the deployer key is the paymaster owner's key, and the amount"
        return TransactionSender(self._node, self._chain_id, key, check=check)
