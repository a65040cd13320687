"""An ended session, or one of another account, neither prepares nor sends, in any form that names it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.org_sessions.org_client import REVOKE, OrgClient, OrgGrant, OrgWallet, open_funded_wallet
from tests.support.constants import CHAINS, HOUR, SPONSORSHIP
from tests.support.keys import new_key, sign_digest
from wallet_rpc.domain.access import DEFAULT_SCOPES, Claims, OrganizationId, WalletNamespace
from wallet_rpc.domain.access import Wallet as TokenWallet
from wallet_rpc.errors import SessionEnded

CHAIN, OTHER_CHAIN = CHAINS
SWEEP = settings(max_examples=30)
FORMS: dict[str, Callable[[OrgGrant], dict[str, str]]] = {
    "session and signature": lambda grant: grant.permissions,
    "session alone": lambda grant: {"sessionId": grant.session_id},
    "context of a session": lambda grant: grant.context,
    "context of a grant": lambda grant: grant.grant_context,
    "context of an installed session": lambda grant: grant.installed_context,
}
INSTALLED = "context of an installed session"
STATELESS = frozenset({"context of a grant", INSTALLED})
"""Forms that need no record of the session, so they work for every organisation."""


async def revoke(wallet: OrgWallet, _: dict[str, Any]) -> tuple[str, str]:
    await wallet.client.ask(REVOKE, id=wallet.grants[0].session_id)
    return "Session revoked", "session_revoked"


async def revoke_group(wallet: OrgWallet, group: dict[str, Any]) -> tuple[str, str]:
    await wallet.client.ask(REVOKE, id=group["sessionGroupId"])
    return "Session revoked", "session_revoked"


async def expire(wallet: OrgWallet, _: dict[str, Any]) -> tuple[str, str]:
    """Move the clock past the registered end; the grant itself is still valid."""
    wallet.client.clock.ahead_seconds = HOUR // 2 + 1
    return "Session expired", "session_expired"


async def expire_grant(wallet: OrgWallet, _: dict[str, Any]) -> tuple[str, str]:
    """Move the clock past the end of the grant, too."""
    wallet.client.clock.ahead_seconds = 2 * HOUR
    return "Session expired", "session_expired"


async def revoke_and_expire(wallet: OrgWallet, group: dict[str, Any]) -> tuple[str, str]:
    expected = await revoke(wallet, group)
    await expire_grant(wallet, group)
    return expected


ENDINGS = [revoke, revoke_group, expire, expire_grant, revoke_and_expire]
Ending = Callable[[OrgWallet, dict[str, Any]], Awaitable[tuple[str, str]]]


def keyed_request(wallet: OrgWallet, request: dict[str, Any]) -> dict[str, Any]:
    """Return the same request in the form of ERC-7836."""
    return {**request, "key": {"type": "secp256k1", "publicKey": wallet.key.address}}


async def prepare(wallet: OrgWallet, request: dict[str, Any], *, is_keyed: bool) -> dict[str, Any]:
    """Prepare the calls of a request, and return the request that sends them."""
    if not is_keyed:
        answer = await wallet.client.ask("wallet_prepareCalls", **request)
        return wallet.sign(answer, wallet.key, request["capabilities"]["permissions"])
    answer = await wallet.client.ask("wallet_prepareCalls", **keyed_request(wallet, request))
    return {"context": answer["context"], "key": answer["key"], "signature": sign_digest(wallet.key, answer["digest"])}


@SWEEP
@given(
    form=st.sampled_from(list(FORMS)), ending=st.sampled_from(ENDINGS), is_keyed=st.booleans(), is_used=st.booleans()
)
async def test_an_ended_session_is_rejected_in_every_form_and_for_calls_prepared_before(
    client: OrgClient, form: str, ending: Ending, is_keyed: bool, is_used: bool
) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    target = new_key().address
    stranger = client.without_key()
    await stranger.ask("wallet_requestAccount", signerAddress=wallet.owner.address)
    group = await wallet.register()
    if is_used or form == INSTALLED:
        await wallet.act(CHAIN, wallet.grants[0].permissions)
    request = wallet.calls(CHAIN, FORMS[form](wallet.grants[0]), to=target, value="0x1")
    to_send = await prepare(wallet, request, is_keyed=is_keyed)

    message, reason = await ending(wallet, group)

    to_prepare = keyed_request(wallet, request) if is_keyed else request
    for caller in (client, stranger) if form in STATELESS else (client,):
        for error in (
            await caller.refusal("wallet_prepareCalls", **to_prepare),
            await caller.refusal("wallet_sendPreparedCalls", **to_send),
        ):
            assert isinstance(error, SessionEnded), error
            assert (error.code, error.message, error.reason) == (4100, message, reason)
    assert await client.balance(CHAIN, target) == 0


@SWEEP
@given(form=st.sampled_from(list(FORMS)), is_keyed=st.booleans(), is_used=st.booleans())
async def test_an_active_session_is_accepted_in_every_form(
    client: OrgClient, form: str, is_keyed: bool, is_used: bool
) -> None:
    """Complement of the property above: an active session is accepted."""
    wallet = await open_funded_wallet(client, CHAIN)
    target = new_key().address
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
    form, difference = case
    wallet = await open_funded_wallet(client, CHAIN)
    other = await OrgWallet(client).open(chains=())
    target = new_key().address
    await wallet.register()
    await wallet.act(CHAIN, wallet.grants[0].permissions)
    request = wallet.calls(CHAIN, FORMS[form](wallet.grants[0]), to=target, value="0x1")
    to_send = wallet.sign(
        await client.ask("wallet_prepareCalls", **request), wallet.key, request["capabilities"]["permissions"]
    )
    caller = client
    match difference:
        case "account":
            request["from"] = to_send["data"]["sender"] = other.account
        case "chain":
            request["chainId"] = to_send["chainId"] = hex(OTHER_CHAIN)
        case _:
            caller = client.of(OrganizationId(f"org_{secrets.token_hex(10)}"))

    errors = [
        await caller.refusal("wallet_prepareCalls", **(keyed_request(wallet, request) if is_keyed else request)),
        await caller.refusal("wallet_sendPreparedCalls", **to_send),
    ]

    assert {error.reason for error in errors} <= {
        "session_not_found",
        "session_signature_invalid",
        "session_not_on_chain",
        "invalid_params",
    }
    assert await client.balance(CHAIN, target) == await client.balance(OTHER_CHAIN, target) == 0


async def test_sessions_of_a_group_on_other_chains_stay_active(wallet: OrgWallet) -> None:
    await wallet.register()
    first, second = wallet.grants

    await wallet.client.ask(REVOKE, id=first.session_id)

    assert (await wallet.client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, first.permissions))).code == 4100
    assert await wallet.act(OTHER_CHAIN, second.permissions)


async def test_the_owner_and_other_sessions_of_the_account_stay_active(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    other = await wallet.grant_on(CHAIN)
    await wallet.register()
    await client.ask(REVOKE, id=wallet.grants[0].session_id)

    assert await wallet.act(CHAIN, other.permissions)
    of_owner = {**wallet.calls(CHAIN, other.permissions), "capabilities": {"paymasterService": SPONSORSHIP}}
    assert await client.ask("wallet_prepareCalls", **of_owner)


async def test_a_repeat_after_a_revocation_returns_the_same_result(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    request = await prepare(wallet, wallet.calls(CHAIN, wallet.grants[0].permissions), is_keyed=False)
    sent = await client.ask("wallet_sendPreparedCalls", **request)

    await client.ask(REVOKE, id=wallet.grants[0].session_id)

    assert await client.ask("wallet_sendPreparedCalls", **request) == sent
    assert (await client.ask("wallet_getCallsStatus", callId=sent["id"]))["status"] == 200


async def test_sessions_that_were_never_registered_expire_with_an_invalid_params_error(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    for form in (wallet.grants[0].permissions, wallet.grants[0].grant_context):
        client.clock.ahead_seconds = 0
        assert await client.ask("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        client.clock.ahead_seconds = 2 * HOUR
        error = await client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        assert (error.code, error.reason) == (-32602, "session_expired")


async def test_a_session_token_must_send_the_owners_signature(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    await wallet.register()
    now = int(time.time())
    key = client.ports.caller.key
    assert key is not None
    claims = Claims(
        id=secrets.token_hex(16),
        wallet=TokenWallet(namespace=WalletNamespace.EVM, address=wallet.account),
        scopes=DEFAULT_SCOPES,
        key=key.id,
        organization=client.organization,
        issued_at=now,
        expires_at=now + 300,
    )
    page = replace(client, ports=replace(client.ports, caller=replace(client.ports.caller, token=claims)))
    grant = wallet.grants[0]

    error = await page.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, {"sessionId": grant.session_id}))

    assert error.message == "params.capabilities.permissions.signature: required, but absent"
