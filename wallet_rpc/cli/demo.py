"""`wallet-rpc demo`: a grant and its calls against a server, with each step explained.

The demo is an ordinary client: it creates its own keys and uses only JSON-RPC over HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace

import httpx2
from eth_account import Account

from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.cli.demo_assets import LIMIT, choose_asset
from wallet_rpc.cli.demo_client import DemoFailed, read_balance, say
from wallet_rpc.cli.demo_funds import EmbeddedChain, Funder, Payer
from wallet_rpc.cli.demo_sessions import show_sessions
from wallet_rpc.cli.demo_story import Story, grant_session
from wallet_rpc.client import AsyncWalletClient, ClientError, Grant, RpcError
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.domain.web_url import is_local_url
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.listener import bind_socket, host_url, serve_in_background

_ANY_POLICY = "11111111-2222-4333-8444-555555555555"
"""A sponsorship policy of the embedded chain, which accepts any."""
_GAS_SHARES = 12
"""The cost of the demo's operations, in those of the account's deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of the demo: the server, and who pays on a chain that is not embedded."""

    url: str | None = None
    key: str | None = None
    """An API key, if the server requires one."""
    funder: bytes | None = None
    """The private key of a funded account, which pays the demo's account."""
    policy: str | None = None
    """The sponsorship policy that pays for gas; without one, the account pays where the chain is not embedded."""


async def play(options: DemoOptions, settings: Settings) -> int:
    """Run the demo and return the exit status: 0 for success."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_server(options.url, settings))
        client = await stack.enter_async_context(AsyncWalletClient(url, api_key=options.key))
        try:
            await _play(stack, client, options)
        except (DemoFailed, ClientError) as error:
            say(f"\nThe demo failed: {error}")
            return 1
    return 0


@asynccontextmanager
async def _server(url: str | None, settings: Settings) -> AsyncIterator[str]:
    """Yield the URL of the given server, of one that runs at the settings' address, or of a new ephemeral one."""
    running = (url or host_url(settings.host, settings.port)).rstrip("/")
    async with httpx2.AsyncClient(timeout=2, trust_env=not is_local_url(running)) as http:
        try:
            (await http.get(running + "/ready")).raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL):
            if url is not None:
                expected = "no server" if running.count("/") < 3 else "expected a server's URL without a path, and none"
                raise SettingError(f"--url: {expected} is ready at {mask_credentials(url)}") from None
        else:
            say(f"Using the server at {mask_credentials(running)}.")
            yield running
            return
    say("No server is running; starting an ephemeral one.")
    log_lines.configure(json=False, level="warning")
    private = replace(
        settings, host="127.0.0.1", port=0, workers=1, redis_url=None, chains=(), paymaster_key=None, open=True
    )
    with bind_socket(private) as listener:
        app_context = open_dev_server(private, DevOptions(ephemeral=True))
        async with app_context as app, serve_in_background(app, listener) as server_url:
            yield server_url


async def _play(stack: AsyncExitStack, client: AsyncWalletClient, options: DemoOptions) -> None:
    key = Account.from_key(secrets.token_bytes(32))
    owner_key = Account.from_key(secrets.token_bytes(32))
    say(f"\n1. Two new keys\n   owner        {owner_key.address}\n   session key  {key.address}")
    owner = await client.open_account(owner_key)
    say(
        f"\n2. The owner's smart account\n   {owner.account} on chain {owner.chain_id:#x}\n"
        "   its address is derived; nothing is deployed yet"
    )
    payer: Payer = EmbeddedChain(client)
    policy = options.policy
    if options.funder is None and policy is None:
        policy = _ANY_POLICY
    elif options.funder is not None:
        http = await stack.enter_async_context(HttpClient())
        url = client.url if options.key is None else f"{client.url}/v2/{options.key}"
        payer = Funder(http, url, chain_id=owner.chain_id, key=options.funder)
    story = Story(
        client=client,
        owner=owner,
        key=key,
        asset=await choose_asset(client),
        payer=payer,
        policy=policy,
    )
    try:
        await _fund(story, pays_gas=options.policy is None)
        title = "4. A grant for the session key; the owner signs it once. It may"
        grant = await grant_session(story, title)
        await _send_allowed_calls(story, grant)
        await _send_denied_calls(story, grant)
        await show_sessions(story)
        await _show_balances(story)
    except BaseException:
        with suppress(ClientError):  # the first error says what failed
            await _return_funds(story)
        raise
    await _return_funds(story)


async def _fund(story: Story, *, pays_gas: bool) -> None:
    gas = _GAS_SHARES * await story.estimate() if pays_gas else 0
    paid = await story.payer.pay(story.account, story.asset.needed_wei + gas)
    tokens = await story.asset.fund(story.payer, story.account)
    say(f"\n3. Test funds\n   the account now holds {format_ether(paid)} ETH{tokens}")


async def _send_allowed_calls(story: Story, grant: Grant) -> None:
    asset, to = story.asset, story.payer.recipient
    before = await asset.balance(to)
    status = await story.send(grant, asset.transfer(to, 40))
    receipt = (status.receipts or ())[0]
    say(
        f"\n5. The first call deploys the account, installs the session and sends 40 {asset.noun}, "
        "in one user operation"
    )
    paid = "paid by the account" if story.policy is None else "sponsored"
    say(f"   included in transaction {receipt['transactionHash']}, gas {int(receipt['gasUsed'], 16):,}, {paid}")
    await story.send(grant, asset.transfer(to, LIMIT - 40))
    received = await asset.balance(to) - before
    say(
        f"\n6. The session key sends {LIMIT - 40} more, without the owner\n"
        f"   the recipient has received {received} {asset.noun}; the allowance is used up"
    )


async def _send_denied_calls(story: Story, grant: Grant) -> None:
    tries = story.asset.denied_calls(story.payer.recipient)
    say(f"\n7. {'Three' if len(tries) == 3 else 'Two'} calls that the contracts deny")
    for description, call in tries.items():
        try:
            await story.send(grant, call)
        except RpcError as error:
            say(f"   {description}:\n      {error}")
        else:
            raise DemoFailed(f"{description}: expected a denial, but the call was accepted")


async def _show_balances(story: Story) -> None:
    native = format_ether(await read_balance(story.client, story.account))
    asset = story.asset
    held, received = await asset.balance(story.account), await asset.balance(story.payer.recipient)
    say("\n14. Final balances")
    say(f"   the account holds {native} ETH and {held} {asset.noun}, the recipient {received}")


async def _return_funds(story: Story) -> None:
    """Send the rest of the account's native currency back, less twice the cost of gas, since fees may rise."""
    to = story.payer.returns_to
    if to is None:
        return
    balance = await read_balance(story.client, story.account)
    back = {"to": to.hex0x(), "value": "0x1"}
    rest = balance - 2 * (0 if story.policy is not None else await story.estimate(back))
    if rest > 0:
        await story.send(story.owner, {**back, "value": hex(rest)})
        say(f"\n15. The owner returns {format_ether(rest)} ETH to the funder")
