"""Examples of the source documents: the same shapes, and the same bytes where they are not placeholders."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from tests.e2e.server import run_dev_server
from tests.support import schema
from tests.support.clocks import StoppedClock
from tests.support.constants import POLICY
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet
from wallet_rpc.config.settings import Settings
from wallet_rpc.dev_server import DevOptions

SEED_CALL = (
    "0x1bbf564c00000000000099DE0BF6fA90dEB851E2A2df7d83000000010500000000000000000000000000000000000000000000000000"
    "000000000000000000000000008000000000000000000000000000000000000000000000000000000000000000a0000000000000000000"
    "00000000000000000000000000000000000000000001000000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000"
    "000000000000000001000000000000000000000000647bbf38cd0e116d1672405ae17a775572a84e030000000000000000000000000000"
    "00000000000000000000000000000000000100000000000000000000000000000000000000000000000000000000000000200000000000"
    "00000000000000000000000000000000000000000000000000007900000000000082B8e2012be914dFA4f62A0573eA0000000101000000"
    "00000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000"
    "0000682fe675000000000000000000000000000000000000000000000000000000000000000000000000000000"
)
"""`message.call` of seed 001, in its letter case."""
SEED_DIGEST = "0x3499a8dd76e13102a22ab786edd127a2ab8a68e1bcf6c748382b83ff886d8003"
"""The EIP-712 digest of seed 001's typed data; the `rawPayload` printed there is a placeholder."""
SEED_ACCOUNT = "0xafdABa1E09e82F780721963eba39bA9e6d9FE4d2"
SEED_TIME = 1747966053
"""An hour before the expiry of the session of seed 001."""


@pytest.fixture(scope="module")
def seed_client() -> Iterator[Client]:
    options, settings = DevOptions(chains=(1,), ephemeral=True), Settings(dev_clock="wall")
    with run_dev_server(options, clock=StoppedClock(SEED_TIME), settings=settings) as url:
        seeded = Client(url)
        yield seeded
        seeded.http.close()


def seed_request() -> dict[str, object]:
    return {
        "account": SEED_ACCOUNT,
        "chainId": "0x01",
        "key": {"publicKey": "0x647bbf38CD0E116d1672405aE17a775572a84e03", "type": "secp256k1"},
        "permissions": [{"type": "root"}],
        "expirySec": 1747969653,
    }


def test_seed_001_create_session(seed_client: Client) -> None:
    answer = seed_client.rpc("wallet_createSession", seed_request())
    assert re.fullmatch("0x[0-9a-f]{32}", answer.pop("sessionId"))
    assert [each["code"] for each in answer.pop("warnings")] == ["native_value_unlimited", "root"]  # an extension
    message = answer["signatureRequest"]["data"]["message"]
    assert message.pop("call").lower() == SEED_CALL.lower()
    assert answer == {
        "chainId": "0x1",
        "signatureRequest": {
            "type": "eth_signTypedData_v4",
            "data": {
                "domain": {"chainId": 1, "verifyingContract": SEED_ACCOUNT},
                "types": {
                    "DeferredAction": [
                        {"name": "nonce", "type": "uint256"},
                        {"name": "deadline", "type": "uint48"},
                        {"name": "call", "type": "bytes"},
                    ]
                },
                "primaryType": "DeferredAction",
                "message": {"nonce": "0x1030000000000000000", "deadline": 1747969653},
            },
            "rawPayload": SEED_DIGEST,
        },
    }


def test_seed_001_the_raw_payload_is_the_digest_of_the_typed_data(client: Client) -> None:
    wallet = Wallet(client)
    request = wallet.create_session({"type": "root"})[0]["signatureRequest"]
    typed = request["data"]
    typed["message"]["nonce"] = int(typed["message"]["nonce"], 16)
    signable = encode_typed_data(full_message=typed)
    signed = wallet.owner.sign_message(signable)
    assert "0x" + signed.message_hash.hex() == request["rawPayload"]


def test_seed_002_session_keys_step_by_step(client: Client) -> None:
    wallet = Wallet(client)
    account = client.rpc("wallet_requestAccount", {"signerAddress": wallet.owner.address})
    assert set(account) == {"accountAddress", "id"}
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", account["id"])
    grant = wallet.grant({"type": "root"}, warnings=False)
    assert set(grant.created) == {"sessionId", "chainId", "signatureRequest"}
    assert set(grant.created["signatureRequest"]) == {"type", "data", "rawPayload"}
    prepared = client.rpc(
        "wallet_prepareCalls",
        {
            "capabilities": {"paymasterService": {"policyId": POLICY}, "permissions": grant.permissions},
            "calls": [{"to": "0x0000000000000000000000000000000000000000"}],
            "from": wallet.account,
            "chainId": wallet.chain_id,
        },
    )
    assert prepared["type"] == "user-operation-v070"
    assert prepared["chainId"] == wallet.chain_id
    assert prepared["signatureRequest"]["type"] == "personal_sign"
    assert set(prepared["signatureRequest"]["data"]) == {"raw"}
    sent = client.rpc("wallet_sendPreparedCalls", wallet.sign(prepared, grant.key, grant.permissions))
    assert sent["preparedCallIds"] == [sent["id"]]
    assert sent["id"] == "0x" + f"{31337:064x}" + prepared["signatureRequest"]["data"]["raw"][2:]
    assert wallet.status(sent["id"])["status"] == 200


@pytest.mark.parametrize(
    "permission",
    [
        {"type": "erc20-token-transfer", "data": {"address": SEED_ACCOUNT, "allowance": "0xde0b6b3a7640000"}},
        {"type": "contract-access", "data": {"address": SEED_ACCOUNT}},
        {"type": "account-functions", "data": {"functions": ["0xabcdef01", "0x12345678"]}},
        {"type": "functions-on-all-contracts", "data": {"functions": ["0xddf252ad"]}},
        {"type": "functions-on-contract", "data": {"address": SEED_ACCOUNT, "functions": ["0xddf252ad"]}},
        {"type": "root"},
    ],
    ids=lambda permission: permission["type"],
)
def test_seed_003_every_permission_that_grants_calls(client: Client, permission: dict[str, object]) -> None:
    created, _ = Wallet(client).create_session(permission)
    assert created["signatureRequest"]["data"]["message"]["call"].startswith("0x1bbf564c")


@pytest.mark.parametrize(
    "limit",
    [
        {"type": "native-token-transfer", "data": {"allowance": "0xde0b6b3a7640000"}},
        {"type": "gas-limit", "data": {"limit": "0x493e0"}},
    ],
    ids=lambda limit: limit["type"],
)
def test_seed_003_limits_are_combined_with_a_permission_that_grants_calls(
    client: Client, limit: dict[str, object]
) -> None:
    created, _ = Wallet(client).create_session(limit, {"type": "contract-access", "data": {"address": SEED_ACCOUNT}})
    assert created["signatureRequest"]["data"]["message"]["deadline"] > time.time()


def test_a_session_without_expiry_never_ends(client: Client) -> None:
    created, _ = Wallet(client).create_session({"type": "root"}, expirySec=0)
    assert created["signatureRequest"]["data"]["message"]["deadline"] == 0


def test_the_accounts_of_a_known_signer_are_those_of_the_hosted_service(client: Client) -> None:
    """The expected addresses are those that the hosted service returns for this signer."""
    signer = "0x7a3ccbFe9DA9b53228872dd7ef3dc3fDd13Cf8A0"
    expected = [
        "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D",
        "0xdfdd407b9569D40BEFa503208753E59cAc9713fA",
        "0xE5B6351C802c95f6C676eD4E3efAF093CD55FFc1",
    ]
    found = [
        client.rpc("wallet_requestAccount", {"signerAddress": signer, "creationHint": {"salt": hex(salt)}})
        for salt in range(3)
    ]
    assert [one["accountAddress"] for one in found] == expected
    again = client.rpc("wallet_requestAccount", {"signerAddress": signer, "includeCounterfactualInfo": True})
    assert again["accountAddress"] == expected[0]
    assert again["counterfactualInfo"] == {
        "factoryType": "MAv2.0.0-sma-b",
        "factoryAddress": "0x00000000000017c61b5bEe81050EC8eFc9c6fecd",
        "factoryData": "0x8b4e464e" + signer[2:].lower().rjust(64, "0") + "0" * 64,
    }
    by_address = client.rpc("wallet_requestAccount", {"accountAddress": expected[1]})
    assert by_address == {"accountAddress": expected[1], "id": found[1]["id"]}


def test_an_id_distinguishes_accounts_of_one_signer(client: Client) -> None:
    signer, tag = new_key().address, "26b375e3-c94a-4e98-b6b7-5a97121aa583"
    first = client.rpc("wallet_requestAccount", {"signerAddress": signer})
    second = client.rpc("wallet_requestAccount", {"signerAddress": signer, "id": tag})
    assert second["id"] == tag
    assert second["accountAddress"] != first["accountAddress"]
    assert client.rpc("wallet_requestAccount", {"signerAddress": signer, "id": tag}) == second
    assert client.rpc("wallet_requestAccount", {"signerAddress": signer}) == first
    hint = {"creationHint": {"createAdditional": True}}
    third = client.rpc("wallet_requestAccount", {"signerAddress": signer, **hint})
    assert third["accountAddress"] not in {first["accountAddress"], second["accountAddress"]}


def test_results_are_validated_against_the_hosted_schema() -> None:
    if not schema.SCHEMA.is_file():
        pytest.skip(f"the hosted service's schema is not available ({schema.SCHEMA.name})")
    assert schema.is_known("wallet_createSession")
    with pytest.raises(Exception, match="sessionId"):
        schema.check("wallet_createSession", {"chainId": "0x1"})


def test_the_expiry_member_of_early_clients_is_applied(client: Client) -> None:
    end = int(time.time()) + 100
    created, _ = Wallet(client).create_session({"type": "root"}, expirySec=0, expiry=hex(end))
    assert created["signatureRequest"]["data"]["message"]["deadline"] == end


def test_both_forms_of_the_expiry_have_the_maximum_of_the_seed(client: Client) -> None:
    wallet, last = Wallet(client), 9_999_999_999
    ends: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"expirySec": last}, {"expirySec": last + 1}, "params.expirySec"),
        ({"expirySec": 0, "expiry": hex(last)}, {"expirySec": 0, "expiry": hex(last + 1)}, "params.expiry"),
        ({"expirySec": last}, {"expirySec": 0, "expiry": hex(2**256 - 1)}, "params.expiry"),
    ]
    for good, late, field in ends:
        created, _ = wallet.create_session({"type": "root"}, **good)
        assert created["signatureRequest"]["data"]["message"]["deadline"] == last
        with pytest.raises(RpcError) as error_info:
            wallet.create_session({"type": "root"}, **late)
        assert (error_info.value.code, error_info.value.reason) == (-32602, "deadline_too_late")
        assert error_info.value.data["field"] == field


def test_a_past_expiry_is_rejected_under_its_own_member(client: Client) -> None:
    with pytest.raises(RpcError) as error_info:
        Wallet(client).create_session({"type": "root"}, expirySec=0, expiry="0x1")
    assert (error_info.value.reason, error_info.value.data["field"]) == ("expired", "params.expiry")
