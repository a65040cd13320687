"""Installation of genesis contracts on a running chain, by the node's control methods or by transactions.

The addresses are those of production, so only a node that sets code, as anvil and Hardhat do, can have wallet-rpc's own
contracts there. Other nodes get published contracts from their creation code. Code is written last, so an account with
the right code is complete, and a repeated or interrupted installation changes nothing that exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from wallet_rpc.adapters.client import ErrorObject
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.devchain.dev_constants import ERC20_PAYMASTER, PAYMASTER
from wallet_rpc.devchain.genesis import Genesis
from wallet_rpc.domain import abi
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.errors import MethodNotFound, WalletError
from wallet_rpc.primitives import Address, Data, Word

CONTROL_PREFIXES = ("anvil", "hardhat")
"""The prefixes of control methods, in the order in which they are tried."""
_DEPOSITS_SLOT = bytes(32)
"""The slot of EntryPoint's mapping of deposits."""


class CodeState(StrEnum):
    """State of a contract's code on a chain before an installation."""

    PRESENT = "already there"
    ABSENT = "missing"
    DIFFERENT = "other code"


@dataclass(frozen=True, slots=True)
class ControlMethods:
    """Methods of a development node that change accounts."""

    node: Rpc
    prefix: str
    """The prefix of the methods' names."""

    @property
    def set_code_name(self) -> str:
        """Name of the method that sets code."""
        return f"{self.prefix}_setCode"

    async def set_code(self, address: Address, code: bytes) -> None:
        """Set an account's code. Raises: MethodNotFound when the node rejects the method; Unavailable."""
        await self._call("setCode", address, Data(code).hex0x())

    async def set_nonce(self, address: Address, nonce: int) -> None:
        """Set an account's nonce. Raises: as `set_code`."""
        await self._call("setNonce", address, hex(nonce))

    async def set_balance(self, address: Address, wei: int) -> None:
        """Set an account's balance. Raises: as `set_code`."""
        await self._call("setBalance", address, hex(wei))

    async def set_slot(self, address: Address, slot: int, word: int) -> None:
        """Set a word of a contract's storage. Raises: as `set_code`."""
        await self._call("setStorageAt", address, hex(slot), f"0x{word:064x}")

    async def _call(self, name: str, address: Address, *params: str) -> None:
        method = f"{self.prefix}_{name}"

        def reject(error: ErrorObject) -> WalletError:
            return MethodNotFound(f"the node rejected {method} (code {error.code})")

        await self.node.write(method, [address.hex0x(), *params], map_error=reject)


async def find_control_methods(node: Rpc, probed: Address) -> ControlMethods | None:
    """Find the control methods that the node accepts, by setting the code of `probed` to what it is; None for none."""
    code = await NodeChain(node).code(probed)
    for prefix in CONTROL_PREFIXES:
        found = ControlMethods(node, prefix)
        try:
            await found.set_code(probed, code)
        except MethodNotFound:
            continue
        return found
    return None


async def read_code_states(node: NodeChain, genesis: Genesis) -> dict[Address, CodeState]:
    """Compare the code of each account with the chain's."""
    codes = await asyncio.gather(*(node.code(address) for address in genesis))
    return {
        address: _compare(found, account.code) for (address, account), found in zip(genesis.items(), codes, strict=True)
    }


def _compare(found: bytes, expected: bytes) -> CodeState:
    if not found:
        return CodeState.ABSENT
    return CodeState.PRESENT if found == expected else CodeState.DIFFERENT


async def set_accounts(methods: ControlMethods, genesis: Genesis, addresses: Collection[Address]) -> None:
    """Write these genesis accounts to the chain, with the paymasters' deposits. Raises: as `set_code`."""
    deposits = _deposit_slots(genesis)
    for paymaster, slot in deposits.items():
        if paymaster in addresses or ENTRY_POINT in addresses:
            await _deposit(methods, slot, genesis[ENTRY_POINT].storage[slot])
    for address in addresses:
        account = genesis[address]
        for slot, word in account.storage.items():
            if address != ENTRY_POINT or slot not in deposits.values():
                await methods.set_slot(address, slot, word)
        await methods.set_nonce(address, account.nonce)
        await methods.set_code(address, account.code)


async def _deposit(methods: ControlMethods, slot: int, wei: int) -> None:
    """Write a deposit into EntryPoint's storage and add it to EntryPoint's balance, unless there is one."""
    chain = NodeChain(methods.node)
    if any(await chain.storage(ENTRY_POINT, Word(slot.to_bytes(32)))):
        return
    await methods.set_balance(ENTRY_POINT, await chain.balance(ENTRY_POINT) + wei)
    await methods.set_slot(ENTRY_POINT, slot, wei)


def _deposit_slots(genesis: Genesis) -> Mapping[Address, int]:
    """Return the slots of the paymasters' deposits in EntryPoint's storage."""
    slots = {
        paymaster: int.from_bytes(abi.keccak(abi.address(paymaster) + _DEPOSITS_SLOT))
        for paymaster in (PAYMASTER, ERC20_PAYMASTER)
    }
    return {paymaster: slot for paymaster, slot in slots.items() if slot in genesis[ENTRY_POINT].storage}
