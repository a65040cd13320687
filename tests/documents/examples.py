"""The examples in openrpc.yaml: requests with values of the golden vectors, and the results of a real server.

`python -m tests.documents.examples` records them.
"""

from __future__ import annotations

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
from tests.support.constants import FRIEND, HOUR, POLICY, TOKEN
from tests.support.keys import sign_digest, sign_request
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.config.settings import Settings
from wallet_rpc.edge.api_documents import EXAMPLES

Json = dict[str, Any]
SWAP_ID = "0x" + "ab" * 65
VECTORS = Path(__file__).parents[2] / "specs" / "vectors"
POSITIONAL = {
    "wallet_getCallsStatus": ("callId",),
    "wallet_getCapabilities": ("address", "chainIds"),
    "wallet_getCrossChainStatus_v0": ("callId",),
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
    recorder.ask("every chain", "wallet_getCapabilities", wallet.account)
    recorder.ask("one chain", "wallet_getCapabilities", wallet.account, [wallet.chain_id])
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
    recorder.ask("an hour of transfers of one token", "wallet_createSession", request)


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
    """Return the members and types of a value, without its contents."""
    match value:
        case dict():
            return {name: outline(member) for name, member in value.items()}
        case list():
            return [outline(item) for item in value]
        case _:
            return type(value).__name__


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(record_all(), indent=1) + "\n", "utf-8")
