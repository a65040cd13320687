"""The changes of one run over a world, with checkpoints: py-evm's account database without tries.

It has the part of py-evm's `AccountDatabaseAPI` that states call; roots and checkpoints are the chain's own.
Every write pushes what was there before on one undo list, so a checkpoint is a length and a revert is a walk back.
Storage, transient storage and the warm sets of EIP-2929 share the list. Nothing reaches the world until the chain
commits `changes()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from eth_hash.auto import keccak
from eth_typing import Address, Hash32

from wallet_rpc.devchain.chain_state import ChainState, Value, balance_key, code_key, nonce_key, slot_key

_ABSENT: Any = object()


@lru_cache(maxsize=4096)
def code_hash(code: bytes) -> Hash32:
    """keccak256 of `code`; remembered, as the same few contracts are asked for all the time."""
    return Hash32(keccak(code))


class Journal:
    """Reads of `world` as of `version`, overlaid with the writes of one run."""

    def __init__(self, state: ChainState, version: int) -> None:
        self._state = state
        self._version = version
        self._balances: dict[bytes, int] = {}
        self._nonces: dict[bytes, int] = {}
        self._codes: dict[bytes, bytes] = {}
        self._slots: dict[tuple[bytes, int], int] = {}
        self._slots_before: dict[tuple[bytes, int], int] = {}
        self._replaced: set[bytes] = set()
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._warm: dict[Any, bool] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    # Reads

    def get_balance(self, address: Address) -> int:
        """In wei."""
        try:
            return self._balances[address]
        except KeyError:
            value = self._balances[address] = self._integer(balance_key(address))
            return value

    def get_nonce(self, address: Address) -> int:
        """The account's nonce."""
        try:
            return self._nonces[address]
        except KeyError:
            value = self._nonces[address] = self._integer(nonce_key(address))
            return value

    def get_code(self, address: Address) -> bytes:
        """The account's code; a delegation designator is code too."""
        try:
            return self._codes[address]
        except KeyError:
            value = self._state.read(code_key(address), self._version)
            assert isinstance(value, bytes)  # noqa: S101 - a code key's values are bytes
            self._codes[address] = value
            return value

    def get_code_hash(self, address: Address) -> Hash32:
        """keccak256 of the code."""
        return code_hash(self.get_code(address))

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """One storage word; without `from_journal` as it was before the run."""
        key = (address, slot)
        if key not in self._slots_before:
            before = 0 if address in self._replaced else self._integer(slot_key(address, slot))
            self._slots_before[key] = before
            self._slots.setdefault(key, before)
        return self._slots[key] if from_journal else self._slots_before[key]

    def account_has_code_or_nonce(self, address: Address) -> bool:
        """Whether a contract cannot be created here (EIP-684)."""
        return self.get_nonce(address) != 0 or self.get_code(address) != b""

    def account_exists(self, address: Address) -> bool:
        """After EIP-161 an account exists when it is not empty."""
        return not self.account_is_empty(address)

    def account_is_empty(self, address: Address) -> bool:
        """No balance, no nonce, no code."""
        return self.get_balance(address) == 0 and not self.account_has_code_or_nonce(address)

    # Writes

    def set_balance(self, address: Address, balance: int) -> None:
        """In wei."""
        self._undo.append((self._balances, address, self.get_balance(address)))
        self._balances[address] = balance

    def set_nonce(self, address: Address, nonce: int) -> None:
        """The account's nonce."""
        self._undo.append((self._nonces, address, self.get_nonce(address)))
        self._nonces[address] = nonce

    def increment_nonce(self, address: Address) -> None:
        """One up."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def set_code(self, address: Address, code: bytes) -> None:
        """Replace the code."""
        self._undo.append((self._codes, address, self.get_code(address)))
        self._codes[address] = code

    def delete_code(self, address: Address) -> None:
        """Remove the code."""
        self.set_code(address, b"")

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write one storage word."""
        self._undo.append((self._slots, (address, slot), self.get_storage(address, slot)))
        self._slots[address, slot] = value

    def delete_storage(self, address: Address) -> None:
        """Zero the words touched in this run: since EIP-6780 only an account made in the same run is destroyed."""
        for owner, slot in [key for key in self._slots if key[0] == address]:
            self.set_storage(Address(owner), slot, 0)

    def delete_account(self, address: Address) -> None:
        """Make the account empty."""
        self.delete_storage(address)
        self.set_balance(address, 0)
        self.set_nonce(address, 0)
        self.set_code(address, b"")

    def touch_account(self, address: Address) -> None:
        """Nothing to note: an empty account is not kept."""

    def replace_storage(self, address: Address, words: Mapping[int, int]) -> None:
        """Before a run: let `words` be all the storage the account has."""
        self._replaced.add(address)
        self.override_storage(address, words)

    def override_storage(self, address: Address, words: Mapping[int, int]) -> None:
        """Before a run: let these words be as given, as if they always had been."""
        for slot, value in words.items():
            self._slots[address, slot] = self._slots_before[address, slot] = value

    # Per-run marks

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """Was the word read or written in this run (EIP-2929)."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        """Note a first access."""
        self._mark((address, slot))

    def is_address_warm(self, address: Address) -> bool:
        """Was the account touched in this run (EIP-2929)."""
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        """Note a first access."""
        self._mark(address)

    def get_transient(self, address: bytes, slot: int) -> bytes:
        """A word of transient storage (EIP-1153)."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Write a word of transient storage."""
        key = (address, slot)
        self._undo.append((self._transient, key, self._transient.get(key, _ABSENT)))
        self._transient[key] = value

    # Checkpoints

    def checkpoint(self) -> int:
        """A point to come back to."""
        return len(self._undo)

    def rollback_to(self, mark: int) -> None:
        """Undo everything after `mark`."""
        undo = self._undo
        while len(undo) > mark:
            values, key, before = undo.pop()
            if before is _ABSENT:
                del values[key]
            else:
                values[key] = before

    def changes(self) -> dict[bytes, Value]:
        """What the run changed, by the world's keys; a value written back to what it was is no change."""
        changed: dict[bytes, Value] = {}
        for values, key, _ in self._undo:
            if values is self._slots:
                changed[slot_key(*key)] = self._slots[key]
            elif values is self._balances:
                changed[balance_key(key)] = self._balances[key]
            elif values is self._nonces:
                changed[nonce_key(key)] = self._nonces[key]
            elif values is self._codes:
                changed[code_key(key)] = self._codes[key]
        return {key: value for key, value in changed.items() if self._state.read(key, self._version) != value}

    def _integer(self, key: bytes) -> int:
        value = self._state.read(key, self._version)
        assert isinstance(value, int)  # noqa: S101 - all but code is a number
        return value

    def _mark(self, key: Any) -> None:
        if key not in self._warm:
            self._undo.append((self._warm, key, _ABSENT))
            self._warm[key] = True
