"""Deferred actions that another session authorizes: a stop of that session holds until the call is handed over."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.operations.test_stopped_calls import RefusingBundler
from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_kill_switches import STOP, reason_of
from tests.org_sessions.test_stopping import PAUSE, PREPARE, REVOKE
from tests.rules.ruled import workers_of
from tests.support.constants import CHAINS, ENTRY_POINT
from tests.support.keys import sign_digest, sign_request
from wallet_rpc.domain.deferred_action import Authorizer, DeferredAction, SignedDeferredAction
from wallet_rpc.domain.prepared import format_call_id
from wallet_rpc.domain.signature import SignerKind, prefix_signer_kind
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.raw_operations import send_raw_operation

CHAIN = CHAINS[0]


async def build_raw(wallet: OrgWallet) -> dict[str, Any]:
    """Return an operation of the wallet's first session, whose installation the key of its second one authorizes."""
    installed, authorizer = wallet.grants
    message = installed.message
    action = DeferredAction(
        nonce=int(message["nonce"], 16), deadline=message["deadline"], call=Data.parse(message["call"])
    )
    digest = action.digest(account=Address.parse(wallet.account), chain_id=CHAIN)
    authorization = prefix_signer_kind(SignerKind.KEY, Data.parse(sign_digest(wallet.key, digest.hex0x())))
    signed = SignedDeferredAction(
        action=action,
        has_execution_hooks=False,
        authorization=authorization,
        authorizer=Authorizer(entity_id=authorizer.entity_id),
    )
    prepared = await wallet.client.ask(PREPARE, **wallet.calls(CHAIN, installed.permissions))
    own = sign_request(wallet.key, prepared["signatureRequest"])
    return {**prepared["data"], "signature": f"0x{signed.signature_prefix.hex()}ff00{own[2:]}"}


@pytest.fixture
async def wallet(client: OrgClient) -> OrgWallet:
    """Return a wallet with two sessions, both of which were presented, on a bundler that takes nothing."""
    wallet = await open_funded_wallet(client, CHAIN)
    wallet.grants.append(await wallet.grant_on(CHAIN))
    for grant in wallet.grants:
        assert await client.reason(PREPARE, **wallet.calls(CHAIN, grant.permissions)) is None
    return wallet


@pytest.mark.parametrize(
    ("method", "reason"), [(PAUSE, "session_paused"), (REVOKE, "session_revoked"), (STOP, "session_paused")]
)
async def test_a_call_is_not_handed_over_once_its_authorizing_session_is_stopped(
    client: OrgClient, wallet: OrgWallet, method: str, reason: str
) -> None:
    raw = await build_raw(wallet)
    chain = client.ports.chains[CHAIN]
    bundler = RefusingBundler(chain.bundler)
    client.ports = replace(client.ports, chains={CHAIN: replace(chain, bundler=cast("Any", bundler))})
    sent = await send_raw_operation(client.ports, CHAIN, [raw, ENTRY_POINT])
    assert sent is not None
    call_id = format_call_id(chain.chain_id, sent).hex0x()
    assert (await client.rpc("wallet_getCallsStatus", call_id))["status"] == 100
    authorizer = wallet.grants[1]
    if method == STOP:
        await client.ask("wallet_setSessionTags", sessionId=authorizer.session_id, tags=["authorizers"])
    await client.ask(
        method, **({"scope": {"tag": "authorizers"}} if method == STOP else {"sessionId": authorizer.session_id})
    )
    assert await reason_of(wallet) == "session_install_pending", "the session that acts is not stopped"

    client.clock.ahead_seconds += 60
    await workers_of(client).run_once()

    status = await client.rpc("wallet_getCallsStatus", call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, reason)
    with pytest.raises(WalletError) as refused:
        await send_raw_operation(client.ports, CHAIN, [raw, ENTRY_POINT])
    assert refused.value.reason == reason
