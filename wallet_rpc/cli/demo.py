"""`wallet-rpc demo`: a grant and its calls against a server, with each step explained.

The demo is an ordinary client: it creates its own keys and uses only JSON-RPC over HTTP.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from wallet_rpc.config.settings import SettingError, Settings
from wallet_rpc.dev_server import DevOptions, open_dev_server
from wallet_rpc.devchain.dev_constants import TEST_TOKEN
from wallet_rpc.domain import abi
from wallet_rpc.domain.describe import describe_expiry, describe_permission
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.listener import bind_socket, host_url, serve_in_background
from wallet_rpc.primitives import Address, Data
from wallet_rpc.wire import decode

HOUR = 3600
TOKEN_LIMIT = 100
"""The total amount of test tokens that the session may transfer, in the smallest unit."""
_MINT = abi.selector_of("mint(address,uint256)")
_BALANCE_OF = abi.selector_of("balanceOf(address)")
_FRIEND = Address(bytes.fromhex("00000000000000000000000000000000f00dcafe"))


class ServerError(Exception):
    """The server returned an error."""


@dataclass(frozen=True, slots=True)
class Client:
    """A JSON-RPC client over HTTP."""

    http: httpx2.AsyncClient
    url: str

    async def call(self, method: str, *params: Any) -> Any:
        """Call a method and return its result. Raises: ServerError with the error's code and message."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        response = (await self.http.post(self.url, json=body)).json()
        if "error" in response:
            raise ServerError(f"{response['error']['message']} (code {response['error']['code']})")
        return response["result"]


def say(text: str = "") -> None:
    """Print one line without buffering."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _sign(signer: LocalAccount, payload: str) -> str:
    return Data(signer.unsafe_sign_hash(Hash32(Data.parse(payload))).signature).hex0x()


def _call(selector: bytes, *words: bytes) -> str:
    return Data(selector + b"".join(words)).hex0x()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The participants of the demo."""

    client: Client
    chain_id: str
    owner: LocalAccount
    key: LocalAccount
    account: str

    async def token_balance(self, holder: bytes) -> int:
        """Read a balance of test tokens, in the smallest unit."""
        call = {"to": TEST_TOKEN.hex0x(), "data": _call(_BALANCE_OF, abi.address(holder))}
        return int(await self.client.call("eth_call", call, "latest"), 16)

    async def send(self, permissions: dict[str, str], *calls: dict[str, str]) -> dict[str, Any]:
        """Prepare calls, sign them with the session key, send them and wait for the receipt."""
        prepared = await self.client.call(
            "wallet_prepareCalls",
            {
                "from": self.account,
                "chainId": self.chain_id,
                "calls": list(calls),
                "capabilities": {
                    "permissions": permissions,
                    "paymasterService": {"policyId": "11111111-2222-4333-8444-555555555555"},
                },
            },
        )
        sent = await self.client.call(
            "wallet_sendPreparedCalls",
            {
                "type": prepared["type"],
                "data": prepared["data"],
                "chainId": prepared["chainId"],
                "capabilities": {"permissions": permissions},
                "signature": {
                    "type": "secp256k1",
                    "data": _sign(self.key, prepared["signatureRequest"]["rawPayload"]),
                },
            },
        )
        for _ in range(100):
            status: dict[str, Any] = await self.client.call("wallet_getCallsStatus", sent["id"])
            if status["status"] >= 200:
                return status
            await asyncio.sleep(0.1)
        raise ServerError("the call was not included within ten seconds")


async def play(url: str | None, settings: Settings, *, key: str | None = None) -> int:
    """Run the demo, with an API key if the server requires one, and return the exit status: 0 for success."""
    headers = {} if key is None else {"x-api-key": key}
    async with _server(url, settings) as server_url, httpx2.AsyncClient(timeout=30, headers=headers) as http:
        try:
            await _story(Client(http, server_url))
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
                raise SettingError(f"--url: no server is ready at {url}") from None
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


async def _story(client: Client) -> None:
    chain_id = await client.call("eth_chainId")
    owner = Account.from_key(secrets.token_bytes(32))
    key = Account.from_key(secrets.token_bytes(32))
    say(f"\n1. Two new keys\n   owner        {owner.address}\n   session key  {key.address}")
    account = (await client.call("wallet_requestAccount", {"signerAddress": owner.address}))["accountAddress"]
    say(
        f"\n2. The owner's smart account\n   {account} on chain {chain_id}\n"
        "   its address is derived; nothing is deployed yet"
    )
    story = Story(client=client, chain_id=chain_id, owner=owner, key=key, account=account)
    await _fund(story)
    permissions = await _grant(story)
    await _send_allowed_calls(story, permissions)
    await _send_denied_calls(story, permissions)
    await _show_balances(story)


async def _fund(story: Story) -> None:
    accounts = await story.client.call("eth_accounts")
    minter = {"from": accounts[0], "to": TEST_TOKEN.hex0x()}
    data = _call(_MINT, abi.address(Address.parse(story.account)), abi.uint(1000))
    await story.client.call("anvil_setBalance", story.account, hex(10**18))
    await story.client.call("eth_sendTransaction", {**minter, "data": data})
    say("\n3. Test funds\n   the account now holds 1 ETH and 1000 test tokens")


def _build_permissions(token: Address) -> list[dict[str, Any]]:
    return [
        {"type": "erc20-token-transfer", "data": {"address": token.hex0x(), "allowance": hex(TOKEN_LIMIT)}},
        {"type": "native-token-transfer", "data": {"allowance": hex(10**16)}},
    ]


async def _grant(story: Story) -> dict[str, str]:
    deadline = int(time.time()) + HOUR
    requested = _build_permissions(TEST_TOKEN)
    created = await story.client.call(
        "wallet_createSession",
        {
            "account": story.account,
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


def _transfer(amount: int) -> dict[str, str]:
    return {"to": TEST_TOKEN.hex0x(), "data": _call(abi.ERC20_TRANSFER, abi.address(_FRIEND), abi.uint(amount))}


async def _send_allowed_calls(story: Story, permissions: dict[str, str]) -> None:
    before = await story.token_balance(_FRIEND)
    status = await story.send(permissions, _transfer(40))
    receipt = status["receipts"][0]
    say("\n5. The first call deploys the account, installs the session and sends 40 tokens, in one user operation")
    say(f"   included in transaction {receipt['transactionHash']}, gas {int(receipt['gasUsed'], 16):,}, sponsored")
    await story.send(permissions, _transfer(60))
    received = await story.token_balance(_FRIEND) - before
    say(
        "\n6. The session key sends 60 more, without the owner\n"
        f"   the recipient has received {received} tokens; the allowance is used up"
    )


async def _send_denied_calls(story: Story, permissions: dict[str, str]) -> None:
    say("\n7. Three calls that the contracts deny")
    stranger = Address(bytes.fromhex("000000000000000000000000000000000000beef"))
    mint = _call(_MINT, abi.address(_FRIEND), abi.uint(1))
    tries = {
        "one token more than the limit": _transfer(1),
        "another function of the token": {"to": TEST_TOKEN.hex0x(), "data": mint},
        "another contract": {"to": stranger.hex0x(), "data": "0x12345678"},
    }
    for description, call in tries.items():
        try:
            await story.send(permissions, call)
        except ServerError as error:
            say(f"   {description}:\n      {error}")
        else:
            raise ServerError(f"{description}: expected a denial, but the call was accepted")


async def _show_balances(story: Story) -> None:
    account = Address.parse(story.account)
    native = int(await story.client.call("eth_getBalance", story.account, "latest"), 16)
    say("\n8. Final balances")
    say(
        f"   the account holds {native / 10**18:g} ETH and {await story.token_balance(account)} tokens, "
        f"the recipient {await story.token_balance(_FRIEND)}"
    )
