"""web3.py: an account, a session for a second key, and calls by it, with nothing but a provider and two keys."""

import os
import time
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint

URL = os.environ.get("WALLET_URL", "http://127.0.0.1:4337")
NODE_URL = os.environ.get("NODE_URL", URL)
"""Node that funds accounts; the embedded chain has the same URL."""
POLICY = "11111111-2222-4333-8444-555555555555"

chain = Web3(HTTPProvider(URL))
owner: LocalAccount = Account.create()
session_key: LocalAccount = Account.create()
friend: LocalAccount = Account.create()
chain_id = hex(chain.eth.chain_id)


def rpc(method: str, *params: Any, url: str = URL) -> Any:
    answer: Any = HTTPProvider(url).make_request(RPCEndpoint(method), list(params))
    if "error" in answer:
        raise ValueError(answer["error"]["message"])
    return answer["result"]


account = rpc("wallet_requestAccount", {"signerAddress": owner.address})["accountAddress"]
rpc("anvil_setBalance", account, hex(10**18), url=NODE_URL)

created = rpc(
    "wallet_createSession",
    {
        "account": account,
        "chainId": chain_id,
        "expirySec": int(time.time()) + 3600,
        "key": {"type": "secp256k1", "publicKey": session_key.address},
        "permissions": [
            {"type": "native-token-transfer", "data": {"allowance": hex(10**16)}},
            {"type": "contract-access", "data": {"address": friend.address}},
        ],
    },
)
typed = created["signatureRequest"]["data"]
typed["message"]["nonce"] = int(typed["message"]["nonce"], 16)
signature = owner.sign_message(encode_typed_data(full_message=typed)).signature
permissions = {"sessionId": created["sessionId"], "signature": signature.to_0x_hex()}


def pay(wei: int) -> int:
    """Pay with the session key, and return the final status."""
    prepared = rpc(
        "wallet_prepareCalls",
        {
            "from": account,
            "chainId": chain_id,
            "calls": [{"to": friend.address, "value": hex(wei)}],
            "capabilities": {"permissions": permissions, "paymasterService": {"policyId": POLICY}},
        },
    )
    message = encode_defunct(hexstr=prepared["signatureRequest"]["data"]["raw"])
    sent = rpc(
        "wallet_sendPreparedCalls",
        {
            "type": prepared["type"],
            "data": prepared["data"],
            "chainId": chain_id,
            "capabilities": {"permissions": permissions},
            "signature": {"type": "secp256k1", "data": session_key.sign_message(message).signature.to_0x_hex()},
        },
    )
    while True:
        status: int = rpc("wallet_getCallsStatus", sent["id"])["status"]
        if status >= 200:
            return status
        time.sleep(0.05)


def payment_error(wei: int) -> str:
    """Return the error message of a payment that must fail."""
    try:
        pay(wei)
    except ValueError as error:
        return str(error)
    return "no error"


assert pay(4 * 10**15) == 200  # deploys the account, installs the session, pays
assert pay(4 * 10**15) == 200  # only pays
assert "native-token-transfer" in payment_error(4 * 10**15)
assert chain.eth.get_balance(friend.address) == 8 * 10**15
