"""Policies of an organisation: for callers of others they are unknown, also with a fallback paymaster."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies.world import CHAIN, CONTEXT, OURS, POLICY, World, open_world
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.paymaster import PolicyPaymaster, Sponsor
from wallet_rpc.devchain import dev_constants
from wallet_rpc.domain.access import (
    OPEN_ORGANIZATION,
    Caller,
    Claims,
    KeyId,
    OrganizationId,
    Scope,
    Wallet,
    WalletNamespace,
)
from wallet_rpc.domain.policy import PaymasterServiceOptions, Policy, PolicyLimits
from wallet_rpc.domain.policy_limits import Parties
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import PaymasterRejected
from wallet_rpc.ports import Sponsorship
from wallet_rpc.primitives import Address, Hash32

THEIRS, OTHERS = "org_0000000000000000aaaa", "org_0000000000000000bbbb"
organizations = st.sampled_from([None, THEIRS, OTHERS])
MANY = settings(max_examples=40)


@dataclass
class OtherPaymaster:
    """Paymaster that sponsors every operation and records the policy ids."""

    policy_ids: list[Any] = field(default_factory=list)

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        self.policy_ids.append(context.get("policyId"))
        return Sponsorship(paymaster=dev_constants.ERC20_PAYMASTER, data=b"")

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        return await self.stub(operation, context)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Do nothing."""


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as opened:
        yield opened


@pytest.fixture
def operation(world: World) -> UserOperation:
    return world.actor(1).operation([])


def paymaster_for(world: World, organization: str | None, *, fallback: OtherPaymaster | None = None) -> PolicyPaymaster:
    sponsor = replace(
        world.sponsor,
        caller=lambda: Caller(name="tests", organization=OrganizationId(organization or OPEN_ORGANIZATION)),
    )
    outcomes = world.sponsor.outcomes[CHAIN]
    return PolicyPaymaster(sponsor, outcomes, chain=world.chain, chain_id=CHAIN, backing=OURS, fallback=fallback)


async def outcome(paymaster: PolicyPaymaster, operation: UserOperation, name: str) -> tuple[Any, ...]:
    """Return the paymasters or errors that a caller gets for a policy; errors without the policy's name."""
    results: list[Any] = []
    for call in (paymaster.stub, paymaster.sponsor):
        try:
            results.append((await call(operation, {"policyId": name})).paymaster)
        except PaymasterRejected as error:
            results.append((error.code, error.message.replace(name, ""), error.data))
    return tuple(results)


@given(organizations, organizations)
@MANY
async def test_a_policy_is_unknown_to_other_organisations(
    world: World, operation: UserOperation, owner: str | None, caller: str | None
) -> None:
    policy = Policy(id=uuid.uuid4(), organization=owner)
    world.policies[policy.id] = policy
    for fallback in (None, OtherPaymaster()):
        paymaster = paymaster_for(world, caller, fallback=fallback)
        found = await outcome(paymaster, operation, str(policy.id))
        unknown = await outcome(paymaster, operation, str(uuid.uuid4()))
        assert unknown != (dev_constants.PAYMASTER,) * 2
        assert found == ((dev_constants.PAYMASTER,) * 2 if owner in {None, caller} else unknown)


async def test_the_default_caller_is_of_the_open_organisation(world: World) -> None:
    assert world.sponsor.caller().organization == OPEN_ORGANIZATION


@pytest.mark.parametrize(
    "written",
    [str(POLICY.id), str(POLICY.id).upper(), POLICY.id.hex, f"{{{POLICY.id}}}", f"urn:uuid:{POLICY.id}"],
)
async def test_another_organisations_policy_id_does_not_reach_the_fallback(
    world: World, operation: UserOperation, written: str
) -> None:
    """The fallback may have a policy with the same id, and would sponsor without limits."""
    world.policies[POLICY.id] = replace(POLICY, organization=THEIRS)
    fallback = OtherPaymaster()
    await outcome(paymaster_for(world, OTHERS, fallback=fallback), operation, written)
    (first, second) = fallback.policy_ids
    assert first == second
    assert uuid.UUID(first).version == 4
    assert uuid.UUID(first) != POLICY.id


@pytest.mark.parametrize("written", ["sp_x", " SP_X ", "\tsp_x"])
async def test_the_services_own_name_of_a_policy_does_not_reach_the_fallback(
    world: World, operation: UserOperation, written: str
) -> None:
    world.policies[POLICY.id] = replace(
        POLICY, service=PaymasterServiceOptions(context={"policy": "sp_x", "test": True})
    )
    fallback = OtherPaymaster()
    await outcome(paymaster_for(world, None, fallback=fallback), operation, written)
    assert not {"sp_x", written} & set(fallback.policy_ids)


@pytest.mark.parametrize("context", [{"policyId": "sp_y"}, {"policyId": 5}, {}])
async def test_an_id_of_no_configured_policy_is_forwarded_unchanged(
    world: World, operation: UserOperation, context: dict[str, Any]
) -> None:
    fallback = OtherPaymaster()
    await paymaster_for(world, None, fallback=fallback).stub(operation, context)
    assert fallback.policy_ids == [context.get("policyId")]


async def test_a_policy_of_the_callers_organisation_is_counted(world: World, operation: UserOperation) -> None:
    world.policies[POLICY.id] = replace(POLICY, organization=THEIRS)
    await paymaster_for(world, THEIRS).sponsor(operation, CONTEXT)
    assert (await world.totals())[1] == 1


def claims_for(wallet: Wallet) -> Claims:
    return Claims(
        id="ab",
        wallet=wallet,
        scopes=(Scope.TRANSACTIONS_BUILD,),
        key=KeyId("key_1"),
        organization=OPEN_ORGANIZATION,
        issued_at=0,
        expires_at=9,
    )


def sponsor_for(world: World, caller: Caller) -> Sponsor:
    return replace(world.sponsor, caller=lambda: caller)


async def test_a_sponsorship_counts_against_its_caller(world: World) -> None:
    owner, other = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
    evm = {name: Wallet(namespace=WalletNamespace.EVM, address=str(name)) for name in (owner, other)}
    solana = Wallet(namespace=WalletNamespace.SOLANA, address="DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy")
    for token, owners in ((None, (owner,)), (evm[owner], (owner,)), (evm[other], (owner, other)), (solana, (owner,))):
        caller = Caller(name="1.2.3.4", token=None if token is None else claims_for(token))
        parties = sponsor_for(world, caller).parties((owner,))
        assert parties == Parties(owners=owners, key="1.2.3.4", token=None if token is None else "ab")


async def test_a_tokens_wallet_counts_as_a_sender_for_every_account(world: World) -> None:
    wallet = Wallet(namespace=WalletNamespace.EVM, address=str(Address(b"\x0b" * 20)))
    caller = Caller(name="tests", token=claims_for(wallet))
    world.policies[POLICY.id] = replace(POLICY, limits=PolicyLimits(sender_operations=1))
    outcomes = world.sponsor.outcomes[CHAIN]
    sponsor = sponsor_for(world, caller)
    paymaster = PolicyPaymaster(sponsor, outcomes, chain=world.chain, chain_id=CHAIN, backing=OURS)
    await paymaster.sponsor(world.actor(1).operation([]), CONTEXT)
    with pytest.raises(PaymasterRejected) as error_info:
        await paymaster.sponsor(world.actor(2).operation([]), CONTEXT)
    assert error_info.value.reason == "policy_sender_count"
