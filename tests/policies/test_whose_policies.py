"""Whose a policy is: to callers of other organisations it is as unknown as any, also where somebody else pays."""

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
    """A paymaster that sponsors whatever it is asked, and remembers the names."""

    named: list[Any] = field(default_factory=list)

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        self.named.append(context.get("policyId"))
        return Sponsorship(paymaster=dev_constants.ERC20_PAYMASTER, data=b"")

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        return await self.stub(operation, context)

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Nothing."""


@pytest.fixture
async def world(store: RedisStore) -> AsyncIterator[World]:
    async with open_world(store) as made:
        yield made


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
    """What a caller sees of both questions; a refusal without the part of the name that it repeats."""
    seen: list[Any] = []
    for ask in (paymaster.stub, paymaster.sponsor):
        try:
            seen.append((await ask(operation, {"policyId": name})).paymaster)
        except PaymasterRejected as refusal:
            seen.append((refusal.code, refusal.message.replace(name[:24], ""), refusal.data))
    return tuple(seen)


@given(organizations, organizations)
@MANY
async def test_a_policy_is_unknown_to_all_but_its_own(
    world: World, operation: UserOperation, owner: str | None, caller: str | None
) -> None:
    policy = Policy(id=uuid.uuid4(), organization=owner)
    world.policies[policy.id] = policy
    for otherwise in (None, OtherPaymaster()):
        paymaster = paymaster_for(world, caller, fallback=otherwise)
        found = await outcome(paymaster, operation, str(policy.id))
        unknown = await outcome(paymaster, operation, str(uuid.uuid4()))
        assert unknown != (dev_constants.PAYMASTER,) * 2
        assert found == ((dev_constants.PAYMASTER,) * 2 if owner in {None, caller} else unknown)


async def test_nobody_belongs_to_an_organisation_unless_the_server_says_so(world: World) -> None:
    assert world.sponsor.caller().organization == OPEN_ORGANIZATION


@pytest.mark.parametrize(
    "spelled",
    [str(POLICY.id), str(POLICY.id).upper(), POLICY.id.hex, f"{{{POLICY.id}}}", f"urn:uuid:{POLICY.id}"],
)
async def test_whose_it_is_not_reaches_no_other_paymaster_by_its_name(
    world: World, operation: UserOperation, spelled: str
) -> None:
    """The service may know the policy by the same name, and would pay without limits."""
    world.policies[POLICY.id] = replace(POLICY, organization=THEIRS)
    elsewhere = OtherPaymaster()
    await outcome(paymaster_for(world, OTHERS, fallback=elsewhere), operation, spelled)
    (first, second) = elsewhere.named
    assert first == second
    assert uuid.UUID(first).version == 4
    assert uuid.UUID(first) != POLICY.id


@pytest.mark.parametrize("spelled", ["sp_x", " SP_X ", "\tsp_x"])
async def test_the_services_own_name_of_a_policy_is_no_way_around_it(
    world: World, operation: UserOperation, spelled: str
) -> None:
    world.policies[POLICY.id] = replace(
        POLICY, service=PaymasterServiceOptions(context={"policy": "sp_x", "test": True})
    )
    elsewhere = OtherPaymaster()
    await outcome(paymaster_for(world, None, fallback=elsewhere), operation, spelled)
    assert not {"sp_x", spelled} & set(elsewhere.named)


@pytest.mark.parametrize("context", [{"policyId": "sp_y"}, {"policyId": 5}, {}])
async def test_what_no_policy_is_named_by_is_handed_on_as_it_is(
    world: World, operation: UserOperation, context: dict[str, Any]
) -> None:
    elsewhere = OtherPaymaster()
    await paymaster_for(world, None, fallback=elsewhere).stub(operation, context)
    assert elsewhere.named == [context.get("policyId")]


async def test_a_policy_of_its_own_organisation_is_counted_like_any(world: World, operation: UserOperation) -> None:
    world.policies[POLICY.id] = replace(POLICY, organization=THEIRS)
    await paymaster_for(world, THEIRS).sponsor(operation, CONTEXT)
    assert (await world.totals())[1] == 1


def claims_for(wallet: Wallet) -> Claims:
    scopes, key = (Scope.TRANSACTIONS_BUILD,), KeyId("key_1")
    at = {"issued_at": 0, "expires_at": 9}
    return Claims(id="ab", wallet=wallet, scopes=scopes, key=key, organization=OPEN_ORGANIZATION, **at)


def sponsor_for(world: World, caller: Caller) -> Sponsor:
    return replace(world.sponsor, caller=lambda: caller)


async def test_a_sponsorship_counts_against_who_asks_for_it(world: World) -> None:
    owner, other = Address(b"\x0a" * 20), Address(b"\x0b" * 20)
    evm = {name: Wallet(namespace=WalletNamespace.EVM, address=str(name)) for name in (owner, other)}
    solana = Wallet(namespace=WalletNamespace.SOLANA, address="DRpbCBMxVnDK7maPM5tGv6MvB3v1sRMC86PZ8okm21hy")
    for token, owners in ((None, (owner,)), (evm[owner], (owner,)), (evm[other], (owner, other)), (solana, (owner,))):
        asking = Caller(name="1.2.3.4", token=None if token is None else claims_for(token))
        parties = sponsor_for(world, asking).parties((owner,))
        assert parties == Parties(owners=owners, key="1.2.3.4", token=None if token is None else "ab")


async def test_a_tokens_wallet_is_a_sender_whatever_account_asks(world: World) -> None:
    wallet = Wallet(namespace=WalletNamespace.EVM, address=str(Address(b"\x0b" * 20)))
    asking = Caller(name="tests", token=claims_for(wallet))
    world.policies[POLICY.id] = replace(POLICY, limits=PolicyLimits(sender_operations=1))
    outcomes = world.sponsor.outcomes[CHAIN]
    sponsor = sponsor_for(world, asking)
    paymaster = PolicyPaymaster(sponsor, outcomes, chain=world.chain, chain_id=CHAIN, backing=OURS)
    await paymaster.sponsor(world.actor(1).operation([]), CONTEXT)
    with pytest.raises(PaymasterRejected) as error_info:
        await paymaster.sponsor(world.actor(2).operation([]), CONTEXT)
    assert error_info.value.reason == "policy_sender_count"
