"""Required signatures: the owner's until a session is installed, then the session key's; and their accepted forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.e2e.stacks import on_both_stacks
from tests.e2e.test_sessions import blob_of
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, ROOT
from tests.support.keys import new_key
from tests.support.rpc_client import RpcError
from tests.support.wallet import Grant, Wallet

pytestmark = on_both_stacks
JUNK = "0x" + "11" * 65


def contexts(wallet: Wallet, grant: Grant) -> list[dict[str, str]]:
    """Return a session's permissions in every form."""
    entity_id = int(grant.created["signatureRequest"]["data"]["message"]["nonce"], 16) >> 72
    installed = {"context": f"0x0201{entity_id:08x}"}
    return [grant.permissions, grant.context, {"context": blob_of(wallet, grant)}, installed]


def use(wallet: Wallet, grant: Grant, permissions: dict[str, str]) -> int:
    prepared = wallet.prepare(transfer(1), permissions=permissions)
    status: int = wallet.wait_until_final(wallet.send(prepared, grant.key, permissions))["status"]
    return status


def other_v(signature: str) -> str:
    """Return the same signature with v 0 or 1."""
    return signature[:-2] + f"{int(signature[-2:], 16) - 27:02x}"


def catch_error(wallet: Wallet, grant: Grant, permissions: dict[str, str]) -> RpcError:
    with pytest.raises(RpcError) as error_info:
        use(wallet, grant, permissions)
    return error_info.value


def test_an_installed_session_remains_valid_under_a_new_owner_and_a_pending_one_does_not(wallet: Wallet) -> None:
    installed, pending = wallet.grant(ROOT), wallet.grant(ROOT)
    assert wallet.act(installed)["status"] == 200
    rotate = call_data("updateFallbackSignerData(address,bool)", new_key().address, False)
    assert wallet.act(None, {"to": wallet.account, "data": rotate})["status"] == 200
    assert [use(wallet, installed, form_permissions) for form_permissions in contexts(wallet, installed)] == [200] * 4
    for form_permissions in contexts(wallet, pending)[:3]:
        assert catch_error(wallet, pending, form_permissions).reason == "session_signature_invalid"


def test_an_installed_session_needs_only_its_key_in_every_form(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    unsigned = replace(grant, signature=JUNK)
    forms = contexts(wallet, unsigned)
    for form_permissions in forms[:3]:
        assert catch_error(wallet, grant, form_permissions).reason == "session_signature_invalid"
    assert wallet.act(grant)["status"] == 200
    stranger = replace(grant, key=new_key())
    for form_permissions in forms:
        assert catch_error(wallet, stranger, form_permissions).reason == "signature_invalid"
        assert use(wallet, grant, form_permissions) == 200


def test_a_context_does_not_decide_the_key_of_an_installed_session(wallet: Wallet) -> None:
    grant = wallet.grant(ROOT)
    assert wallet.act(grant)["status"] == 200
    thief = new_key()
    message = grant.created["signatureRequest"]["data"]["message"]
    forged_call = message["call"].replace(grant.key.address[2:].lower(), thief.address[2:].lower())
    assert forged_call != message["call"]
    typed = {"data": {"message": {**message, "call": forged_call}}}
    forged = Grant({**grant.created, "signatureRequest": typed}, JUNK, thief)
    error = catch_error(wallet, forged, {"context": blob_of(wallet, forged)})
    assert error.reason == "signature_invalid"
    assert grant.key.address in error.message


@pytest.mark.parametrize("form", [0, 1, 2])
def test_a_signature_may_have_v_0_or_1(wallet: Wallet, form: int) -> None:
    made = wallet.grant(ROOT)
    grant = replace(made, signature=other_v(made.signature))
    form_permissions = contexts(wallet, grant)[form]
    for _ in range(2):  # installing, then installed
        prepared = wallet.prepare({"to": FRIEND}, permissions=form_permissions)
        assert send_with_other_v(wallet, wallet.sign(prepared, grant.key, form_permissions)) == 200
    assert send_with_other_v(wallet, wallet.sign(wallet.prepare({"to": FRIEND}), wallet.owner, None)) == 200


def send_with_other_v(wallet: Wallet, request: dict[str, Any]) -> int:
    request["signature"]["data"] = other_v(request["signature"]["data"])
    sent = wallet.client.rpc("wallet_sendPreparedCalls", request)
    status: int = wallet.wait_until_final(sent["id"])["status"]
    return status
