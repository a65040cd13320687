"""Rejected registrations: every reason, reported for every invalid field, without anything stored."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.org_sessions.invalid_requests import INVALID, SECRET, installs, mirror_signature, pack, with_v
from tests.org_sessions.org_client import CREATE, GET, LIST, REVOKE, OrgClient, OrgWallet
from tests.support.constants import CHAINS, FRIEND
from tests.support.registration import timestamp_in
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned, short_id
from wallet_rpc.domain.signature import WrappedSignature, wrap_erc6492
from wallet_rpc.errors import InvalidParams, WalletError
from wallet_rpc.primitives import Address, Data

RUNTIMES = Path(__file__).parents[2] / "specs" / "scenarios" / "12-signatures.json"
SWEEP = settings(max_examples=60)


def details(error: WalletError) -> dict[str, str]:
    assert isinstance(error, InvalidParams), error
    return {detail["field"]: detail["message"] for detail in error.data["details"]}


async def is_nothing_stored(wallet: OrgWallet) -> bool:
    """Return True if no part of a registration is stored and the sessions can still be registered."""
    client = wallet.client
    groups = [await client.ports.store.groups.find_by_session(each.record_id) for each in wallet.grants]
    sessions = client.ports.store.sessions
    account = Address.parse(wallet.account)
    ends = [await sessions.get_expiry(account, each.chain, each.entity_id) for each in wallet.grants]
    items = (await client.ask(LIST))["items"]
    return not items and {*groups, *ends} == {None} and bool(await wallet.register())


@pytest.mark.parametrize("name", INVALID)
async def test_an_invalid_registration_names_its_fields_and_stores_nothing(wallet: OrgWallet, name: str) -> None:
    change, reason, fields = INVALID[name]
    body = wallet.body()
    change(body)

    error = await wallet.client.refusal(CREATE, **body)

    assert error.reason == reason
    assert set(details(error)) == fields
    assert await is_nothing_stored(wallet)


async def test_every_invalid_install_is_named_and_a_private_key_takes_precedence(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(chains=CHAINS)
    body = wallet.body()
    installs(body)[0]["serialized"] = mirror_signature(installs(body)[0]["serialized"])
    installs(body)[1]["serialized"] = pack({"a": {"privateKey": SECRET}})

    error = await client.refusal(CREATE, **body)

    assert error.reason == "grant_has_private_key"
    assert set(details(error)) == {"installs[0].serialized", "installs[1].serialized"}
    body["walletId"] = "unknown"
    assert set(details(await client.refusal(CREATE, **body))) == {"installs[1].serialized"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda body: body.update(expiresAt=timestamp_in(-1)), "expiresAt"),
        (lambda body: installs(body)[0].update(chainId=1), "installs[0].chainId"),
        (lambda body: installs(body)[1].update(chainId=CHAINS[0]), "installs[1].chainId"),
    ],
    ids=["the past", "another chain", "one chain twice"],
)
async def test_a_private_key_takes_precedence_over_other_errors_of_the_body(
    wallet: OrgWallet, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    body = wallet.body()
    installs(body)[0].update(serialized=pack({"a": {"privateKey": SECRET}}))
    change(body)

    error = await wallet.client.refusal(CREATE, **body)

    assert error.reason == "grant_has_private_key"
    assert set(details(error)) == {field, "installs[0].serialized"}


async def test_a_deleted_unsigned_session_has_its_own_reason(wallet: OrgWallet) -> None:
    unsigned = wallet.client.ports.store.unsigned_sessions
    location = (Address.parse(wallet.account), CHAINS[1])
    link = wallet.client.store._link
    grant = next(each for each in wallet.grants if each.chain == CHAINS[1])
    assert isinstance(unsigned, RedisUnsigned)
    assert await link.command("DEL", unsigned.session_key(*location, grant.record_id)) == 1
    assert (await wallet.client.refusal(CREATE, **wallet.body())).reason == "grant_disagrees"
    await link.command("ZADD", unsigned.index_keys(*location)[0], 1, short_id(grant.record_id))

    error = await wallet.client.refusal(CREATE, **wallet.body())

    assert error.reason == "session_forgotten"
    assert grant.session_id in details(error)[f"installs[{wallet.grants.index(grant)}].serialized"]


async def test_a_private_key_is_stored_nowhere(wallet: OrgWallet) -> None:
    for value in ({"privateKey": SECRET}, {"permissionParams": {"signer": [{"privateKey": SECRET}]}}):
        text = pack(value)
        await wallet.client.refusal(CREATE, **wallet.body(installs=[{"chainId": CHAINS[0], "serialized": text}]))
        link = wallet.client.store._link  # all of Redis, in its raw form
        stored = [await link.command("DUMP", key) for key in await link.command("KEYS", f"{link.prefix}*")]
        assert stored
        assert not any(SECRET.encode() in each or text.encode() in each for each in stored)


async def test_an_owners_signature_with_v_0_or_1_is_accepted(wallet: OrgWallet) -> None:
    body = wallet.body()
    for install in installs(body):
        v = int(install["serialized"][-2:], 16)
        install["serialized"] = with_v(v - 27)(install["serialized"])

    await wallet.client.ask(CREATE, **body)

    assert await wallet.act(CHAINS[0], {"sessionId": wallet.grants[0].session_id})


async def test_a_contract_that_owns_the_account_grants_by_its_erc1271_check(client: OrgClient) -> None:
    owner = "0x" + secrets.token_hex(20)
    right = "0xc0ffee"
    code = json.loads(RUNTIMES.read_text())["meta"]["world"]["runtimes"]["Key1271"]
    await client.node(CHAINS[0], "anvil_setCode", owner, code)
    wallet = OrgWallet(client)
    await wallet.request_account(signerAddress=owner)
    grant = await wallet.grant_on(CHAINS[0])
    long = f"0x{'11' * 64}01"

    for signature in ("0xc0ffef", long):
        wallet.grants = [replace(grant, signature=signature)]
        assert (await client.refusal(CREATE, **wallet.body())).reason == "grant_signature_invalid"
    wrapped = WrappedSignature(Address.parse(FRIEND), Data(), Data.parse(right))
    wallet.grants = [replace(grant, signature=wrap_erc6492(wrapped).hex0x())]
    assert await wallet.register()


async def test_a_chain_where_the_account_became_another_contract_is_rejected(wallet: OrgWallet) -> None:
    await wallet.client.node(CHAINS[1], "anvil_setCode", wallet.account, "0x60006000fd")

    error = await wallet.client.refusal(CREATE, **wallet.body())

    assert error.reason == "grant_disagrees"
    assert "not a semi-modular account" in details(error)["installs[1].serialized"]


async def test_sessions_of_another_group_are_not_registered_again(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open()
    alone = wallet.body()["installs"][:1]
    made = await wallet.register(installs=alone)

    error = await client.refusal(CREATE, **wallet.body(expiresAt=timestamp_in(60)))

    assert error.reason == "session_registered"
    assert set(details(error)) == {"installs[0].serialized"}
    assert (await client.ask(LIST))["items"][0]["expiresAt"] == made["sessions"][0]["expiresAt"]
    end = await client.ports.store.sessions.get_expiry(
        Address.parse(wallet.account), CHAINS[0], wallet.grants[0].entity_id
    )
    assert end is not None, "a rejected group must not end a session earlier"
    assert (
        timestamp_in(60)
        < made["sessions"][0]["expiresAt"]
        == (await client.ask(GET, id=wallet.grants[0].session_id))["expiresAt"]
    )


async def test_expired_sessions_are_not_registered_again(client: OrgClient) -> None:
    wallet = await OrgWallet(client).open(expirySec=int(time.time()) + 100)
    made = await wallet.register(expiresAt=timestamp_in(50))
    client.clock.ahead_seconds = 60

    assert (await client.refusal(CREATE, **wallet.body())).reason == "session_registered"
    client.clock.ahead_seconds = 100
    error = await client.refusal(CREATE, **wallet.body())

    assert error.reason == "expiry_out_of_range"
    assert set(details(error)) == {"installs[0].serialized", "installs[1].serialized"}
    assert (await client.ask(GET, id=made["sessionGroupId"]))["status"] == "expired"


async def test_a_revoked_session_is_not_registered_again_by_anybody(wallet: OrgWallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=group)

    error = await wallet.client.refusal(CREATE, **wallet.body())

    assert error.reason == "session_registered"
    assert "permanent" in details(error)["installs[0].serialized"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@SWEEP
@given(
    field=st.sampled_from(["expiresAt", "installs", "policies", "sessionAddress", "walletId", "chainId", "serialized"]),
    value=values,
)
async def test_any_value_in_any_field_is_accepted_or_rejected_with_a_status(
    wallet: OrgWallet, field: str, value: Any
) -> None:
    body = wallet.body()
    if field in {"chainId", "serialized"}:
        installs(body)[1][field] = value
    else:
        body[field] = value

    try:
        made = await wallet.client.ask(CREATE, **body)
    except WalletError as error:
        status = error.status
    else:
        status = 200
        assert field == "policies", made

    assert status in {200, 400, 404}
