"""CALL, CALLCODE, DELEGATECALL and STATICCALL, at Prague's prices (EIP-150, EIP-161, EIP-2929, EIP-7702).

They do as py-evm's instructions do, but without its validation of every value, and without reading the receiver's
account where no value is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from eth.abc import MessageAPI
from eth.constants import STACK_DEPTH_LIMIT
from eth.exceptions import WriteProtection
from eth.vm import opcode_values as opcode
from eth_typing import Address

from wallet_rpc.devchain.instructions import Frame

_COLD_GAS, _WARM_GAS = 2_600, 100
_VALUE_GAS, _NEW_ACCOUNT_GAS, _STIPEND = 9_000, 25_000, 2_300
_LOW_160 = (1 << 160) - 1
_DELEGATION_PREFIX, _DELEGATION_SIZE = b"\xef\x01\x00", 23


@dataclass(slots=True, kw_only=True)
class ChildMessage:
    """A call from code to an account: the attributes of py-evm's `Message`. What the caller charges for comes last."""

    gas: int
    to: Address
    sender: Address
    value: int
    code_address: Address
    should_transfer_value: bool = True
    is_static: bool
    depth: int
    data: bytes = b""
    code: bytes = b""
    is_delegation: bool = False
    refund: int = 0
    is_create: bool = False

    @property
    def storage_address(self) -> Address:
        """The account whose storage and balance the code uses."""
        return self.to

    @property
    def data_as_bytes(self) -> bytes:
        """The call data."""
        return self.data


def _call(frame: Frame) -> None:
    gas, to, value, message = _pop(frame), _pop_address(frame), _pop(frame), frame.msg
    if value and message.is_static:
        raise WriteProtection("Cannot modify state while inside of a STATICCALL context")
    child = ChildMessage(
        gas=gas,
        to=to,
        sender=message.storage_address,
        value=value,
        code_address=to,
        is_static=message.is_static,
        depth=message.depth + 1,
    )
    _run_call(frame, child)


def _callcode(frame: Frame) -> None:
    gas, code_address, value, message = _pop(frame), _pop_address(frame), _pop(frame), frame.msg
    child = ChildMessage(
        gas=gas,
        to=message.storage_address,
        sender=message.storage_address,
        value=value,
        code_address=code_address,
        is_static=message.is_static,
        depth=message.depth + 1,
    )
    _run_call(frame, child)


def _delegatecall(frame: Frame) -> None:
    gas, code_address, message = _pop(frame), _pop_address(frame), frame.msg
    child = ChildMessage(
        gas=gas,
        to=message.storage_address,
        sender=message.sender,
        value=message.value,
        code_address=code_address,
        should_transfer_value=False,
        is_static=message.is_static,
        depth=message.depth + 1,
    )
    _run_call(frame, child)


def _staticcall(frame: Frame) -> None:
    gas, to, message = _pop(frame), _pop_address(frame), frame.msg
    child = ChildMessage(
        gas=gas,
        to=to,
        sender=message.storage_address,
        value=0,
        code_address=to,
        should_transfer_value=False,
        is_static=True,
        depth=message.depth + 1,
    )
    _run_call(frame, child)


CALL_INSTRUCTIONS = {
    opcode.CALL: _call,
    opcode.CALLCODE: _callcode,
    opcode.DELEGATECALL: _delegatecall,
    opcode.STATICCALL: _staticcall,
}
"""The calls by opcode. Each gets the frame (`Computation`), and has no static gas."""


def _run_call(frame: Frame, message: ChildMessage) -> None:
    """Take the places of input and output from the stack, charge, run the call, and push 1 for success or 0."""
    data_at, data_size, output_at, output_size = _pop(frame), _pop(frame), _pop(frame), _pop(frame)
    frame.extend_memory(data_at, data_size)
    frame.extend_memory(output_at, output_size)
    message.data = bytes(frame.memory[data_at : data_at + data_size])
    _load_code(frame, message)
    sent = message.value if message.should_transfer_value else 0
    message.gas = _charge_gas(frame, message.gas, sent, receiver=message.to)
    if message.depth > STACK_DEPTH_LIMIT or (sent and frame.state.get_balance(frame.msg.storage_address) < sent):
        frame.record_failed_call(message)
        frame.return_data = b""
        frame.return_gas(message.gas)
        frame._stack.values.append(0)
        return
    child: Any = frame.apply_child_computation(cast("MessageAPI", message))
    frame._stack.values.append(1 if child.is_success else 0)
    output = child.output[:output_size]
    frame.memory[output_at : output_at + len(output)] = output
    frame.return_gas(child.get_gas_remaining())


def _load_code(frame: Frame, message: ChildMessage) -> None:
    """Charge for the account with the code, and for its delegation if it has one, and set the message's code."""
    _charge_account(frame, message.code_address)
    message.code = frame.state.get_code(message.code_address)
    if len(message.code) == _DELEGATION_SIZE and message.code.startswith(_DELEGATION_PREFIX):
        message.code_address, message.is_delegation = Address(message.code[3:]), True
        _charge_account(frame, message.code_address)
        message.code = frame.state.get_code(message.code_address)


def _charge_account(frame: Frame, address: Address) -> None:
    is_warm = frame.state.is_address_warm(address)
    if not is_warm:
        frame.state.mark_address_warm(address)
    frame.consume_gas(_WARM_GAS if is_warm else _COLD_GAS, "call")


def _charge_gas(frame: Frame, gas: int, sent: int, *, receiver: Address) -> int:
    """Charge for the call and the gas that it passes on, at most 63/64 of what remains; return the callee's gas."""
    price = _VALUE_GAS if sent else 0
    if sent and frame.state.account_is_empty(receiver):
        price += _NEW_ACCOUNT_GAS
    free = frame._gas_meter.gas_remaining - price
    gas = min(gas, free - free // 64)
    frame.consume_gas(price + gas, "call")  # fails if `free` is negative: then the sum is above what remains
    return gas + _STIPEND if sent else gas


def _pop(frame: Frame) -> int:
    """Take a value from the stack. Raises: InsufficientStack."""
    value: int = frame._stack.pop1_any()
    return value


def _pop_address(frame: Frame) -> Address:
    return Address((_pop(frame) & _LOW_160).to_bytes(20))
