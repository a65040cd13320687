"""The owner's operation that removes a revoked session from the chain, and the proof that it did."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import TERMS, harmless_permissions
from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_stopping import PREPARE, REVOKE, open_used_wallet, owner_signature
from tests.support.constants import CHAINS, FRIEND, SPONSORSHIP, TOKEN
from tests.support.wallet import AsyncWallet
from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE
from wallet_rpc.domain.module_views import encode_address_allowlist, encode_erc20_spend_limits, encode_limits
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.uninstall import uninstall_call, uninstall_call_data
from wallet_rpc.domain.validation import parse_install
from wallet_rpc.domain.validation_install import compile_permissions
from wallet_rpc.domain.views import ValidationData
from wallet_rpc.errors import UnsupportedCapability
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, EntityId
from wallet_rpc.services.session_removal import ChainValidation, RemovalProof, plan_removal

CHAIN = CHAINS[0]
OTHER = "0x" + "bb" * 20
LIMITED: list[dict[str, Any]] = [
    {"type": "native-token-transfer", "data": {"allowance": "0x64"}},
    {"type": "gas-limit", "data": {"limit": hex(10**18)}},
    {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x7b"}},
    {"type": "contract-access", "data": {"address": FRIEND}},
    {"type": "functions-on-contract", "data": {"address": OTHER, "functions": ["0x12345678", "0x9abcdef0"]}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0xa9059cbb"]}},
]
GONE = {
    "isRemoved": True,
    "validationRemoved": True,
    "hooksRemoved": True,
    "signerRemoved": True,
    "limitsRemoved": True,
    "grantUsed": True,
}


def facts(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the proof of an answer without its block."""
    return {name: value for name, value in answer["onChain"].items() if name != "block"}


async def send_removal(wallet: OrgWallet, answer: dict[str, Any]) -> None:
    """Sign and send the owner's operation of an answer."""
    call_id = await AsyncWallet.send(wallet, answer["removal"], wallet.owner)
    assert await wallet.status(call_id) == 200


async def read_words(client: OrgClient, wallet: OrgWallet, entity_id: int) -> dict[str, int]:
    """Read limits of a session by hand, as the chain has them."""
    node, account = client.ports.chains[CHAIN].node, Address.parse(wallet.account)
    token = Address.parse(TOKEN)
    reads = {
        "native": (NATIVE_TOKEN_LIMIT_MODULE, encode_limits(entity_id, account)),
        "gas": (NATIVE_TOKEN_LIMIT_MODULE, encode_limits(entity_id + 0x7FFFFFFF, account)),
        "row": (ALLOWLIST_MODULE, encode_address_allowlist(entity_id, token, account)),
        "token": (ALLOWLIST_MODULE, encode_erc20_spend_limits(entity_id + 0x7FFFFFFF, token, account)),
    }
    return {name: int.from_bytes(await node.call(*read), "big") for name, read in reads.items()}


async def test_the_removal_leaves_nothing_to_the_next_session_on_the_entity_id(client: OrgClient) -> None:
    wallet = await open_used_wallet(client, permissions=LIMITED)
    grant = wallet.grants[0]
    session = {"sessionId": grant.session_id}
    before = await read_words(client, wallet, grant.entity_id)
    assert before["native"] != 0
    assert sum(value != 0 for value in before.values()) >= 3

    answer = await client.ask(REVOKE, **session)

    assert facts(answer) == {name: name == "grantUsed" for name in GONE}
    assert answer["removalIsComplete"]
    assert facts(await client.ask(REVOKE, **session)) == facts(answer)
    await send_removal(wallet, answer)
    after = await client.ask(REVOKE, **session)
    assert facts(after) == GONE
    assert "removal" not in after
    assert set((await read_words(client, wallet, grant.entity_id)).values()) == {0}


async def test_a_removal_without_hook_data_is_not_proven(client: OrgClient) -> None:
    """The owner uninstalls the session elsewhere, without the data of the hooks: the limits stay."""
    wallet = await open_used_wallet(client, permissions=LIMITED)
    grant = wallet.grants[0]
    data = uninstall_call_data(parse_install(Data.parse(grant.message["call"])), with_hook_data=False)
    call_id = await wallet.send(await wallet.prepare({"to": wallet.account, "data": data.hex0x()}), wallet.owner)
    assert await wallet.status(call_id) == 200

    proof = facts(await client.ask(REVOKE, sessionId=grant.session_id))
    assert (proof["validationRemoved"], proof["limitsRemoved"], proof["isRemoved"]) == (True, False, False)


async def test_a_pending_grant_is_burned(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED)
    grant = wallet.grants[0]
    answer = await client.ask(REVOKE, sessionId=grant.session_id)
    assert facts(answer) == {**GONE, "isRemoved": False, "grantUsed": False}

    await send_removal(wallet, answer)

    after = await client.ask(REVOKE, sessionId=grant.session_id)
    assert facts(after) == GONE
    assert "removal" not in after


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_session_named_by_its_entity_id_is_removed_as_far_as_it_is_known(
    client: OrgClient, is_stored: bool
) -> None:
    wallet = await open_used_wallet(client, permissions=LIMITED)
    grant = wallet.grants[0]
    asking = client if is_stored else client.without_key()
    named: dict[str, Any] = {"account": wallet.account, "chainId": hex(CHAIN), "entityId": grant.entity_id}
    if not is_stored:
        named["ownerSignature"] = await owner_signature(wallet, "revoke", **named)

    answer = await asking.ask(REVOKE, **named)

    assert answer["removalIsComplete"] == is_stored
    await send_removal(wallet, answer)
    left = await read_words(client, wallet, grant.entity_id)
    assert (left["native"], left["gas"]) == (0, 0)
    assert (left["row"] == 0) == is_stored
    assert facts(await client.ask(REVOKE, sessionId=grant.session_id))["isRemoved"] == is_stored


async def test_a_session_stays_revoked_where_the_removal_cannot_be_prepared(client: OrgClient) -> None:
    wallet = await open_used_wallet(client)
    await client.node(CHAIN, "anvil_setBalance", wallet.account, "0x0")
    answer = await client.ask(REVOKE, sessionId=wallet.grants[0].session_id)
    assert "removal" not in answer
    assert answer["removalError"]["data"]["reason"]
    assert await client.reason(PREPARE, **wallet.calls(CHAIN, wallet.grants[0].permissions)) == "session_revoked"

    sponsor = {"paymasterService": SPONSORSHIP}
    answer = await client.ask(REVOKE, sessionId=wallet.grants[0].session_id, capabilities=sponsor)
    await send_removal(wallet, answer)
    assert (await client.ask(REVOKE, sessionId=wallet.grants[0].session_id))["onChain"]["isRemoved"]


async def test_the_owners_operation_has_no_permissions(client: OrgClient) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    capabilities = {"permissions": wallet.grants[0].permissions}
    error = await client.refusal(REVOKE, sessionId=wallet.grants[0].session_id, capabilities=capabilities)
    assert error.reason == "session_capability"
    with pytest.raises(UnsupportedCapability):  # which the document lists: the client compares
        await client.rpc(REVOKE, {"sessionId": wallet.grants[0].session_id, "capabilities": {"unknown": {}}})


PROOF = RemovalProof(block=1, is_removed=False, validation_removed=False, hooks_removed=False, signer_removed=False)


@given(st.lists(harmless_permissions, min_size=1, max_size=5))
def test_an_installed_session_is_uninstalled_in_the_accounts_own_order(permissions: list[Permission]) -> None:
    try:
        install = compile_permissions(permissions, TERMS)
    except CompileError:
        return
    account = Address(bytes(19) + b"\1")
    reference = SessionReference(account=account, chain_id=CHAIN, entity_id=EntityId(install.entity_id))
    validation = ValidationData(
        flags=1,
        validation_hooks=tuple(bytes(hook.config) for hook in install.hooks if hook.flags & 1),
        execution_hooks=tuple(bytes(hook.config) for hook in install.hooks if not hook.flags & 1),
        selectors=(),
    )
    found = ChainValidation(validation=validation, signer=ZERO_ADDRESS, next_nonce=None, proof=PROOF)
    planned = plan_removal(NamedSession(reference=reference, install=install), found)
    assert planned.is_complete
    assert planned.calls == (uninstall_call(install, account),)
