"""`wallet-rpc demo`: a grant and its calls against a server, with each step explained.

The demo is an ordinary client: it creates its own keys and uses only JSON-RPC over HTTP.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.cli.demo_assets import LIMIT, Asset, choose_asset
from wallet_rpc.cli.demo_client import Client, ServerError, say
from wallet_rpc.cli.demo_funds import EmbeddedChain, Funder, Payer
from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.domain.describe import describe_expiry, describe_permission
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.listener import bind_socket, host_url, serve_in_background
from wallet_rpc.primitives import Address, Data
from wallet_rpc.wire import decode

HOUR = 3600
_ANY_POLICY = "11111111-2222-4333-8444-555555555555"
"""A sponsorship policy of the embedded chain, which accepts any."""
_GAS_SHARES = 6
"""The cost of the demo's operations, in those of the account's deployment."""
_INCLUDED_SECONDS = 180.0
_POLL_SECONDS = 0.1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The participants of the demo."""

    client: Client
    chain_id: str
    owner: LocalAccount
    key: LocalAccount
    account: Address
    asset: Asset
    payer: Payer
    policy: str | None

    async def estimate(self, *calls: dict[str, str]) -> int:
        """Return the maximum cost of the owner's calls in wei, if the account pays."""
        capabilities = {"paymasterService": {"onlyEstimation": True}}
        prepared = await self._prepare(calls, capabilities)
        return int(prepared["feePayment"]["maxAmount"], 16)

    async def send(self, calls: Sequence[dict[str, str]], permissions: dict[str, str] | None = None) -> dict[str, Any]:
        """Prepare calls, sign them with the session key (without permissions: the owner's), and await the receipt."""
        granted = {} if permissions is None else {"permissions": permissions}
        sponsored = {} if self.policy is None else {"paymasterService": {"policyId": self.policy}}
        prepared = await self._prepare(calls, {**granted, **sponsored})
        signer = self.owner if permissions is None else self.key
        sent = await self.client.call(
            "wallet_sendPreparedCalls",
            {
                "type": prepared["type"],
                "data": prepared["data"],
                "chainId": prepared["chainId"],
                "capabilities": granted,
                "signature": {"type": "secp256k1", "data": _sign(signer, prepared["signatureRequest"]["rawPayload"])},
            },
        )
        ends = time.monotonic() + _INCLUDED_SECONDS
        while time.monotonic() < ends:
            status: dict[str, Any] = await self.client.call("wallet_getCallsStatus", sent["id"])
            if status["status"] >= 200:
                return status
            await asyncio.sleep(_POLL_SECONDS)
        raise ServerError(f"the call was not final within {_INCLUDED_SECONDS:.0f} seconds")

    async def _prepare(self, calls: Sequence[dict[str, str]], capabilities: dict[str, Any]) -> Any:
        request = {
            "from": self.account.hex0x(),
            "chainId": self.chain_id,
            "calls": list(calls),
            "capabilities": capabilities,
        }
        return await self.client.call("wallet_prepareCalls", request)


def _sign(signer: LocalAccount, payload: str) -> str:
    return Data(signer.unsafe_sign_hash(Hash32(Data.parse(payload))).signature).hex0x()


async def play(options: DemoOptions, settings: Settings) -> int:
    """Run the demo and return the exit status: 0 for success."""
    headers = {} if options.key is None else {"x-api-key": options.key}
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_server(options.url, settings))
        client = Client(await stack.enter_async_context(httpx2.AsyncClient(timeout=60, headers=headers)), url)
        try:
            await _play(stack, client, options)
        except ServerError as error:
            say(f"\nThe demo failed: {error}")
            return 1
        except (httpx2.HTTPError, ValueError) as error:
            say(f"\nThe server sent no valid response: {error}")
            return 1
    return 0


@asynccontextmanager
async def _server(url: str | None, settings: Settings) -> AsyncIterator[str]:
    """Yield the URL of the given server, of one that runs at the settings' address, or of a new ephemeral one."""
    running = (url or host_url(settings.host, settings.port)).rstrip("/")
    async with httpx2.AsyncClient(timeout=2) as http:
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


async def _play(stack: AsyncExitStack, client: Client, options: DemoOptions) -> None:
    chain_id = await client.call("eth_chainId")
    owner = Account.from_key(secrets.token_bytes(32))
    key = Account.from_key(secrets.token_bytes(32))
    say(f"\n1. Two new keys\n   owner        {owner.address}\n   session key  {key.address}")
    account = (await client.call("wallet_requestAccount", {"signerAddress": owner.address}))["accountAddress"]
    say(
        f"\n2. The owner's smart account\n   {account} on chain {chain_id}\n"
        "   its address is derived; nothing is deployed yet"
    )
    payer: Payer = EmbeddedChain(client)
    policy = options.policy
    if options.funder is None and policy is None:
        policy = _ANY_POLICY
    elif options.funder is not None:
        http = await stack.enter_async_context(HttpClient())
        url = client.url if options.key is None else f"{client.url}/v2/{options.key}"
        payer = Funder(http, url, chain_id=int(chain_id, 16), key=options.funder)
    story = Story(
        client=client,
        chain_id=chain_id,
        owner=owner,
        key=key,
        account=Address.parse(account),
        asset=await choose_asset(client),
        payer=payer,
        policy=policy,
    )
    try:
        await _fund(story, pays_gas=options.policy is None)
        permissions = await _grant(story)
        await _send_allowed_calls(story, permissions)
        await _send_denied_calls(story, permissions)
        await _show_balances(story)
    except BaseException:
        with suppress(ServerError, httpx2.HTTPError):  # the first error says what failed
            await _return_funds(story)
        raise
    await _return_funds(story)


async def _fund(story: Story, *, pays_gas: bool) -> None:
    gas = _GAS_SHARES * await story.estimate() if pays_gas else 0
    paid = await story.payer.pay(story.account, story.asset.needed_wei + gas)
    tokens = await story.asset.fund(story.payer, story.account)
    say(f"\n3. Test funds\n   the account now holds {format_ether(paid)} ETH{tokens}")


async def _grant(story: Story) -> dict[str, str]:
    # the chain decides about the expiry, and the server rejects one that is in the past of this machine
    deadline = max(await story.client.chain_time(), int(time.time())) + HOUR
    requested = story.asset.permissions()
    created = await story.client.call(
        "wallet_createSession",
        {
            "account": story.account.hex0x(),
            "chainId": story.chain_id,
            "expirySec": deadline,
            "key": {"type": "secp256k1", "publicKey": story.key.address},
            "permissions": requested,
        },
    )
    permissions: Sequence[Permission] = decode(list[Permission], requested)
    say("\n4. A grant for the session key; the owner signs it once. It may")
    for permission in permissions:
        say(f"   - {describe_permission(permission)},")
    say(f"   {describe_expiry(deadline)}.")
    signature = _sign(story.owner, created["signatureRequest"]["rawPayload"])
    return {"sessionId": created["sessionId"], "signature": signature}


async def _send_allowed_calls(story: Story, permissions: dict[str, str]) -> None:
    asset, to = story.asset, story.payer.recipient
    before = await asset.balance(to)
    status = await story.send([asset.transfer(to, 40)], permissions)
    receipt = status["receipts"][0]
    say(
        f"\n5. The first call deploys the account, installs the session and sends 40 {asset.noun}, "
        "in one user operation"
    )
    paid = "paid by the account" if story.policy is None else "sponsored"
    say(f"   included in transaction {receipt['transactionHash']}, gas {int(receipt['gasUsed'], 16):,}, {paid}")
    await story.send([asset.transfer(to, LIMIT - 40)], permissions)
    received = await asset.balance(to) - before
    say(
        f"\n6. The session key sends {LIMIT - 40} more, without the owner\n"
        f"   the recipient has received {received} {asset.noun}; the allowance is used up"
    )


async def _send_denied_calls(story: Story, permissions: dict[str, str]) -> None:
    tries = story.asset.denied_calls(story.payer.recipient)
    say(f"\n7. {'Three' if len(tries) == 3 else 'Two'} calls that the contracts deny")
    for description, call in tries.items():
        try:
            await story.send([call], permissions)
        except ServerError as error:
            say(f"   {description}:\n      {error}")
        else:
            raise ServerError(f"{description}: expected a denial, but the call was accepted")


async def _show_balances(story: Story) -> None:
    native = format_ether(await story.client.balance(story.account.hex0x()))
    asset = story.asset
    held, received = await asset.balance(story.account), await asset.balance(story.payer.recipient)
    say("\n8. Final balances")
    say(f"   the account holds {native} ETH and {held} {asset.noun}, the recipient {received}")


async def _return_funds(story: Story) -> None:
    """Send the rest of the account's native currency back, less twice the cost of gas, since fees may rise."""
    to = story.payer.returns_to
    if to is None:
        return
    balance = await story.client.balance(story.account.hex0x())
    back = {"to": to.hex0x(), "value": "0x1"}
    rest = balance - 2 * (0 if story.policy is not None else await story.estimate(back))
    if rest > 0:
        await story.send([{**back, "value": hex(rest)}])
        say(f"\n9. The owner returns {format_ether(rest)} ETH to the funder")
