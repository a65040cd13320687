"""The examples in openrpc.yaml: requests with values of the golden vectors, and the results of a real server.

`python -m tests.documents.examples` records them.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx2
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.e2e.quote_provider import serve_quotes
from tests.e2e.server import run_dev_server
from tests.e2e.standards import ask
from tests.support.calls import call_data
from tests.support.constants import FRIEND, HOUR, POLICY, TOKEN
from tests.support.keys import sign_digest, sign_request
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from tests.support.web_socket import open_socket
from wallet_rpc.config.settings import Settings
from wallet_rpc.edge.api_documents import EXAMPLES

Json = dict[str, Any]
SWAP_ID = "0x" + "ab" * 65
VECTORS = Path(__file__).parents[2] / "specs" / "vectors"
POSITIONAL = {
    "wallet_getGrantedExecutionPermissions": ("filter",),
    "wallet_getSupportedExecutionPermissions": (),
    "wallet_getCallsStatus": ("callId",),
    "wallet_getCapabilities": ("address", "chainIds"),
    "wallet_getCrossChainStatus_v0": ("callId",),
    "wallet_subscribe": ("kind", "filter"),
    "wallet_unsubscribe": ("subscription",),
}
"""Names of the parameters of methods that do not take one request object."""


def vector(family: str, name: str) -> Json:
    """Return a golden vector by its id."""
    vectors = json.loads((VECTORS / f"{family}.json").read_text("utf-8"))["vectors"]
    return next(each for each in vectors if each["id"] == name)


class Recorder:
    """Sends requests, and keeps each with its result as an example."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.examples: dict[str, list[Json]] = {}

    def ask(self, name: str, method: str, *params: Any) -> Any:
        """Send a request that succeeds, and return its result."""
        result = ask(self.client, method, *params)
        self.add(name, method, *params, result={"name": "result", "value": result})
        return result

    def reject(self, name: str, method: str, *params: Any) -> None:
        """Send a request that is always rejected, and keep the error, since every example needs a result."""
        try:
            self.client.rpc(method, *params)
        except RpcError as error:
            value = {"code": error.code, "message": error.message, "data": error.data}
            result = {"name": "error", "summary": "The response has this error in place of a result.", "value": value}
            self.add(name, method, *params, result=result)
        else:
            raise AssertionError(method)

    def add(self, name: str, method: str, *params: Any, **more: Any) -> None:
        names = POSITIONAL.get(method, ("request",))
        given = [{"name": one, "value": value} for one, value in zip(names, params, strict=False)]
        self.examples.setdefault(method, []).append({"name": name, "params": given, **more})


def record_all() -> dict[str, list[Json]]:
    """Return the examples of all methods, with those of a new server that has a quote provider."""
    with (
        serve_quotes() as provider,
        run_dev_server(settings=Settings(quote_url=provider.url)) as url,
        httpx2.Client(timeout=30) as http,
    ):
        recorder = Recorder(Client(url, http=http))
        wallet = record(recorder)
        provider.quotes({"to": TOKEN, "data": "0x"}, callId=SWAP_ID)
        _record_swap(recorder, wallet)
        provider.answer = {"result": {"type": "cross-chain", "id": SWAP_ID, "status": 100}}
        recorder.ask("a pending swap", "wallet_getCrossChainStatus_v0", SWAP_ID)
    return recorder.examples


def record(recorder: Recorder) -> Wallet:
    """Record the examples of the methods that need no quote provider, and return the wallet that sent them."""
    owner: LocalAccount = Account.from_key(vector("permissions", "perm-0000")["in"]["ownerKey"])
    session: LocalAccount = Account.from_key(vector("signatures", "signatures-0000")["signerKey"])
    wallet = Wallet(recorder.client, owner).fund()
    _record_accounts(recorder, owner)
    _record_session(recorder, wallet, session)
    _record_call(recorder, wallet)
    _record_keyed_call(recorder, wallet)
    _record_message(recorder, wallet)
    _record_drafts(recorder, wallet, session)
    _record_granted(recorder, wallet)
    _record_rules(recorder, wallet)
    _record_stops(recorder, wallet, session)
    recorder.ask("every chain", "wallet_getCapabilities", wallet.account)
    recorder.ask("one chain", "wallet_getCapabilities", wallet.account, [wallet.chain_id])
    asyncio.run(_record_subscription(recorder, wallet))
    recorder.reject("a server without keys", "wallet_sendCalls", wallet.build_calls({"to": FRIEND}))
    return wallet


def _record_accounts(recorder: Recorder, owner: LocalAccount) -> None:
    signer = vector("addresses", "addresses-0000")["owner"]
    request = {"signerAddress": signer, "includeCounterfactualInfo": True}
    recorder.ask("a first account, with the call that deploys it", "wallet_requestAccount", request)
    recorder.ask("the accounts of a signer", "wallet_listAccounts", {"signerAddress": owner.address})


def _record_session(recorder: Recorder, wallet: Wallet, session: LocalAccount) -> None:
    permissions = vector("permissions", "perm-0004")["in"]["permissions"]
    request = wallet.build_session(permissions, session)
    created = recorder.ask("an hour of transfers of one token", "wallet_createSession", request)
    tagged = {"sessionId": created["sessionId"], "tags": ["agents"]}
    recorder.ask("a tag", "wallet_setSessionTags", tagged)
    recorder.ask("a session that is not used yet", "wallet_getSession", {"sessionId": created["sessionId"]})
    listed = {"account": wallet.account, "tag": "agents", "limit": 10}
    recorder.ask("the sessions of an account with a tag", "wallet_listSessions", listed)
    token = permissions[0]["data"]["address"]
    data = call_data("transfer(address,uint256)", FRIEND, 10**30)
    explained = {"sessionId": created["sessionId"], "calls": [{"to": token, "data": data}]}
    recorder.ask("a transfer above the limit", "wallet_explainCalls", explained)


def _record_call(recorder: Recorder, wallet: Wallet) -> None:
    request = {
        "from": wallet.account,
        "chainId": wallet.chain_id,
        "calls": [{"to": FRIEND, "value": "0xe35fa931a0000"}],
        "capabilities": {"paymasterService": {"policyId": POLICY}},
    }
    prepared = recorder.ask("a sponsored transfer", "wallet_prepareCalls", request)
    sent = recorder.ask("a signed transfer", "wallet_sendPreparedCalls", wallet.sign(prepared, wallet.owner))
    wallet.wait_until_final(sent["id"])
    recorder.ask("a confirmed call", "wallet_getCallsStatus", sent["id"])


def _record_keyed_call(recorder: Recorder, wallet: Wallet) -> None:
    key = {"type": "secp256k1", "publicKey": wallet.owner.address}
    request = {
        "from": wallet.account,
        "chainId": wallet.chain_id,
        "calls": [{"to": FRIEND, "value": "0x1"}],
        "key": key,
    }
    prepared = recorder.ask("a transfer in the form of ERC-7836", "wallet_prepareCalls", request)
    signature = sign_digest(wallet.owner, prepared["digest"])
    send = {"context": prepared["context"], "key": key, "signature": signature, "chainId": wallet.chain_id}
    recorder.ask("a signed digest of ERC-7836", "wallet_sendPreparedCalls", send)


def _record_message(recorder: Recorder, wallet: Wallet) -> None:
    common = {"from": wallet.account, "chainId": wallet.chain_id}
    request = {**common, "signatureRequest": {"type": "personal_sign", "data": "Hello"}}
    prepared = recorder.ask("a text", "wallet_prepareSign", request)
    signature = {"type": "secp256k1", "data": sign_request(wallet.owner, prepared["signatureRequest"])}
    recorder.ask("the owner's signature", "wallet_formatSign", {**common, "signature": signature})


def _record_drafts(recorder: Recorder, wallet: Wallet, session: LocalAccount) -> None:
    key = {"type": "secp256k1", "publicKey": session.address}
    permission = {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}}
    grant = {
        "chainId": wallet.chain_id,
        "address": wallet.account,
        "expiry": int(time.time()) + HOUR,
        "signer": {"type": "key", "data": key},
        "permissions": [permission],
    }
    recorder.ask("a hundred units of a token", "wallet_grantPermissions", grant)
    request = {
        "chainId": wallet.chain_id,
        "from": wallet.account,
        "to": session.address,
        "permission": permission,
        "rules": [{"type": "expiry", "data": {"timestamp": int(time.time()) + HOUR}}],
    }
    recorder.ask("a hundred units of a token", "wallet_requestExecutionPermissions", request)


def _record_granted(recorder: Recorder, wallet: Wallet) -> None:
    """Record the permissions of a session that the owner signed, and its revocation by its key."""
    recorder.ask("all kinds of permission", "wallet_getSupportedExecutionPermissions")
    grant = wallet.grant({"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}})
    wallet.prepare({"to": TOKEN, "data": "0xa9059cbb" + "00" * 64}, permissions=grant.permissions)
    named = {"from": wallet.account, "to": grant.key.address}
    (granted,) = recorder.ask("the permissions of one key", "wallet_getGrantedExecutionPermissions", named)
    change = wallet.client.rpc("wallet_prepareSessionChange", {"sessionId": grant.session_id, "action": "revoke"})
    signed = {
        "nonce": change["nonce"],
        "deadline": change["deadline"],
        "signature": sign_request(grant.key, change["signatureRequest"]),
    }
    revocation = {"permissionContext": granted["context"], "ownerSignature": signed}
    recorder.ask("a session that its own key gives up", "wallet_revokeExecutionPermission", revocation)


def _record_stops(recorder: Recorder, wallet: Wallet, session: LocalAccount) -> None:
    """Record the stops of an installed session, which the owner signs, since the recorder has no API key."""
    grant = wallet.grant({"type": "root"}, key=session)
    wallet.act(grant, {"to": TOKEN, "data": call_data("transfer(address,uint256)", FRIEND, 5)})
    named = {"sessionId": grant.session_id}
    recorder.ask("a session that sent tokens", "wallet_getSession", named)
    owned = {"account": wallet.account, "chainId": wallet.chain_id}
    paid = {"capabilities": {"paymasterService": {"policyId": POLICY}}}

    def sign(prepared: Json) -> Json:
        signature = sign_request(wallet.owner, prepared["signatureRequest"])
        return {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}

    def signed(action: str, **subject: Any) -> Json:
        return sign(recorder.client.rpc("wallet_prepareSessionChange", {**subject, "action": action}))

    pause = {**named, "action": "pause"}
    signature = sign(recorder.ask("a pause for the owner to sign", "wallet_prepareSessionChange", pause))
    recorder.ask("a pause that the owner signed", "wallet_pauseSession", {**named, "ownerSignature": signature})
    resumption = {**named, "ownerSignature": signed("resume", **named)}
    recorder.ask("a resumption that the owner signed", "wallet_resumeSession", resumption)
    key = {"type": "secp256k1", "publicKey": vector("addresses", "addresses-0000")["owner"]}
    recorder.ask("a new key for an installed session", "wallet_rotateSessionKey", {**named, "newKey": key, **paid})
    scope = {"scope": {"account": wallet.account}, "chainId": wallet.chain_id}
    stop = {**scope, "mode": "pause", "ownerSignature": signed("pauseAccount", **owned)}
    recorder.ask("all sessions of the owner's account", "wallet_stopSessions", stop)
    recorder.ask("the kill switches of the organisation", "wallet_listStops", {"limit": 10})
    start = {**scope, "ownerSignature": signed("resumeAccount", **owned)}
    recorder.ask("the end of that stop", "wallet_resumeSessions", start)
    revocation = {**named, "ownerSignature": signed("revoke", **named), **paid}
    recorder.ask("a revocation, with the operation that uninstalls the session", "wallet_revokeSession", revocation)


def _record_rules(recorder: Recorder, wallet: Wallet) -> None:
    """Record rules that the owner signs, and the owner's decisions on two calls that wait because of them."""
    grant = wallet.grant({"type": "root"}, rules=[{"type": "approval", "above": "0x5"}])
    named = {"sessionId": grant.session_id}

    def sign(action: str, **subject: Any) -> Json:
        change = recorder.client.rpc("wallet_prepareSessionChange", {**named, "action": action, **subject})
        signature = sign_request(wallet.owner, change["signatureRequest"])
        return {**subject, "ownerSignature": {**{n: change[n] for n in ("nonce", "deadline")}, "signature": signature}}

    for name, action in (("a rejection", "rejectCalls"), ("an approval", "approveCalls")):
        prepared = wallet.prepare({"to": FRIEND, "value": "0x6"}, permissions=grant.permissions)
        sent = wallet.send(prepared, grant.key, grant.permissions)
        recorder.ask("the calls of an account that wait", "wallet_listApprovals", {"account": wallet.account})
        recorder.ask(f"{name} by the owner", f"wallet_{action}", sign(action, callId=sent))
    daily = sign("setRules", rules=[{"type": "amount", "limit": "0xde0b6b3a7640000", "period": "day"}])
    recorder.ask("an amount a day, signed by the owner", "wallet_setSessionRules", {**named, **daily})


async def _record_subscription(recorder: Recorder, wallet: Wallet) -> None:
    async with open_socket(recorder.client.url) as client:
        params = "calls", {"account": wallet.account}
        subscription = await client.result("wallet_subscribe", *params)
        value = {"name": "result", "value": subscription}
        recorder.add("the calls of one account", "wallet_subscribe", *params, result=value)
        value = {"name": "result", "value": await client.result("wallet_unsubscribe", subscription)}
        recorder.add("the end of a subscription", "wallet_unsubscribe", subscription, result=value)


def _record_swap(recorder: Recorder, wallet: Wallet) -> None:
    request = {
        "from": wallet.account,
        "chainId": wallet.chain_id,
        "fromToken": "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE",
        "toToken": TOKEN,
        "fromAmount": "0x7",
        "returnRawCalls": True,
    }
    recorder.ask("the calls of a swap", "wallet_requestQuote_v0", request)


def outline(value: Any) -> Any:
    """Return the members and types of a value, without its contents; several equal items of a list are one."""
    match value:
        case dict():
            return {name: outline(member) for name, member in value.items()}
        case list():
            items = [outline(item) for item in value]
            return [item for index, item in enumerate(items) if item not in items[:index]]
        case _:
            return type(value).__name__


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(record_all(), indent=1) + "\n", "utf-8")
