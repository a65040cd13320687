"""Tests of account addresses, deployments and execute call data."""

from __future__ import annotations

from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import ACCOUNT, addresses, blobs, uint32, uint256
from wallet_rpc import wire
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import (
    Call,
    delegate_of,
    designator,
    execute_batch_call_data,
    execute_call_data,
    modular_address,
    semi_modular_address,
    semi_modular_deployment,
    webauthn_address,
    wrap_execute_user_op,
)
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data

calls = st.builds(lambda to, value, data: Call(to=to, value=value, data=data), addresses, uint256, blobs)
BATCH = "(address,uint256,bytes)[]"


def plain(call: Call) -> tuple[str, int, bytes]:
    return "0x" + call.to.hex(), call.value, bytes(call.data)


def test_the_address_of_a_deployed_account_is_the_predicted_one() -> None:
    """Source: the SemiModularAccountDeployed log in the hosted Wallet API's getCallsStatus example."""
    owner = Address.parse("0x3f3503E682bf27330f9E5065043D47207E609e7D")
    assert semi_modular_address(owner) == Address.parse("0xF13223CcA0aE9786dD91DFFE1F4e834C71CCdC2d")


@given(addresses, uint256, uint32)
def test_owner_salt_and_entity_id_each_change_the_address(owner: Address, salt: int, entity_id: int) -> None:
    other = salt ^ 1
    assert semi_modular_address(owner, salt) != semi_modular_address(owner, other)
    assert modular_address(owner, salt, entity_id) != modular_address(owner, salt, entity_id ^ 1)
    assert webauthn_address(salt, other, salt=salt) != webauthn_address(other, salt, salt=salt)
    assert webauthn_address(salt, other, entity_id=entity_id) != webauthn_address(salt, other, entity_id=entity_id ^ 1)


@given(addresses, uint256)
def test_a_factory_call_holds_the_owner_and_the_salt(owner: Address, salt: int) -> None:
    data = semi_modular_deployment(owner, salt).factory.data
    assert decode(("address", "uint256"), data[4:]) == ("0x" + owner.hex(), salt)


@given(calls)
def test_one_call_is_an_execute(call: Call) -> None:
    data = execute_call_data(ACCOUNT, [call])
    assert data[:4] == abi.EXECUTE
    assert decode(("address", "uint256", "bytes"), data[4:]) == plain(call)


@given(st.lists(calls, max_size=4))
def test_a_batch_holds_every_call(calls_made: list[Call]) -> None:
    data = execute_batch_call_data(calls_made)
    assert data[:4] == abi.EXECUTE_BATCH
    assert decode((BATCH,), data[4:]) == (tuple(map(plain, calls_made)),)
    if len(calls_made) != 1:
        assert execute_call_data(ACCOUNT, calls_made) == data


def test_a_call_to_the_account_itself_is_its_data() -> None:
    assert execute_call_data(ACCOUNT, [Call(to=ACCOUNT, value=7, data=Data(b"\x01\x02"))]) == b"\x01\x02"


@given(blobs)
def test_the_wrap_is_a_bare_prefix(data: Data) -> None:
    assert wrap_execute_user_op(data) == bytes.fromhex("8dd7712f") + data


@given(calls)
def test_a_call_comes_back_from_the_wire(call: Call) -> None:
    assert wire.decode(Call, wire.encode(Call, call)) == call


def test_a_call_may_leave_value_and_data_out_and_is_written_in_full() -> None:
    call = wire.decode(Call, {"to": "0x" + "ab" * 20})
    assert call == Call(to=Address(b"\xab" * 20))
    assert wire.encode(Call, call) == {"to": Address(b"\xab" * 20).hex0x(), "value": "0x0", "data": "0x"}


@given(addresses.filter(lambda it: it != ZERO_ADDRESS))
def test_a_designator_names_its_implementation(implementation: Address) -> None:
    assert delegate_of(designator(implementation)) == implementation
    assert len(designator(implementation)) == 23


def test_other_code_delegates_to_nothing() -> None:
    assert designator(ZERO_ADDRESS) == b""
    assert delegate_of(b"") is None
    assert delegate_of(b"\xef\x01\x01" + bytes(20)) is None
    assert delegate_of(b"\xef\x01\x00" + bytes(21)) is None
