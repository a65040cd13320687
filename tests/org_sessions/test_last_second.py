"""The registered end of a session, the end of its grant, and the maximum: one second before, at and after each."""

from __future__ import annotations

import time

import pytest

from tests.org_sessions.org_client import CREATE, GET, LIST, REVOKE, OrgClient, OrgWallet, open_funded_wallet
from tests.org_sessions.test_ended import FORMS, INSTALLED, prepare
from tests.support.constants import CHAINS, HOUR
from wallet_rpc.domain.times import format_time

CHAIN = CHAINS[0]
YEAR = 365 * 86_400


async def test_a_session_may_act_until_the_second_of_its_registered_end(client: OrgClient) -> None:
    """The end is the first second at which the session is rejected, in every form; the grant is still valid."""
    wallet = await open_funded_wallet(client, CHAIN)
    end = int(time.time()) + HOUR // 2
    await wallet.register(expiresAt=format_time(end))
    await wallet.act(CHAIN, wallet.grants[0].permissions)  # installs the session, which one form needs
    for form, named in FORMS.items():
        request = wallet.calls(CHAIN, named(wallet.grants[0]))
        to_send = await prepare(wallet, request, is_keyed=False)
        for second, expected in ((end + 1, "session_expired"), (end, "session_expired"), (end - 1, None)):
            then = client.at(second)
            assert await then.reason("wallet_prepareCalls", **request) == expected, (form, second - end)
            assert await then.reason("wallet_sendPreparedCalls", **to_send) == expected, (form, second - end)
    assert INSTALLED in FORMS


@pytest.mark.parametrize(("moment", "status"), [(-1, "active"), (0, "expired"), (1, "expired")])
async def test_a_session_is_active_and_revocable_until_the_second_of_its_registered_end(
    client: OrgClient, moment: int, status: str
) -> None:
    wallet = await OrgWallet(client).open()
    end = int(time.time()) + HOUR // 2
    group = await wallet.register(expiresAt=format_time(end))
    then = client.at(end + moment)

    assert (await then.ask(GET, id=wallet.grants[0].session_id))["status"] == status
    assert (await then.ask(GET, id=group["sessionGroupId"]))["status"] == status
    assert len((await then.ask(LIST))["items"]) == (len(CHAINS) if status == "active" else 0)
    reason = None if status == "active" else "session_already_expired"
    assert await then.reason(REVOKE, id=wallet.grants[0].session_id) == reason


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        (-1, "expiry_out_of_range"),
        (0, "expiry_out_of_range"),
        (1, None),
        (YEAR - 1, None),
        (YEAR, None),
        (YEAR + 1, "expiry_out_of_range"),
    ],
)
async def test_a_registered_end_is_from_the_next_second_to_a_year_ahead(
    client: OrgClient, ahead: int, reason: str | None
) -> None:
    wallet = await OrgWallet(client).open(chains=(CHAIN,), expirySec=0)
    now = int(time.time())

    assert await client.at(now).reason(CREATE, **wallet.body(expiresAt=format_time(now + ahead))) == reason


@pytest.mark.parametrize(("moment", "reason"), [(-1, None), (0, "expiry_out_of_range"), (1, "expiry_out_of_range")])
async def test_a_grant_is_registered_before_its_last_second(client: OrgClient, moment: int, reason: str | None) -> None:
    """In the grant's last second the session would end at once: the registered end is never later than the grant's."""
    wallet = await OrgWallet(client).open(chains=(CHAIN,))
    then = client.at(wallet.grants[0].message["deadline"] + moment)

    body = wallet.body(expiresAt=format_time(then.ports.clock.now() + HOUR))

    assert await then.reason(CREATE, **body) == reason


@pytest.mark.parametrize(("moment", "reason"), [(-1, None), (0, None), (1, "session_expired")])
async def test_a_session_that_was_not_registered_may_act_in_the_last_second_of_its_grant(
    client: OrgClient, moment: int, reason: str | None
) -> None:
    """The chain allows the same."""
    wallet = await open_funded_wallet(client, CHAIN)
    then = client.at(wallet.grants[0].message["deadline"] + moment)

    for form in (wallet.grants[0].permissions, wallet.grants[0].grant_context):
        assert await then.reason("wallet_prepareCalls", **wallet.calls(CHAIN, form)) == reason
