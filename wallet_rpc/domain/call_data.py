"""A decoder of account call data into the calls of a user operation.

It inverts `account.execute_call_data`. Source: IModularAccount (Modular Account v2); ERC-4337 IAccountExecute.
"""

from __future__ import annotations

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi_reader import AbiDecodeError, Reader
from wallet_rpc.domain.account import Call
from wallet_rpc.primitives import Address, Data


def decode_calls(account: Address, call_data: bytes) -> tuple[Call, ...] | None:
    """Decode the calls in `call_data`, with or without the executeUserOp prefix.

    Call data of any function other than execute and executeBatch is one call of the account to itself. The result is
    None when the arguments cannot be decoded, when the calls of a batch overlap, or when there is no selector.
    """
    body = call_data[4:] if call_data[:4] == abi.EXECUTE_USER_OP else call_data
    if len(body) < 4:
        return None
    try:
        match body[:4]:
            case abi.EXECUTE:
                return (_call(Reader(body[4:]), 0),)
            case abi.EXECUTE_BATCH:
                return _batch(Reader(body[4:]))
            case _:
                return (Call(to=account, value=0, data=Data(body)),)
    except AbiDecodeError:
        return None


def _call(reader: Reader, at: int) -> Call:
    """Decode the tuple (address, uint256, bytes) whose head starts at byte `at`."""
    to = reader.address(at)
    value = reader.word(at + 32)
    data = reader.blob(at + reader.word(at + 64))
    return Call(to=to, value=value, data=data)


def _batch(reader: Reader) -> tuple[Call, ...]:
    """Decode an array of tuples. Raises: AbiDecodeError, also when they overlap and together exceed the data."""
    start = reader.word(0)
    return tuple(_call(reader, start + 32 + reader.word(at)) for at in reader.items(start))
