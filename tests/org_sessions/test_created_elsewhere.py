"""Kill switches of an organisation that only created a session, whose grant is presented through others."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.operations.test_stopped_calls import RefusingBundler
from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_kill_switches import RESUME, STOP, reason_of, scope_of
from tests.org_sessions.test_stopping import PAUSE, PREPARE, SEND
from tests.rules.ruled import workers_of
from tests.support.constants import CHAINS, ENTRY_POINT, FRIEND
from tests.support.keys import new_key, sign_digest, sign_request
from wallet_rpc.adapters.redis_server import RedisServer
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.domain.access import OrganizationId
from wallet_rpc.domain.context import LocalContext, format_context
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import SessionStops
from wallet_rpc.domain.signature import SignerKind, prefix_signer_kind
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address, Data, EntityId
from wallet_rpc.services.raw_operations import send_raw_operation
from wallet_rpc.services.session_rotation import transfer_signer_call

CHAIN = CHAINS[0]
PRESENTERS = ["another organisation", "no key"]
ALL = {"organization": True}


@pytest.fixture
async def elsewhere(client: OrgClient, redis_server: RedisServer) -> AsyncIterator[OrgClient]:
    """Open a client of another server for the same chains, which knows nothing of this one's sessions."""
    async with RedisStore.open(redis_server.url, prefix=f"elsewhere-{uuid.uuid4().hex}") as store:
        yield replace(client, ports=replace(client.ports, store=store), store=store)


async def open_created(client: OrgClient, presenter: str, **fields: Any) -> tuple[OrgWallet, OrgClient]:
    """Return a wallet whose session was created and signed, and a client that knows only the grant."""
    wallet = await open_funded_wallet(client, CHAIN, **fields)
    other = client.without_key() if presenter == "no key" else client.of(OrganizationId("org_that_presents"))
    return wallet, await introduce(wallet, other)


async def introduce(wallet: OrgWallet, by: OrgClient) -> OrgClient:
    """Have a client request the wallet's account, which is not deployed yet."""
    await by.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    return by


async def stops_of(wallet: OrgWallet) -> SessionStops:
    """Return what is stored about the wallet's session."""
    entity_id = EntityId(wallet.grants[0].entity_id)
    session = SessionReference(account=Address.parse(wallet.account), chain_id=CHAIN, entity_id=entity_id)
    return await wallet.client.ports.store.stops.read(session)


async def install_elsewhere(wallet: OrgWallet, elsewhere: OrgClient) -> None:
    """Install the session through another server."""
    copy = replace(wallet, client=await introduce(wallet, elsewhere))
    assert await copy.status(await copy.act(CHAIN, wallet.grants[0].grant_context)) == 200


def change_grant(wallet: OrgWallet, *, by: Any = None, later: int = 0) -> dict[str, str]:
    """Return the context of a grant like the wallet's that ends later, signed by the owner or another key."""
    message = wallet.grants[0].message
    action = DeferredAction(
        nonce=int(message["nonce"], 16), deadline=message["deadline"] + later, call=Data.parse(message["call"])
    )
    digest = action.digest(account=Address.parse(wallet.account), chain_id=CHAIN)
    signature = Data.parse(sign_digest(by or wallet.owner, digest.hex0x()))
    authorization = prefix_signer_kind(SignerKind.KEY, signature)
    grant = SignedDeferredAction(action=action, has_execution_hooks=False, authorization=authorization)
    return {"context": format_context(LocalContext(blob=grant.blob)).hex0x()}


async def build_raw(wallet: OrgWallet, by: OrgClient, *, installs: bool) -> dict[str, Any]:
    """Return a signed user operation of the session, as its key sends it to a bundler."""
    grant = wallet.grants[0]
    permissions = grant.grant_context if installs else grant.installed_context
    prepared = await by.ask(PREPARE, **wallet.calls(CHAIN, permissions, value="0x1"))
    own = sign_request(wallet.key, prepared["signatureRequest"])
    blob = grant.grant_context["context"][2 + 2 :]  # after the version
    return {**prepared["data"], "signature": "0x" + (blob[66:] if installs else "") + "ff00" + own[2:]}


async def send_raw(by: OrgClient, raw: dict[str, Any]) -> str | None:
    """Send a raw operation of a known session; return the reason of the refusal."""
    try:
        assert await send_raw_operation(by.ports, CHAIN, [raw, ENTRY_POINT]) is not None
    except WalletError as error:
        return error.reason
    return None


@pytest.mark.parametrize("presenter", PRESENTERS)
@pytest.mark.parametrize("kind", ["organization", "account", "key", "tag"])
async def test_a_switch_binds_a_session_at_its_first_presentation_elsewhere(
    client: OrgClient, kind: str, presenter: str
) -> None:
    wallet, other = await open_created(client, presenter)
    scope = await scope_of(client, wallet, kind)
    await client.ask(STOP, scope=scope)
    assert await reason_of(wallet, other, "grant_context") == "session_paused"

    await client.ask(RESUME, scope=scope)
    assert await reason_of(wallet, other, "grant_context") is None
    await client.ask(STOP, scope=scope, mode="revoke")
    stranger = await introduce(wallet, client.of(OrganizationId("org_stranger_to_both")))
    assert {await reason_of(wallet, by, "grant_context") for by in (other, stranger)} == {"session_revoked"}


@pytest.mark.parametrize("presenter", PRESENTERS)
async def test_a_switch_binds_raw_operations_before_and_after_the_installation(
    client: OrgClient, elsewhere: OrgClient, presenter: str
) -> None:
    wallet, other = await open_created(client, presenter)
    raw = await build_raw(wallet, await introduce(wallet, elsewhere), installs=True)
    await client.ask(STOP, scope=ALL)
    assert await send_raw(other, raw) == "session_paused"
    await client.ask(RESUME, scope=ALL)
    assert await send_raw(other, raw) is None
    assert {each.organization for each in (await stops_of(wallet)).controllers} == {
        client.organization,
        other.organization,
    }

    raw = await build_raw(wallet, elsewhere, installs=False)
    await client.ask(STOP, scope=ALL)
    assert await send_raw(other, raw) == "session_paused"
    assert await reason_of(wallet, other, "installed_context") == "session_paused"
    balance = await client.balance(CHAIN, FRIEND)
    await client.ask(RESUME, scope=ALL)
    assert await send_raw(other, raw) is None
    assert await client.balance(CHAIN, FRIEND) == balance + 1


@pytest.mark.parametrize("presenter", PRESENTERS)
async def test_a_switch_binds_a_session_that_was_installed_through_another_server(
    client: OrgClient, elsewhere: OrgClient, presenter: str
) -> None:
    wallet, other = await open_created(client, presenter)
    await install_elsewhere(wallet, elsewhere)
    raw = await build_raw(wallet, elsewhere, installs=False)
    await client.ask(STOP, scope=ALL)
    assert await reason_of(wallet, other, "installed_context") == "session_paused"
    assert await reason_of(wallet, other, "grant_context") == "session_paused"
    assert await send_raw(other, raw) == "session_paused"
    forged = change_grant(wallet, by=new_key(), later=9)
    assert await other.reason(PREPARE, **wallet.calls(CHAIN, forged)) == "session_paused"


async def test_a_call_that_another_organisation_accepted_is_not_handed_over(
    client: OrgClient, elsewhere: OrgClient
) -> None:
    wallet, other = await open_created(client, "another organisation")
    raw = await build_raw(wallet, await introduce(wallet, elsewhere), installs=True)
    chain = other.ports.chains[CHAIN]
    bundler = RefusingBundler(chain.bundler)
    other.ports = replace(other.ports, chains={CHAIN: replace(chain, bundler=cast("Any", bundler))})
    assert await send_raw(other, raw) is None
    await client.ask(STOP, scope=ALL)
    balance = await client.balance(CHAIN, FRIEND)
    bundler.is_away = False
    client.clock.ahead_seconds += 60
    await workers_of(other).run_once()
    assert await client.balance(CHAIN, FRIEND) == balance


async def test_a_grant_from_elsewhere_with_the_same_entity_id_and_key_is_not_bound(
    client: OrgClient, elsewhere: OrgClient
) -> None:
    wallet, other = await open_created(client, "another organisation")
    await client.ask(STOP, scope=ALL)
    foreign = change_grant(wallet, later=9)
    assert await other.reason(PREPARE, **wallet.calls(CHAIN, foreign)) is None
    prepared = await other.ask(PREPARE, **wallet.calls(CHAIN, foreign))
    sent = await other.ask(SEND, **wallet.sign(prepared, wallet.key, foreign))
    assert await replace(wallet, client=other).status(sent["id"]) == 200, "its delivery is not bound either"
    assert client.organization not in {each.organization for each in (await stops_of(wallet)).controllers}


async def test_the_creator_controls_its_session_after_another_organisation_presented_it(client: OrgClient) -> None:
    wallet, other = await open_created(client, "another organisation")
    assert await reason_of(wallet, other, "grant_context") is None
    named = {"sessionId": wallet.grants[0].session_id}
    assert (await client.ask(PAUSE, **named))["pausedBy"] == ["organization"]
    assert await reason_of(wallet, other, "grant_context") == "session_paused"


@pytest.mark.parametrize("is_keyed", [True, False])
async def test_a_creation_is_recorded_until_the_sessions_end_or_the_unsigned_sessions(
    client: OrgClient, is_keyed: bool
) -> None:
    wallet = await open_funded_wallet(client if is_keyed else client.without_key(), CHAIN, expirySec=0)
    stops: Any = wallet.client.ports.store.stops
    session = SessionReference(
        account=Address.parse(wallet.account), chain_id=CHAIN, entity_id=EntityId(wallet.grants[0].entity_id)
    )
    seconds = await stops._shared.command("TTL", stops.creation_key(session))
    assert seconds == -1 if is_keyed else 0 < seconds <= client.ports.rules.unsigned_seconds
    assert await reason_of(wallet) is None
    assert await stops._shared.command("EXISTS", stops.creation_key(session)) == 0
    assert [each.organization for each in (await stops_of(wallet)).controllers] == [wallet.client.organization]


async def test_a_switch_binds_a_created_session_under_its_next_key(client: OrgClient, elsewhere: OrgClient) -> None:
    wallet, other = await open_created(client, "another organisation")
    await install_elsewhere(wallet, elsewhere)
    new = new_key()
    request = {"sessionId": wallet.grants[0].session_id, "newKey": {"type": "secp256k1", "publicKey": new.address}}
    prepared = (await client.ask("wallet_rotateSessionKey", **request))["operation"]
    assert await wallet.status(await wallet.send(prepared, wallet.owner)) == 200
    assert await reason_of(wallet, other, "installed_context") is None
    await client.ask(STOP, scope=ALL)
    assert await reason_of(wallet, other, "installed_context") == "session_paused"


async def test_a_switch_binds_a_created_session_whose_key_was_changed_elsewhere(
    client: OrgClient, elsewhere: OrgClient
) -> None:
    wallet, other = await open_created(client, "another organisation")
    await install_elsewhere(wallet, elsewhere)
    session = SessionReference(
        account=Address.parse(wallet.account), chain_id=CHAIN, entity_id=EntityId(wallet.grants[0].entity_id)
    )
    call = transfer_signer_call(session, Address.parse(new_key().address))
    copy = replace(wallet, client=elsewhere)
    request = copy.build_calls({"to": call.to.hex0x(), "data": call.data.hex0x()})
    prepared = await elsewhere.rpc("wallet_prepareCalls", {**request, "chainId": hex(CHAIN)})
    assert await copy.status(await copy.send(prepared, wallet.owner)) == 200
    assert await reason_of(wallet, other, "installed_context") is None
    await client.ask(STOP, scope=ALL)
    assert await reason_of(wallet, other, "installed_context") == "session_paused"
