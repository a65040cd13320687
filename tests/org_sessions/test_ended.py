"""A session that ended, or is another's, neither prepares nor sends, in whatever form it is named."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.org_sessions.org_client import (
    CHAINS,
    HOUR,
    POLICY,
    REVOKE,
    Grant,
    OrgClient,
    Wallet,
    new_key,
    open_funded_wallet,
)
from wallet_rpc.domain.access import DEFAULT_SCOPES, Claims, OrganizationId, WalletNamespace
from wallet_rpc.domain.access import Wallet as Bound
from wallet_rpc.errors import SessionEnded

CHAIN, OTHER_CHAIN = CHAINS
SWEEP = settings(max_examples=30)
FORMS: dict[str, Callable[[Grant], dict[str, str]]] = {
    "session and signature": lambda grant: grant.permissions,
    "session alone": lambda grant: {"sessionId": grant.id},
    "context of a session": lambda grant: grant.context,
    "context of a grant": lambda grant: grant.grant_context,
    "context of what is installed": lambda grant: grant.installed_context,
}
INSTALLED = "context of what is installed"
STATELESS = frozenset({"context of a grant", INSTALLED})
"""Forms for which a server need not know the session: nothing of them is an organisation's own."""


async def revoke(wallet: Wallet, _: dict[str, Any]) -> tuple[str, str]:
    await wallet.client.ask(REVOKE, id=wallet.grants[0].id)
    return "Session revoked", "session_revoked"


async def revoke_group(wallet: Wallet, made: dict[str, Any]) -> tuple[str, str]:
    await wallet.client.ask(REVOKE, id=made["sessionGroupId"])
    return "Session revoked", "session_revoked"


async def expire(wallet: Wallet, _: dict[str, Any]) -> tuple[str, str]:
    """Past the registered end; the grant itself goes on."""
    wallet.client.clock.ahead_seconds = HOUR // 2 + 1
    return "Session expired", "session_expired"


async def expire_grant(wallet: Wallet, _: dict[str, Any]) -> tuple[str, str]:
    """Past the end of the grant, too."""
    wallet.client.clock.ahead_seconds = 2 * HOUR
    return "Session expired", "session_expired"


async def revoke_and_expire(wallet: Wallet, made: dict[str, Any]) -> tuple[str, str]:
    told = await revoke(wallet, made)
    await expire_grant(wallet, made)
    return told


ENDINGS = [revoke, revoke_group, expire, expire_grant, revoke_and_expire]
Ending = Callable[[Wallet, dict[str, Any]], Awaitable[tuple[str, str]]]


def keyed_request(wallet: Wallet, request: dict[str, Any]) -> dict[str, Any]:
    """The same request as ERC-7836 writes it."""
    return {**request, "key": {"type": "secp256k1", "publicKey": wallet.key.address}}


async def prepare(wallet: Wallet, request: dict[str, Any], *, is_keyed: bool) -> dict[str, Any]:
    """What sends the calls of a request."""
    if not is_keyed:
        answer = await wallet.client.ask("wallet_prepareCalls", **request)
        return wallet.signed_request(answer, request["capabilities"]["permissions"])
    answer = await wallet.client.ask("wallet_prepareCalls", **keyed_request(wallet, request))
    return {"context": answer["context"], "key": answer["key"], "signature": wallet.sign(answer["digest"])}


@SWEEP
@given(
    form=st.sampled_from(list(FORMS)), ending=st.sampled_from(ENDINGS), is_keyed=st.booleans(), is_used=st.booleans()
)
async def test_what_has_ended_is_refused_in_every_form_also_what_was_prepared_before(
    client: OrgClient, form: str, ending: Ending, is_keyed: bool, is_used: bool
) -> None:
    wallet, target, stranger = await open_funded_wallet(client, CHAIN), new_key().address, client.without_key()
    await stranger.ask("wallet_requestAccount", signerAddress=wallet.owner.address)
    made = await wallet.register()
    if is_used or form == INSTALLED:
        await wallet.act(CHAIN, wallet.grants[0].permissions)
    request = wallet.calls(CHAIN, FORMS[form](wallet.grants[0]), to=target, value="0x1")
    to_send = await prepare(wallet, request, is_keyed=is_keyed)

    message, reason = await ending(wallet, made)

    asked = keyed_request(wallet, request) if is_keyed else request
    for asking in (client, stranger) if form in STATELESS else (client,):
        for refused in (
            await asking.refusal("wallet_prepareCalls", **asked),
            await asking.refusal("wallet_sendPreparedCalls", **to_send),
        ):
            assert isinstance(refused, SessionEnded), refused
            assert (refused.code, refused.message, refused.reason) == (4100, message, reason)
    assert await client.balance(CHAIN, target) == 0


@SWEEP
@given(form=st.sampled_from(list(FORMS)), is_keyed=st.booleans(), is_used=st.booleans())
async def test_what_is_active_is_not_refused(client: OrgClient, form: str, is_keyed: bool, is_used: bool) -> None:
    """The other side of the property above: it refuses nothing that should pass."""
    wallet, target = await open_funded_wallet(client, CHAIN), new_key().address
    await wallet.register()
    if is_used or form == INSTALLED:
        await wallet.act(CHAIN, wallet.grants[0].permissions)
    request = wallet.calls(CHAIN, FORMS[form](wallet.grants[0]), to=target, value="0x1")

    await client.ask("wallet_sendPreparedCalls", **await prepare(wallet, request, is_keyed=is_keyed))

    assert await client.balance(CHAIN, target) == 1


FOREIGN = [(form, "account") for form in FORMS] + [(form, "chain") for form in FORMS]
FOREIGN += [(form, "organization") for form in FORMS if form not in STATELESS]


@SWEEP
@given(case=st.sampled_from(FOREIGN), is_keyed=st.booleans())
async def test_the_session_of_another_account_chain_or_organisation_prepares_and_sends_nothing(
    client: OrgClient, case: tuple[str, str], is_keyed: bool
) -> None:
    form, whose = case
    wallet, other, target = (
        await open_funded_wallet(client, CHAIN),
        await Wallet(client).open(chains=()),
        new_key().address,
    )
    await wallet.register()
    await wallet.act(CHAIN, wallet.grants[0].permissions)
    request = wallet.calls(CHAIN, FORMS[form](wallet.grants[0]), to=target, value="0x1")
    to_send = wallet.signed_request(
        await client.ask("wallet_prepareCalls", **request), request["capabilities"]["permissions"]
    )
    asking = client
    match whose:
        case "account":
            request["from"] = to_send["data"]["sender"] = other.account
        case "chain":
            request["chainId"] = to_send["chainId"] = hex(OTHER_CHAIN)
        case _:
            asking = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))

    refusals = [
        await asking.refusal("wallet_prepareCalls", **(keyed_request(wallet, request) if is_keyed else request)),
        await asking.refusal("wallet_sendPreparedCalls", **to_send),
    ]

    assert {refused.reason for refused in refusals} <= {
        "session_not_found",
        "session_signature_invalid",
        "session_not_on_chain",
        "invalid_params",
    }
    assert await client.balance(CHAIN, target) == await client.balance(OTHER_CHAIN, target) == 0


async def test_the_other_chains_of_a_group_go_on(wallet: Wallet) -> None:
    await wallet.register()
    first, second = wallet.grants

    await wallet.client.ask(REVOKE, id=first.id)

    assert (await wallet.client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, first.permissions))).code == 4100
    assert await wallet.act(OTHER_CHAIN, second.permissions)


async def test_the_owner_and_other_sessions_of_the_account_go_on(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    other = await wallet.grant(CHAIN)
    await wallet.register()
    await client.ask(REVOKE, id=wallet.grants[0].id)

    assert await wallet.act(CHAIN, other.permissions)
    of_owner = {**wallet.calls(CHAIN, other.permissions), "capabilities": {"paymasterService": POLICY}}
    assert await client.ask("wallet_prepareCalls", **of_owner)


async def test_what_was_sent_stays_answered_alike(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    request = await prepare(wallet, wallet.calls(CHAIN, wallet.grants[0].permissions), is_keyed=False)
    sent = await client.ask("wallet_sendPreparedCalls", **request)

    await client.ask(REVOKE, id=wallet.grants[0].id)

    assert await client.ask("wallet_sendPreparedCalls", **request) == sent
    assert (await client.ask("wallet_getCallsStatus", callId=sent["id"]))["status"] == 200


async def test_sessions_that_were_never_registered_are_refused_as_before(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    for form in (wallet.grants[0].permissions, wallet.grants[0].grant_context):
        client.clock.ahead_seconds = 0
        assert await client.ask("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        client.clock.ahead_seconds = 2 * HOUR
        refused = await client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        assert (refused.code, refused.reason) == (-32602, "session_expired")


async def test_a_session_token_brings_the_owners_signature(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    now, key = int(time.time()), client.ports.caller.key
    assert key is not None
    claims = Claims(
        id=secrets.token_hex(16),
        wallet=Bound(namespace=WalletNamespace.EVM, address=wallet.account),
        scopes=DEFAULT_SCOPES,
        key=key.id,
        organization=client.organization,
        issued_at=now,
        expires_at=now + 300,
    )
    page = replace(client, ports=replace(client.ports, caller=replace(client.ports.caller, token=claims)))
    grant = wallet.grants[0]

    refused = await page.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, {"sessionId": grant.id}))

    assert refused.message == "params.capabilities.permissions.signature: required, but absent"
