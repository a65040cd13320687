"""Ending a session on chain as specs/sessions.md describes: the test runs the page's Python unchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.strategies import TERMS, harmless_permissions, uint256
from tests.org_sessions.org_client import REVOKE, OrgClient, OrgWallet, open_funded_wallet
from tests.support.constants import CHAINS, FRIEND
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.sdk_values import CompileError
from wallet_rpc.domain.uninstall import burn_nonce_call, uninstall_call_data
from wallet_rpc.domain.validation_install import compile_permissions

CHAIN = CHAINS[0]
PAGE = Path(__file__).parents[2] / "specs" / "sessions.md"
LIMITED = [
    {"type": "native-token-transfer", "data": {"allowance": "0x64"}},
    {"type": "gas-limit", "data": {"limit": hex(10**18)}},
    {"type": "contract-access", "data": {"address": FRIEND}},
]


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """Return the names that the page's Python defines."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102  # code of the page
    return names


@given(st.lists(harmless_permissions, min_size=1, max_size=5), uint256)
def test_the_page_builds_the_same_calls_as_the_server(
    page: dict[str, Any], permissions: list[Permission], nonce: int
) -> None:
    assert page["burn_data"](hex(nonce)) == burn_nonce_call(nonce).data.hex0x()
    try:
        install = compile_permissions(permissions, TERMS)
    except CompileError:
        return
    assert page["uninstall_data"](install.call_data.hex0x()) == uninstall_call_data(install).hex0x()


async def send_as_owner(wallet: OrgWallet, to: str, data: str) -> None:
    """Prepare, sign and send a call of the account's owner, and check that it succeeds."""
    call_id = await wallet.send(await wallet.prepare({"to": to, "data": data}), wallet.owner)
    assert await wallet.status(call_id) == 200


@pytest.mark.parametrize("is_revoked", [False, True])
async def test_a_used_session_is_uninstalled(client: OrgClient, page: dict[str, Any], is_revoked: bool) -> None:
    wallet = await open_funded_wallet(client, CHAIN, permissions=LIMITED)
    await wallet.register()
    grant = wallet.grants[0]
    await wallet.act(CHAIN, grant.permissions)
    if is_revoked:
        await client.ask(REVOKE, id=grant.session_id)

    await send_as_owner(wallet, wallet.account, page["uninstall_data"](grant.message["call"]))

    for form in (grant.permissions, grant.installed_context):
        error = await client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        assert error.reason == ("session_revoked" if is_revoked else "session_not_on_chain")


async def test_an_unused_grant_is_burned(client: OrgClient, page: dict[str, Any]) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    grant = wallet.grants[0]
    await send_as_owner(wallet, str(ENTRY_POINT), page["burn_data"](grant.message["nonce"]))

    for form in (grant.permissions, grant.grant_context):
        error = await client.refusal("wallet_prepareCalls", **wallet.calls(CHAIN, form))
        assert error.reason == "session_not_on_chain"


async def test_burning_does_not_change_an_installed_session(client: OrgClient, page: dict[str, Any]) -> None:
    wallet = await open_funded_wallet(client, CHAIN)
    grant = wallet.grants[0]
    await wallet.act(CHAIN, grant.permissions)

    await send_as_owner(wallet, str(ENTRY_POINT), page["burn_data"](grant.message["nonce"]))

    assert await wallet.act(CHAIN, grant.permissions)
