"""Output of geth's `prestateTracer`: the accounts that a run accessed, before it, or what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from eth_typing import Address

from wallet_rpc.devchain.answers import JsonValue, format_data
from wallet_rpc.devchain.journal import Journal
from wallet_rpc.devchain.traced_machine import TracedComputation, TracingJournal

AccessedAccounts = Mapping[bytes, Mapping[int, None]]
"""Accounts with some of their storage words."""


def find_accessed(journal: TracingJournal, root: TracedComputation, coinbase: bytes) -> AccessedAccounts:
    """Return the accounts and storage words that a run accessed."""
    journal.record_access(root.caller)
    journal.record_access(root.msg.storage_address)
    journal.record_access(coinbase)
    for created in _find_created(root):
        journal.record_access(created)
    return journal.accessed


def format_prestate(before: Journal, accounts: AccessedAccounts, root: TracedComputation) -> JsonValue:
    """Format the accounts as they were before the run."""
    formatted = {}
    for address, slots in accounts.items():
        account = _format_account(before, address)
        words = {_word(slot): _word(before.get_storage(Address(address), slot)) for slot in sorted(slots)}
        if words:
            account["storage"] = words
        formatted[format_data(address)] = account
    if root.msg.is_create and not before.account_exists(root.msg.storage_address):
        formatted.pop(format_data(root.msg.storage_address), None)
    return formatted


def format_differences(before: Journal, after: Journal, accounts: AccessedAccounts) -> JsonValue:
    """Format the changes of the run: accounts before and after it, without those that are unchanged."""
    pre: dict[str, JsonValue] = {}
    post: dict[str, JsonValue] = {}
    for address, slots in accounts.items():
        name, old, new = format_data(address), _format_account(before, address), _format_account(after, address)
        changed = {field: value for field, value in new.items() if old.get(field) != value}
        words = [(slot, _read(before, address, slot), _read(after, address, slot)) for slot in sorted(slots)]
        words = [(slot, was, now) for slot, was, now in words if was != now]
        if not changed and not words and old.keys() == new.keys():
            continue
        old_words = {_word(slot): _word(was) for slot, was, _ in words if was}
        new_words = {_word(slot): _word(now) for slot, _, now in words if now}
        if before.account_exists(Address(address)):
            pre[name] = {**old, **({"storage": old_words} if old_words else {})}
        if after.account_exists(Address(address)):
            post[name] = {**changed, **({"storage": new_words} if new_words else {})}
    return {"pre": pre, "post": post}


def _format_account(journal: Journal, address: bytes) -> dict[str, JsonValue]:
    account: dict[str, JsonValue] = {"balance": hex(journal.get_balance(Address(address)))}
    nonce, code = journal.get_nonce(Address(address)), journal.get_code(Address(address))
    if nonce:
        account["nonce"] = nonce
    if code:
        account["code"] = format_data(code)
    return account


def _find_created(frame: TracedComputation) -> Iterator[bytes]:
    for child in frame.events:
        if isinstance(child, TracedComputation):
            if child.msg.is_create:
                yield bytes(child.msg.storage_address)
            yield from _find_created(child)


def _read(journal: Journal, address: bytes, slot: int) -> int:
    return journal.get_storage(Address(address), slot)


def _word(value: int) -> Any:
    return format_data(value.to_bytes(32))
