"""What is not registered: every reason, told for every field at fault, and nothing of it kept."""

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
from tests.org_sessions.org_client import (
    CHAINS,
    CREATE,
    FRIEND,
    GET,
    LIST,
    REVOKE,
    OrgClient,
    Wallet,
    timestamp_in,
)
from wallet_rpc.adapters.redis_unsigned import RedisUnsigned
from wallet_rpc.domain.signature import WrappedSignature, wrap_erc6492
from wallet_rpc.errors import InvalidParams, WalletError
from wallet_rpc.primitives import Address, Data

RUNTIMES = Path(__file__).parents[2] / "specs" / "scenarios" / "12-signatures.json"
SWEEP = settings(max_examples=60)


def details(error: WalletError) -> dict[str, str]:
    assert isinstance(error, InvalidParams), error
    return {detail["field"]: detail["message"] for detail in error.facts["details"]}


async def nothing_is_kept(wallet: Wallet) -> bool:
    """Whether no memory of a registration is there; and that the sessions can be registered still."""
    client = wallet.client
    groups = [await client.ports.store.groups.find_by_session(each.session_id) for each in wallet.grants]
    sessions, account = client.ports.store.sessions, Address.parse(wallet.account)
    ends = [await sessions.get_expiry(account, each.chain, each.entity_id) for each in wallet.grants]
    listed = (await client.ask(LIST))["items"]
    return not listed and {*groups, *ends} == {None} and bool(await wallet.register())


@pytest.mark.parametrize("name", INVALID)
async def test_what_is_wrong_is_refused_and_told_and_not_kept(wallet: Wallet, name: str) -> None:
    change, reason, fields = INVALID[name]
    body = wallet.body()
    change(body)

    refused = await wallet.client.refusal(CREATE, **body)

    assert refused.reason == reason
    assert set(details(refused)) == fields
    assert await nothing_is_kept(wallet)


async def test_every_bad_install_is_told_and_a_private_key_above_all(client: OrgClient) -> None:
    wallet = await Wallet(client).open(chains=CHAINS)
    body = wallet.body()
    installs(body)[0]["serialized"] = mirror_signature(installs(body)[0]["serialized"])
    installs(body)[1]["serialized"] = pack({"a": {"privateKey": SECRET}})

    refused = await client.refusal(CREATE, **body)

    assert refused.reason == "grant_has_private_key"
    assert set(details(refused)) == {"installs[0].serialized", "installs[1].serialized"}
    body["walletId"] = "nobody's"
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
async def test_a_private_key_is_told_above_what_else_is_wrong_with_the_body(
    wallet: Wallet, change: Callable[[dict[str, Any]], None], field: str
) -> None:
    body = wallet.body()
    installs(body)[0].update(serialized=pack({"a": {"privateKey": SECRET}}))
    change(body)

    refused = await wallet.client.refusal(CREATE, **body)

    assert refused.reason == "grant_has_private_key"
    assert set(details(refused)) == {field, "installs[0].serialized"}


async def test_a_forgotten_session_is_refused_by_a_reason_of_its_own(wallet: Wallet) -> None:
    unsigned, named = wallet.client.ports.store.unsigned_sessions, (Address.parse(wallet.account), CHAINS[1])
    link = wallet.client.store._link
    grant = next(each for each in wallet.grants if each.chain == CHAINS[1])
    assert isinstance(unsigned, RedisUnsigned)
    assert await link.command("DEL", unsigned.session_key(*named, grant.session_id)) == 1
    assert (await wallet.client.refusal(CREATE, **wallet.body())).reason == "grant_disagrees"
    await link.command("ZADD", unsigned.index_keys(*named)[0], 1, grant.session_id.hex())

    refused = await wallet.client.refusal(CREATE, **wallet.body())

    assert refused.reason == "session_forgotten"
    assert grant.id in details(refused)[f"installs[{wallet.grants.index(grant)}].serialized"]


async def test_a_private_key_is_kept_nowhere(wallet: Wallet) -> None:
    for value in ({"privateKey": SECRET}, {"permissionParams": {"signer": [{"privateKey": SECRET}]}}):
        text = pack(value)
        await wallet.client.refusal(CREATE, **wallet.body(installs=[{"chainId": CHAINS[0], "serialized": text}]))
        link = wallet.client.store._link  # everything that is kept, in whatever form
        kept = [await link.command("DUMP", key) for key in await link.command("KEYS", f"{link.prefix}*")]
        assert kept
        assert not any(SECRET.encode() in each or text.encode() in each for each in kept)


async def test_an_owners_signature_with_a_bare_parity_is_as_good(wallet: Wallet) -> None:
    body = wallet.body()
    for install in installs(body):
        v = int(install["serialized"][-2:], 16)
        install["serialized"] = with_v(v - 27)(install["serialized"])

    await wallet.client.ask(CREATE, **body)

    assert await wallet.act(CHAINS[0], {"sessionId": wallet.grants[0].id})


async def test_a_contract_that_owns_the_account_grants_by_its_own_word(client: OrgClient) -> None:
    owner, right = "0x" + secrets.token_hex(20), "0xc0ffee"
    code = json.loads(RUNTIMES.read_text())["meta"]["world"]["runtimes"]["Key1271"]
    await client.node(CHAINS[0], "anvil_setCode", owner, code)
    wallet = Wallet(client)
    made = await client.ask("wallet_requestAccount", signerAddress=owner)
    wallet.account, wallet.id = made["accountAddress"], made["id"]
    given = await wallet.grant(CHAINS[0])
    long = f"0x{'11' * 64}01"

    for signature in ("0xc0ffef", long):
        wallet.grants = [replace(given, signature=signature)]
        assert (await client.refusal(CREATE, **wallet.body())).reason == "grant_signature_invalid"
    wrapped = WrappedSignature(Address.parse(FRIEND), Data(), Data.parse(right))
    wallet.grants = [replace(given, signature=wrap_erc6492(wrapped).hex0x())]
    assert await wallet.register()


async def test_a_chain_where_the_account_is_another_contract_by_now_is_refused(wallet: Wallet) -> None:
    await wallet.client.node(CHAINS[1], "anvil_setCode", wallet.account, "0x60006000fd")

    refused = await wallet.client.refusal(CREATE, **wallet.body())

    assert refused.reason == "grant_disagrees"
    assert "not a semi-modular account" in details(refused)["installs[1].serialized"]


async def test_sessions_of_another_group_are_not_registered_again(client: OrgClient) -> None:
    wallet = await Wallet(client).open()
    alone = wallet.body()["installs"][:1]
    made = await wallet.register(installs=alone)

    refused = await client.refusal(CREATE, **wallet.body(expiresAt=timestamp_in(60)))

    assert refused.reason == "session_registered"
    assert set(details(refused)) == {"installs[0].serialized"}
    assert (await client.ask(LIST))["items"][0]["expiresAt"] == made["sessions"][0]["expiresAt"]
    end = await client.ports.store.sessions.get_expiry(
        Address.parse(wallet.account), CHAINS[0], wallet.grants[0].entity_id
    )
    assert end is not None, "a refused group ends nothing earlier"
    assert (
        timestamp_in(60)
        < made["sessions"][0]["expiresAt"]
        == (await client.ask(GET, id=wallet.grants[0].id))["expiresAt"]
    )


async def test_what_is_over_is_not_registered_again(client: OrgClient) -> None:
    wallet = await Wallet(client).open(expirySec=int(time.time()) + 100)
    made = await wallet.register(expiresAt=timestamp_in(50))
    client.clock.ahead_seconds = 60

    assert (await client.refusal(CREATE, **wallet.body())).reason == "session_registered"
    client.clock.ahead_seconds = 100
    refused = await client.refusal(CREATE, **wallet.body())

    assert refused.reason == "expiry_out_of_range"
    assert set(details(refused)) == {"installs[0].serialized", "installs[1].serialized"}
    assert (await client.ask(GET, id=made["sessionGroupId"]))["status"] == "expired"


async def test_a_revoked_session_is_not_registered_again_by_anybody(wallet: Wallet) -> None:
    group = (await wallet.register())["sessionGroupId"]
    await wallet.client.ask(REVOKE, id=group)

    refused = await wallet.client.refusal(CREATE, **wallet.body())

    assert refused.reason == "session_registered"
    assert "permanent" in details(refused)["installs[0].serialized"]


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
async def test_any_value_in_any_field_is_taken_or_refused_with_a_reason(wallet: Wallet, field: str, value: Any) -> None:
    body = wallet.body()
    if field in {"chainId", "serialized"}:
        installs(body)[1][field] = value
    else:
        body[field] = value

    try:
        made = await wallet.client.ask(CREATE, **body)
    except WalletError as refused:
        told = refused.status
    else:
        told = 200
        assert field == "policies", made

    assert told in {200, 400, 404}
