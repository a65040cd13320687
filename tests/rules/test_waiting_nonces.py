"""Calls of a session while one of its calls waits for an approval: they take its place, or have another nonce key."""

from __future__ import annotations

from tests.org_sessions.org_client import OrgClient
from tests.rules.ruled import PREPARE, act, denial, open_ruled, pay, usage
from tests.rules.test_approvals import ABOVE, TOTAL, send_waiting, status_of


async def test_the_error_of_a_session_whose_installation_waits_says_so(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE)
    await send_waiting(wallet)
    refused = await denial(wallet, pay(1))
    assert (refused.reason, "waits for an approval" in refused.text) == ("session_install_pending", True)


async def test_a_call_takes_the_place_of_one_that_waits_unless_it_has_another_nonce_key(client: OrgClient) -> None:
    wallet = await open_ruled(client, ABOVE, TOTAL)
    assert await act(wallet, pay(1)) == 200
    call_id = await send_waiting(wallet, 6)
    permissions, parallel = wallet.grants[0].permissions, {"nonceKey": "0x7"}
    request = wallet.build_calls(pay(2), permissions=permissions, nonceOverride=parallel)
    sent = await wallet.send(await client.rpc(PREPARE, request), wallet.key, permissions)
    assert await wallet.status(sent) == 200
    assert await wallet.status(call_id) == 100

    assert await act(wallet, pay(3)) == 200
    status = await status_of(wallet, call_id)
    assert (status["status"], status["details"]["data"]["error"]["data"]["reason"]) == (400, "stale_nonce")
    counts = (await usage(wallet))[1]["usage"]
    assert (counts["used"], counts["reserved"]) == ("0x6", "0x0")
