"""Reading account call data back: which calls a user operation makes.

The inverse of `account.execute_call_data`. Read as Solidity reads it, padding after the last byte not needed, by a
reader of our own: an ABI library copies what many offsets share, so that one request could ask for gigabytes.
Source: IModularAccount (Modular Account v2); ERC-4337 IAccountExecute; Solidity contract ABI specification.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call
from wallet_rpc.primitives import Address, Data


def calls_of(account: Address, call_data: bytes) -> tuple[Call, ...] | None:
    """The calls in `call_data`, an executeUserOp prefix looked through.

    Call data of neither execute nor executeBatch is one call of the account to itself. None when the arguments cannot
    be read, when the calls of a batch share their bytes, or when there is no selector.
    """
    body = call_data[4:] if call_data[:4] == abi.EXECUTE_USER_OP else call_data
    if len(body) < 4:
        return None
    try:
        match body[:4]:
            case abi.EXECUTE:
                return (_call(body[4:], 0),)
            case abi.EXECUTE_BATCH:
                return _batch(body[4:])
            case _:
                return (Call(to=account, value=0, data=Data(body)),)
    except _Unreadable:
        return None


class _Unreadable(Exception):
    """The arguments end early, or a word is no address."""


def _word(data: bytes, at: int) -> int:
    word = data[at : at + 32]
    if len(word) < 32:
        raise _Unreadable
    return int.from_bytes(word, "big")


def _call(data: bytes, at: int) -> Call:
    """The tuple (address, uint256, bytes) whose head starts at byte `at`."""
    to, value, body = _word(data, at), _word(data, at + 32), at + _word(data, at + 64)
    size = _word(data, body)
    if to >> 160 or size > len(data) - body - 32:
        raise _Unreadable
    return Call(to=Address(to.to_bytes(20, "big")), value=value, data=Data(data[body + 32 : body + 32 + size]))


def _batch(data: bytes) -> tuple[Call, ...]:
    """The tuples of an array; refused when they share so many bytes that together they are longer than `data`."""
    start = _word(data, 0)
    first, room, calls = start + 32, len(data), []
    for position in range(_word(data, start)):
        calls.append(_call(data, first + _word(data, first + 32 * position)))
        room -= 128 + len(calls[-1].data)  # three words of the head, and the length
        if room < 0:
            raise _Unreadable
    return tuple(calls)
