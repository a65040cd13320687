"""Changes of one run over a chain state, with checkpoints: a replacement for py-evm's account database.

It implements the methods of py-evm's `AccountDatabaseAPI` that states call; roots and checkpoints are the chain's own.
Every write pushes the previous value on one undo list. A checkpoint is a length of that list, and a revert undoes it
backwards. Storage, transient storage and the warm sets of EIP-2929 share the list. The chain state stays unchanged
until the chain commits `changes()`.
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
    """Return keccak256 of `code`; cached, as runs read the same few contracts again and again."""
    return Hash32(keccak(code))


class Journal:
    """Reads of a chain state as of one version and of an overlay, overlaid with the writes of one run."""

    def __init__(self, state: ChainState, version: int, overlay: Mapping[bytes, Value] | None = None) -> None:
        self._state = state
        self._version = version
        self._overlay: Mapping[bytes, Value] = overlay or {}
        """Changes of earlier runs that are not in the state."""
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
        """Return the account's balance in wei."""
        try:
            return self._balances[address]
        except KeyError:
            value = self._balances[address] = self._integer(balance_key(address))
            return value

    def get_nonce(self, address: Address) -> int:
        """Return the account's nonce."""
        try:
            return self._nonces[address]
        except KeyError:
            value = self._nonces[address] = self._integer(nonce_key(address))
            return value

    def get_code(self, address: Address) -> bytes:
        """Return the account's code; a delegation designator is code too."""
        try:
            return self._codes[address]
        except KeyError:
            value = self._read(code_key(address))
            assert isinstance(value, bytes)  # noqa: S101 - a code key's values are bytes
            self._codes[address] = value
            return value

    def get_code_hash(self, address: Address) -> Hash32:
        """Return keccak256 of the account's code."""
        return code_hash(self.get_code(address))

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """Return one storage word; without `from_journal` its value before the run."""
        key = (address, slot)
        if key not in self._slots_before:
            before = 0 if address in self._replaced else self._integer(slot_key(address, slot))
            self._slots_before[key] = before
            self._slots.setdefault(key, before)
        return self._slots[key] if from_journal else self._slots_before[key]

    def account_has_code_or_nonce(self, address: Address) -> bool:
        """Return True when a contract cannot be created at this address (EIP-684)."""
        return self.get_nonce(address) != 0 or self.get_code(address) != b""

    def account_exists(self, address: Address) -> bool:
        """Return True when the account is not empty: since EIP-161 only such accounts exist."""
        return not self.account_is_empty(address)

    def account_is_empty(self, address: Address) -> bool:
        """Return True for an account without balance, nonce and code."""
        return self.get_balance(address) == 0 and not self.account_has_code_or_nonce(address)

    # Writes

    def set_balance(self, address: Address, balance: int) -> None:
        """Set the account's balance in wei."""
        self._undo.append((self._balances, address, self.get_balance(address)))
        self._balances[address] = balance

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the account's nonce."""
        self._undo.append((self._nonces, address, self.get_nonce(address)))
        self._nonces[address] = nonce

    def increment_nonce(self, address: Address) -> None:
        """Add one to the account's nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def set_code(self, address: Address, code: bytes) -> None:
        """Set the account's code."""
        self._undo.append((self._codes, address, self.get_code(address)))
        self._codes[address] = code

    def delete_code(self, address: Address) -> None:
        """Remove the account's code."""
        self.set_code(address, b"")

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write one storage word."""
        self._undo.append((self._slots, (address, slot), self.get_storage(address, slot)))
        self._slots[address, slot] = value

    def delete_storage(self, address: Address) -> None:
        """Zero the words touched in this run: since EIP-6780 only an account created in the same run is destroyed."""
        for owner, slot in [key for key in self._slots if key[0] == address]:
            self.set_storage(Address(owner), slot, 0)

    def delete_account(self, address: Address) -> None:
        """Make the account empty."""
        self.delete_storage(address)
        self.set_balance(address, 0)
        self.set_nonce(address, 0)
        self.set_code(address, b"")

    def touch_account(self, address: Address) -> None:
        """Do nothing: empty accounts are not stored."""

    def replace_storage(self, address: Address, words: Mapping[int, int]) -> None:
        """Replace all storage of the account before a run."""
        self._replaced.add(address)
        self.override_storage(address, words)

    def override_storage(self, address: Address, words: Mapping[int, int]) -> None:
        """Set these words before a run, as their original values."""
        for slot, value in words.items():
            self._slots[address, slot] = self._slots_before[address, slot] = value

    # Per-run marks

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """Return True when the word was read or written in this run (EIP-2929)."""
        return (address, slot) in self._warm

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        """Record the first access of a storage word."""
        self._mark((address, slot))

    def is_address_warm(self, address: Address) -> bool:
        """Return True when the account was accessed in this run (EIP-2929)."""
        return address in self._warm

    def mark_address_warm(self, address: Address) -> None:
        """Record the first access of an account."""
        self._mark(address)

    def get_transient(self, address: bytes, slot: int) -> bytes:
        """Read a word of transient storage (EIP-1153)."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Write a word of transient storage (EIP-1153)."""
        key = (address, slot)
        self._undo.append((self._transient, key, self._transient.get(key, _ABSENT)))
        self._transient[key] = value

    # Checkpoints

    def checkpoint(self) -> int:
        """Return a checkpoint to roll back to."""
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
        """Return the run's changes by the keys of `ChainState`, without values that are unchanged in the end."""
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
        return {key: value for key, value in changed.items() if self._read(key) != value}

    def _integer(self, key: bytes) -> int:
        value = self._read(key)
        assert isinstance(value, int)  # noqa: S101 - all but code is a number
        return value

    def _read(self, key: bytes) -> Value:
        """Return a value from before the run."""
        value = self._overlay.get(key) if self._overlay else None
        return self._state.read(key, self._version) if value is None else value

    def _mark(self, key: Any) -> None:
        if key not in self._warm:
            self._undo.append((self._warm, key, _ABSENT))
            self._warm[key] = True
