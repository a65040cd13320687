"""Proof of accounts and of their owners by code on a real chain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.devchain.asking import send
from tests.devchain.sample import Actor, key_of
from tests.policies.world import CONTEXT, POLICY, World, open_world
from tests.support.keys import address_of
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.accounts import owners_of
from wallet_rpc.adapters.sponsorship.redis_budgets import Ledger
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import PROXY_CODE, Call, execute_call_data, semi_modular_deployment
from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.authorization import Authorization, add_dummy_signature, designator
from wallet_rpc.domain.contracts import (
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_7702_V1_1,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    SEMI_MODULAR_ACCOUNT_STORAGE_ONLY,
)
from wallet_rpc.domain.policy import PolicyDenialReason, PolicyLimits
from wallet_rpc.domain.user_operation import Factory, UserOperation
from wallet_rpc.errors import PaymasterRejected
from wallet_rpc.primitives import Address, Data

SHOP, STRANGER = Address(b"\x51" * 20), Address(b"\x66" * 20)
OWNER = address_of(key_of(1))
FAKE_ACCOUNT_CODE = bytes.fromhex("73") + OWNER + bytes.fromhex("5f525f60205260405ff3")
"""Runtime code with PUSH20 owner that returns (owner, false) for any call."""


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as opened:
        yield opened


def set_code(world: World, address: Address, code: bytes, implementation: Address | None = None) -> None:
    world.node.rpc("anvil_setCode", address.hex0x(), Data(code).hex0x())
    if implementation is not None:
        word = Data(abi.address(implementation)).hex0x()
        world.node.rpc("anvil_setStorageAt", address.hex0x(), IMPLEMENTATION_SLOT.hex0x(), word)


def operation_at(sender: Address) -> UserOperation:
    """Build an operation of a deployed account."""
    return UserOperation(
        sender=sender,
        nonce=0,
        call_data=execute_call_data(sender, [Call(to=SHOP)]),
        call_gas_limit=0,
        verification_gas_limit=0,
        pre_verification_gas=0,
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
    )


def operation_of_salt(salt: int) -> UserOperation:
    deployment = semi_modular_deployment(OWNER, salt)
    return replace(operation_at(deployment.address), factory=deployment.factory)


async def test_an_undeployed_account_belongs_to_the_owner_in_its_factory_data(world: World) -> None:
    for salt in (0, 1, 2**256 - 1):
        assert await owners_of(world.chain, operation_of_salt(salt)) == (OWNER,)


async def test_a_deployed_account_belongs_to_its_first_owner(world: World) -> None:
    actor = world.actor(1)
    actor.fund()
    signer_update = abi.UPDATE_FALLBACK_SIGNER_DATA + abi.address(STRANGER) + abi.uint(0)
    actor.send([Call(to=actor.address, data=Data(signer_update))])
    current = await world.chain.call(actor.address, abi.GET_FALLBACK_SIGNER_DATA)
    assert Address(current[12:32]) == STRANGER
    assert await owners_of(world.chain, operation_at(actor.address)) == (OWNER,)


async def test_an_upgraded_account_counts_while_its_implementation_is_known(world: World) -> None:
    set_code(world, SHOP, PROXY_CODE + OWNER, SEMI_MODULAR_ACCOUNT_STORAGE_ONLY)
    assert await owners_of(world.chain, operation_at(SHOP)) == (OWNER,)
    for other in (STRANGER, dev_constants.TEST_TOKEN, SEMI_MODULAR_ACCOUNT_7702, Address(bytes(20))):
        set_code(world, SHOP, PROXY_CODE + OWNER, other)
        assert await owners_of(world.chain, operation_at(SHOP)) == ()


async def test_a_proxy_created_without_an_owner_belongs_to_its_signer_and_itself(world: World) -> None:
    set_code(world, SHOP, PROXY_CODE, SEMI_MODULAR_ACCOUNT_BYTECODE)
    assert await owners_of(world.chain, operation_at(SHOP)) == (Address(bytes(20)), SHOP)
    set_code(world, SHOP, PROXY_CODE, SEMI_MODULAR_ACCOUNT_STORAGE_ONLY)  # it has no code on this chain
    assert await owners_of(world.chain, operation_at(SHOP)) == ()


async def test_a_contract_that_responds_like_an_account_is_not_an_account(world: World) -> None:
    set_code(world, SHOP, FAKE_ACCOUNT_CODE)
    answer = await world.chain.call(SHOP, abi.GET_FALLBACK_SIGNER_DATA)
    assert Address(answer[12:32]) == OWNER
    assert await owners_of(world.chain, operation_at(SHOP)) == ()
    for code in (PROXY_CODE + OWNER + b"\0", b"\x5b" + PROXY_CODE + OWNER, PROXY_CODE[:-1] + b"\xf4" + OWNER):
        set_code(world, SHOP, code, SEMI_MODULAR_ACCOUNT_BYTECODE)
        assert await owners_of(world.chain, operation_at(SHOP)) == ()


async def test_a_delegated_externally_owned_account_is_its_own_owner(world: World) -> None:
    for delegate, owners in (
        (SEMI_MODULAR_ACCOUNT_7702, (SHOP,)),
        (SEMI_MODULAR_ACCOUNT_7702_V1_1, (SHOP,)),
        (STRANGER, ()),
    ):
        set_code(world, SHOP, designator(delegate))
        assert await owners_of(world.chain, operation_at(SHOP)) == owners
        set_code(world, SHOP, b"")
        with_authorization = replace(
            operation_at(SHOP), authorization=add_dummy_signature(Authorization(1, delegate, 0))
        )
        assert await owners_of(world.chain, with_authorization) == owners
    assert await owners_of(world.chain, operation_at(SHOP)) == ()


@pytest.mark.parametrize("factory", [STRANGER, None])
async def test_an_account_of_another_factory_has_no_owner(world: World, factory: Address | None) -> None:
    op = operation_of_salt(0)
    assert op.factory is not None
    other = Factory(factory, op.factory.data) if factory is not None else Factory(op.factory.address, Data(b"\1\2\3\4"))
    assert await owners_of(world.chain, replace(op, factory=other)) == ()
    assert await owners_of(world.chain, replace(op, sender=STRANGER)) == ()


async def test_a_contract_that_is_not_an_account_is_not_sponsored(world: World) -> None:
    world.policies[POLICY.id] = replace(POLICY, allowed_targets=frozenset({SHOP}))
    set_code(world, STRANGER, FAKE_ACCOUNT_CODE)
    with pytest.raises(PaymasterRejected) as error_info:
        await world.paymaster.sponsor(operation_at(STRANGER), CONTEXT)
    assert error_info.value.reason == PolicyDenialReason.ACCOUNT
    assert str(STRANGER) in error_info.value.message
    assert await world.totals() == (0, 0)


async def test_accounts_of_one_owner_share_a_senders_limits(world: World) -> None:
    """Of eight salts and the owner's own address only one is sponsored."""
    world.policies[POLICY.id] = replace(POLICY, limits=PolicyLimits(sender_operations=1))
    operations = [operation_of_salt(salt) for salt in range(8)]
    operations.append(Actor(world.node, key_of(1), is_delegated=True).operation([]))
    answers: list[Any] = []
    for op in operations:
        try:
            answers.append((await world.paymaster.sponsor(op, CONTEXT)).paymaster)
        except PaymasterRejected as error:
            answers.append(error.reason)
    assert answers == [dev_constants.PAYMASTER] + [PolicyDenialReason.SENDER_OPERATIONS] * 8
    assert (await world.store.budgets.read_totals(Ledger(POLICY.id), OWNER))[1] == 1


async def test_an_owner_with_a_settled_operation_is_no_longer_new(world: World) -> None:
    world.policies[POLICY.id] = replace(POLICY, limits=PolicyLimits(total_operations=8))
    send(world.node, await world.sponsor_operation(world.actor(1)))
    world.pass_time(POLICY.sponsorship_seconds + 1)
    for number in (2, 3):
        await world.sponsor_operation(world.actor(number))
    assert await world.is_rejected(world.actor(4))
    await world.sponsor_operation(world.actor(1))
