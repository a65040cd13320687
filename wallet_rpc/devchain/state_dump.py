"""Control methods that dump the whole chain to a text and load it: `anvil_dumpState` and `anvil_loadState`.

These methods handle the chain alone. A holder of other state adds its own section to the dump (`state_file`), and
hands the text to the chain unchanged: sections of others are ignored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.chain_state import Value, balance_key, code_key, nonce_key, slot_key
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.state_file import decode_state, encode_state, unreadable_state
from wallet_rpc.devchain.state_reads import NoParams
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address, Data
from wallet_rpc.wire import shape

_FORMAT = 1


@shape
class StateText:
    """A state dump."""

    state: Data


async def dump_state(context: DevChain, request: NoParams) -> str:
    """`anvil_dumpState`."""
    return encode_state(dump_sections(context))


async def load_state(context: DevChain, request: StateText) -> bool:
    """`anvil_loadState`: a dump of this chain replaces its blocks and state; anvil's dump replaces single accounts.

    Raises: InvalidParams for another text, and for a dump of another chain.
    """
    load_sections(context, decode_state(request.state))
    return True


def dump_sections(context: DevChain) -> dict[str, Any]:
    """Return the chain's sections of a dump."""
    chain = context.chain
    return {
        "block": None,
        "accounts": _format_accounts(chain.newest_values()),
        "best_block_number": None,
        "blocks": [],
        "transactions": [],
        "historical_states": None,
        "chain": {"format": _FORMAT, "identity": _identity(context), **chain.dump()},
    }


def load_sections(context: DevChain, sections: Mapping[str, Any]) -> None:
    """Load the chain's sections of a dump. Raises: InvalidParams."""
    dumped = sections.get("chain")
    if dumped is None:
        context.chain.change(_parse_accounts(sections.get("accounts")))
        return
    if not isinstance(dumped, dict) or dumped.get("format") != _FORMAT:
        raise unreadable_state(f"a chain section of format {_FORMAT}")
    identity = _identity(context)
    if dumped.get("identity") != identity:
        text = f"expected a dump of {identity}, got one of another chain"
        raise InvalidParams(text, reason="other_chain", field="params.state")
    try:
        context.chain.load_dump(dumped)
    except Exception as error:
        raise unreadable_state("complete rows of a chain with the same genesis") from error
    context.drop_newer()


def _identity(context: DevChain) -> str:
    fork = "" if context.upstream is None else f", forked at block {context.upstream.block}"
    return f"chain {context.chain.config.chain_id}{fork}"


def _format_accounts(values: Mapping[bytes, Value]) -> dict[str, JsonValue]:
    """Return accounts in anvil's format, from values by their state keys."""
    accounts: dict[str, dict[str, Any]] = {}
    for key in sorted(values):
        value = values[key]
        empty = {"nonce": 0, "balance": "0x0", "code": "0x", "storage": {}}
        account = accounts.setdefault("0x" + key[:20].hex(), empty)
        match key[20:], value:
            case b"b", int():
                account["balance"] = hex(value)
            case b"n", int():
                account["nonce"] = value
            case b"c", bytes():
                account["code"] = "0x" + value.hex()
            case slot, int() if value:
                account["storage"]["0x" + slot.hex()] = f"0x{value:064x}"
    return accounts


def _parse_accounts(accounts: Any) -> dict[bytes, Value]:
    """Return the values of accounts in anvil's format, by their state keys. Raises: InvalidParams."""
    changes: dict[bytes, Value] = {}
    try:
        for text, account in accounts.items():
            address = Address.parse(text.lower())
            changes[nonce_key(address)] = _number(account["nonce"], 64)
            changes[balance_key(address)] = _number(account["balance"], 256)
            changes[code_key(address)] = bytes.fromhex(account["code"].removeprefix("0x"))
            for slot, word in account["storage"].items():
                changes[slot_key(address, _number(slot, 256))] = _number(word, 256)
    except Exception as error:
        raise unreadable_state("accounts with nonce, balance, code and storage") from error
    return changes


def _number(given: int | str, bits: int) -> int:
    number = int(given, 16) if isinstance(given, str) else int(given)
    if not 0 <= number < 1 << bits:
        raise ValueError("out of range")
    return number


OPERATIONS = tuple(
    operation
    for maker in ("anvil", "hardhat")
    for operation in (
        Operation(f"{maker}_dumpState", NoParams, str, dump_state, positional=True),
        Operation(f"{maker}_loadState", StateText, bool, load_state, positional=True),
    )
)
"""The control methods of dumps."""
