"""A signer's default account on a server that accepts callers without a key: other callers cannot change it."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.access.callers import a_key, by_token, ports_of
from tests.support.api_keys import caller_of
from wallet_rpc import wire
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OPEN_ORGANIZATION, Caller, Scope
from wallet_rpc.domain.account import semi_modular_address
from wallet_rpc.operations import request_account
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.account_facts import record_delegated_account

Json = dict[str, Any]
ANONYMOUS = Caller(name="192.0.2.1")
STRANGER = Caller(name="192.0.2.2")
hints = st.fixed_dictionaries(
    {},
    optional={
        "accountType": st.sampled_from(["sma-b", "7702"]),
        "salt": st.sampled_from(["0x0", "0x1", "0x7", hex(2**256 - 1)]),
        "createAdditional": st.just(True),
    },
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "creationHint": hints,
        "id": st.uuids(version=4).map(str),
        "includeCounterfactualInfo": st.booleans(),
    },
)


def new_signer() -> Address:
    return Address(secrets.token_bytes(20))


async def request_default(ports: Ports, signer: Address, **more: Any) -> Json:
    request = wire.decode(request_account.RequestAccount, {"signerAddress": signer.hex0x(), **more})
    answer: Json = wire.encode(request_account.RequestedAccount, await request_account.run(ports, request))
    return answer


async def default(ports: Ports, signer: Address) -> str:
    """Request the account of a signer without a hint, and check that an empty hint returns the same account."""
    account = await request_default(ports, signer)
    assert await request_default(ports, signer, creationHint={}) == account
    return str(account["accountAddress"])


@settings(max_examples=40)
@given(strange=st.lists(requests, min_size=1, max_size=6), own=st.lists(requests, max_size=2))
async def test_no_request_of_a_stranger_changes_which_account_a_signer_gets(
    redis_server: RedisServer, strange: list[Json], own: list[Json]
) -> None:
    signer = new_signer()
    async with RedisStore.open(redis_server.url, prefix=f"test-{uuid.uuid4().hex}") as store:
        victim, stranger = ports_of(store, ANONYMOUS), ports_of(store, STRANGER)
        for request in own:
            await request_default(victim, signer, **request)
        for request in strange:
            await request_default(stranger, signer, **request)

        assert await default(victim, signer) == semi_modular_address(signer).hex0x()
        kinds = {"sma-b": semi_modular_address(signer), "7702": signer}
        for kind, address in kinds.items():
            by_kind = await request_default(victim, signer, creationHint={"accountType": kind})
            assert by_kind["accountAddress"] == address.hex0x()
        salted = [await request_default(victim, signer, creationHint={"salt": hex(salt)}) for salt in (0, 1, 7, 8)]
        for salt, account in zip((0, 1, 7, 8), salted, strict=True):
            assert account["accountAddress"] == semi_modular_address(signer, salt).hex0x()
        account_id = salted[-1]["id"]
        before = [await request_default(victim, signer), await request_default(victim, signer, id=account_id)]
        for request in strange:
            await request_default(stranger, signer, **request)
        assert [await request_default(victim, signer), await request_default(victim, signer, id=account_id)] == before


async def test_a_delegation_that_the_signer_sent_makes_it_the_default(store: RedisStore) -> None:
    signer = new_signer()
    ports = ports_of(store, ANONYMOUS)
    await request_default(ports, signer, creationHint={"salt": "0x5"})

    await record_delegated_account(ports, signer)
    await record_delegated_account(ports, signer)

    assert await default(ports, signer) == signer.hex0x()
    contract = await request_default(ports, signer, creationHint={"accountType": "sma-b"})
    assert contract["accountAddress"] == semi_modular_address(signer).hex0x()
    assert (await store.accounts.find_by_signer(signer)).count == 3


@pytest.mark.parametrize("hint", [{"accountType": "7702"}, {"salt": "0x5"}])
async def test_the_holder_of_a_key_or_token_of_the_open_organization_chooses_the_default(
    store: RedisStore, hint: Json
) -> None:
    for holder in (
        caller_of(a_key(organization=OPEN_ORGANIZATION)),
        by_token(*Scope, key=a_key(organization=OPEN_ORGANIZATION)),
    ):
        signer = new_signer()
        anonymous_ports, holder_ports = ports_of(store, ANONYMOUS), ports_of(store, holder)
        await request_default(anonymous_ports, signer, creationHint={"salt": "0x9"})
        await request_default(anonymous_ports, signer, creationHint=hint)
        assert await default(anonymous_ports, signer) == semi_modular_address(signer).hex0x()

        chosen = await request_default(holder_ports, signer, creationHint=hint)
        await request_default(holder_ports, signer, creationHint={"salt": "0xa"})

        assert await default(anonymous_ports, signer) == chosen["accountAddress"]
        assert await default(holder_ports, signer) == chosen["accountAddress"]


@pytest.mark.parametrize("hint", [{"accountType": "7702"}, {"salt": "0x5"}])
async def test_the_first_account_that_an_organization_records_is_its_default(store: RedisStore, hint: Json) -> None:
    signer, ours, theirs = new_signer(), caller_of(a_key()), caller_of(a_key(organization="org_theirs"))
    first = await request_default(ports_of(store, ours), signer, creationHint=hint)
    await request_default(ports_of(store, ours), signer, creationHint={"salt": "0x6"})

    assert await default(ports_of(store, ours), signer) == first["accountAddress"]
    for other in (ANONYMOUS, theirs):
        assert await default(ports_of(store, other), signer) == semi_modular_address(signer).hex0x()


async def test_an_undeployed_contract_is_found_at_its_address_after_another_callers_request_for_that_address(
    store: RedisStore,
) -> None:
    signer = new_signer()
    ports = ports_of(store, ANONYMOUS)
    address = semi_modular_address(signer)
    external = await request_default(ports_of(store, STRANGER), address, creationHint={"accountType": "7702"})
    assert external["accountAddress"] == address.hex0x()

    contract = await request_default(ports, signer)

    assert contract["accountAddress"] == address.hex0x()
    record = await store.accounts.find_by_address(address)
    assert record is not None
    assert (record.signer, str(record.id)) == (signer, contract["id"])
