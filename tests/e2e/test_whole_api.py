"""The rest of the Wallet API; every invalid input in its description is rejected with a code and the invalid field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.delegating import External
from tests.e2e.stacks import on_both_stacks
from tests.support.calls import transfer
from tests.support.constants import FRIEND, POLICY
from tests.support.keys import new_key
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks
HERE = "0x7a69"
ANYONE = "0x7a3ccbFe9DA9b53228872dd7ef3dc3fDd13Cf8A0"
SUPPORTED = {"supported": True}
CAPABILITIES = {
    "atomic": {"status": "supported"},
    "paymasterService": SUPPORTED,
    "eip7702Auth": SUPPORTED,
    "gasParamsOverride": SUPPORTED,
    "nonceOverride": SUPPORTED,
    "permissions": {
        "supported": True,
        "keyTypes": ["secp256k1"],
        "signerTypes": ["keys"],
        "permissionTypes": [
            "native-token-transfer",
            "erc20-token-transfer",
            "gas-limit",
            "contract-access",
            "account-functions",
            "functions-on-all-contracts",
            "functions-on-contract",
            "root",
        ],
    },
    "stateOverride": SUPPORTED,
    "experimental_dataSuffix": SUPPORTED,
}
"""Capabilities that the test of the official client v5 requires."""


def calls(**more: Any) -> dict[str, Any]:
    return {"from": ANYONE, "chainId": HERE, "calls": [], **more}


def caps(**capabilities: Any) -> dict[str, Any]:
    return calls(capabilities=capabilities)


def sign(**more: Any) -> dict[str, Any]:
    return {"from": ANYONE, "chainId": HERE, "signatureRequest": {"type": "personal_sign", "data": "hi"}, **more}


def session(**more: Any) -> dict[str, Any]:
    key = {"type": "secp256k1", "publicKey": FRIEND}
    return {"account": ANYONE, "chainId": HERE, "key": key, "permissions": [{"type": "root"}], **more}


ACCOUNT, LIST, SESSION = "wallet_requestAccount", "wallet_listAccounts", "wallet_createSession"
PREPARE, SEND, STATUS = "wallet_prepareCalls", "wallet_sendPreparedCalls", "wallet_getCallsStatus"
SIGN, FORMAT, CAN = "wallet_prepareSign", "wallet_formatSign", "wallet_getCapabilities"
BAD: list[tuple[str, Any, str]] = [
    (ACCOUNT, {}, "params: Must provide either 'signerAddress'"),
    (ACCOUNT, {"signerAddress": "0x12"}, "params.signerAddress: "),
    (ACCOUNT, {"signerAddress": ANYONE.replace("a3", "A3")}, "params.signerAddress: .*EIP-55"),
    (ACCOUNT, {"signerAddress": ANYONE, "id": "1"}, "params.id: .*UUID"),
    (ACCOUNT, {"signerAddress": ANYONE, "id": "26b375e3-c94a-1e98-b6b7-5a97121aa583"}, "params.id: .*UUID"),
    (ACCOUNT, {"signerAddress": ANYONE, "creationHint": 7}, "params.creationHint: "),
    (ACCOUNT, {"signerAddress": ANYONE, "creationHint": {"salt": "x"}}, "params.creationHint.salt: "),
    (ACCOUNT, {"signerAddress": ANYONE, "creationHint": {"salt": "0x1" + "0" * 64}}, "params.creationHint.salt: "),
    (ACCOUNT, {"signerAddress": ANYONE, "creationHint": {"createAdditional": False}}, "createAdditional: "),
    (ACCOUNT, {"signerAddress": ANYONE, "creationHint": {"accountType": 7702}}, "params.creationHint.accountType: "),
    (ACCOUNT, {"signerAddress": ANYONE, "includeCounterfactualInfo": "maybe"}, "includeCounterfactualInfo: "),
    (LIST, {}, "params.signerAddress: required"),
    (SESSION, session(permissions=[]), "params.permissions: .*at least 1"),
    (SESSION, session(expirySec=-1), "params.expirySec: "),
    (SESSION, session(expirySec="0x1"), "params.expirySec: "),
    (SESSION, session(key={"type": "p256", "publicKey": FRIEND}), "params.key.type: "),
    (SESSION, session(permissions=[{"type": "everything"}]), "params.permissions"),
    (PREPARE, calls(chainId="7a69"), "params.chainId: "),
    (PREPARE, calls(chainId="0x"), "params.chainId: "),
    (PREPARE, calls(chainId="0x100000000"), "params.chainId: "),
    (PREPARE, {"calls": [], "chainId": HERE}, "params.from: required"),
    (PREPARE, calls(calls=[{"data": "0x"}]), r"params.calls\[0\].to: required"),
    (PREPARE, calls(calls=[{"to": FRIEND}, {"to": FRIEND, "data": "0x1"}]), r"params.calls\[1\].data: "),
    (PREPARE, calls(calls=[{"to": FRIEND, "value": "-1"}]), r"params.calls\[0\].value: "),
    (PREPARE, caps(permissions={}), "params.capabilities.permissions"),
    (PREPARE, caps(permissions={"context": "0x03"}), "params.capabilities.permissions.context: "),
    (PREPARE, caps(paymasterService={"policyId": "mine"}), "params.capabilities.paymasterService.policyId: .*UUID"),
    (PREPARE, caps(paymasterService={"policyIds": POLICY}), "params.capabilities.paymasterService.policyIds: "),
    (PREPARE, caps(gasParamsOverride={"callGasLimit": {"multiplier": -1}}), "gasParamsOverride.callGasLimit"),
    (PREPARE, caps(gasParamsOverride={"callGasLimit": {}}), "gasParamsOverride.callGasLimit.multiplier: required"),
    (PREPARE, caps(nonceOverride={"nonceKey": hex(1 << 152)}), "nonceOverride.nonceKey: expected a number below 2"),
    (PREPARE, caps(nonceOverride={}), "nonceOverride.nonceKey: required"),
    (
        PREPARE,
        caps(stateOverride={ANYONE: {"storage": {}}}),
        "storage: no such member of this object; its members are ",
    ),
    (PREPARE, caps(eip7702Auth=False), "params.capabilities.eip7702Auth: expected true, got false"),
    (PREPARE, caps(eip7702Auth={}), "params.capabilities.eip7702Auth.delegation: required"),
    (PREPARE, caps(eip7702Auth={"delegation": "LightAccount"}), "params.capabilities.eip7702Auth.delegation: "),
    (PREPARE, caps(eip7702Auth={"delegation": FRIEND}), "params.capabilities.eip7702Auth.delegation: "),
    (PREPARE, caps(experimental_dataSuffix={}), "experimental_dataSuffix.value: required"),
    (PREPARE, caps(experimental_dataSuffix={"value": "0x1"}), "experimental_dataSuffix.value: "),
    (SEND, {}, "params: "),
    (SEND, {"type": "user-operation-v060"}, "user-operation-v060"),
    (SEND, {"type": "user-operation-v070"}, "params.data: required"),
    (SEND, {"type": "array"}, "params.data: required"),
    (SEND, {"type": "array", "data": [{"type": "array", "data": []}]}, r"params.data\[0\]"),
    (SEND, {"type": "array", "data": []}, "params.data: expected one user operation"),
    (SEND, {"type": "authorization", "chainId": HERE, "data": {"address": FRIEND}}, "params.data.nonce: required"),
    (SIGN, sign(signatureRequest={"type": "eth_sign", "data": "0x"}), "params.signatureRequest: "),
    (SIGN, sign(chainId=None), "params.chainId: "),
    (SIGN, {"from": ANYONE, "chainId": HERE}, "params.signatureRequest: required"),
    (FORMAT, {"from": ANYONE, "chainId": HERE}, "params.signature: required"),
    (FORMAT, {"from": ANYONE, "chainId": HERE, "signature": {"type": "ed25519", "data": "0x"}}, "signature.type: "),
    (FORMAT, {"from": ANYONE, "chainId": HERE, "signature": {"data": "0x1234"}}, "params.signature.data: "),
    (FORMAT, {"from": ANYONE, "chainId": HERE, "signature": {"data": {"r": "0x1", "s": "0x2"}}}, "yParity"),
]


@pytest.mark.parametrize(("method", "params", "text"), BAD, ids=lambda given: str(given)[:60])
def test_an_invalid_input_is_rejected_with_its_field(client: Client, method: str, params: Any, text: str) -> None:
    with pytest.raises(RpcError, match=text) as error_info:
        client.rpc(method, params)
    assert error_info.value.code == -32602
    assert len(error_info.value.message) < 400


@pytest.mark.parametrize("params", [[], [7], ["0x12"], [ANYONE, "0x1"], [ANYONE, ["1"]], [ANYONE, [], 3], [None]])
def test_invalid_requests_for_capabilities_are_rejected(client: Client, params: list[Any]) -> None:
    with pytest.raises(RpcError) as error_info:
        client.rpc(CAN, *params)
    assert error_info.value.code == -32602


@pytest.mark.parametrize("method", [SIGN, FORMAT, PREPARE, SESSION, SEND])
def test_an_unconfigured_chain_is_rejected_with_5710(client: Client, wallet: Wallet, method: str) -> None:
    prepared = wallet.sign(wallet.prepare(), wallet.owner, None)
    removal = {"type": "authorization", "data": {"address": FRIEND, "nonce": "0x0"}, "signature": {"data": "0x"}}
    requests: dict[str, list[dict[str, Any]]] = {
        SIGN: [sign()],
        FORMAT: [{"from": ANYONE, "signature": {"data": "0x" + "11" * 65}}],
        PREPARE: [calls(), caps(eip7702Auth={"delegation": "0x" + "00" * 20})],
        SESSION: [session()],
        SEND: [prepared, removal],
    }
    for params in requests[method]:
        with pytest.raises(RpcError, match="one of 0x7a69") as error_info:
            client.rpc(method, {**params, "chainId": "0x2105"})
        assert (error_info.value.code, error_info.value.reason) == (5710, "unsupported_chain")
        assert error_info.value.data["field"] == "params.chainId"


def test_capabilities_of_every_chain_are_under_chain_id_zero(client: Client) -> None:
    assert client.rpc(CAN, ANYONE) == {"0x0": CAPABILITIES}


def test_capabilities_of_requested_chains_are_under_their_ids(client: Client) -> None:
    assert client.rpc(CAN, ANYONE, ["0x7a69"]) == {"0x7a69": CAPABILITIES}
    assert client.rpc(CAN, ANYONE, ["0x066eee", "0x2105", "0x66eee"]) == {"0x66eee": CAPABILITIES}
    assert client.rpc(CAN, ANYONE, ["0x2105"]) == client.rpc(CAN, ANYONE, []) == {}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("wallet_requestQuote_v0", {"from": ANYONE, "chainId": HERE, "fromToken": FRIEND, "toToken": ANYONE}),
        ("wallet_requestQuote_v0", {}),
        ("wallet_getCrossChainStatus_v0", "0x0101"),
        ("wallet_getCrossChainStatus_v0", ["0x0101"]),
    ],
)
def test_swaps_without_a_quote_provider_are_rejected_by_name(client: Client, method: str, params: Any) -> None:
    with pytest.raises(RpcError, match=f"^{method}: swaps are not supported here") as error_info:
        client.rpc(method, params)
    assert (error_info.value.code, error_info.value.reason) == (5700, "no_quote_provider")


def test_unsupported_optional_capabilities_are_ignored(wallet: Wallet) -> None:
    ignored: dict[str, Any] = {"whatever": {"optional": True}, "atomic": {"required": True}}
    assert wallet.prepare({"to": FRIEND}, **ignored)["type"] == "user-operation-v070"


def test_a_fee_override_among_the_capabilities_is_applied(wallet: Wallet) -> None:
    """Source: requests of virtuals-acp."""
    overrides: tuple[dict[str, Any], ...] = ({}, {"maxFeePerGas": {"multiplier": 1.5}}, {})
    prepared = [wallet.prepare({"to": FRIEND}, **more) for more in overrides]
    before, dearer, after = (int(each["data"]["maxFeePerGas"], 16) for each in prepared)
    # Rounded up; the base fee may change between the three requests.
    least, most = (-(-fee * 3 // 2) for fee in sorted((before, after)))
    assert least <= dearer <= most


def test_a_data_suffix_follows_the_call_data_and_has_no_effect(wallet: Wallet) -> None:
    grant = wallet.grant({"type": "erc20-token-transfer", "data": {"allowance": "0x64", "address": transfer(1)["to"]}})
    suffix = {"value": "0x0880218021802180218021802180218021"}
    before = wallet.client.token_balance(FRIEND)
    for permissions, by in ((None, wallet.owner), (grant.permissions, grant.key)):
        more: dict[str, Any] = {} if permissions is None else {"permissions": permissions}
        for batch in ((transfer(1),), (transfer(1), transfer(1))):
            prepared = wallet.prepare(*batch, experimental_dataSuffix=suffix, **more)
            assert prepared["data"]["callData"].endswith(suffix["value"][2:])
            call_id = wallet.send(prepared, by, permissions)
            status = wallet.wait_until_final(call_id)
            assert status["status"] == 200
            assert len(status["details"]["data"]["calls"]) == len(batch)
    assert wallet.client.token_balance(FRIEND) == before + 6


def test_paymaster_fields_without_a_paymaster_are_rejected_with_the_field(wallet: Wallet) -> None:
    sent = wallet.sign(wallet.prepare({"to": FRIEND}), wallet.owner, None)
    del sent["data"]["paymaster"]
    with pytest.raises(RpcError, match=r"^params\.data\.paymaster\w+: expected to be absent") as error_info:
        wallet.client.rpc("wallet_sendPreparedCalls", sent)
    assert error_info.value.reason == "part_without_address"
    assert error_info.value.data["field"].startswith("params.data.paymaster")


MAX_GAS = hex(2**120 - 1)
LIMITS = ("preVerificationGas", "verificationGasLimit", "callGasLimit")
OF_PAYMASTER = ("paymasterVerificationGasLimit", "paymasterPostOpGasLimit")
FEES = ("maxFeePerGas", "maxPriorityFeePerGas")


@pytest.mark.parametrize("field", [*LIMITS, *OF_PAYMASTER, *FEES])
def test_gas_and_fees_above_the_entry_points_maximum_are_rejected(wallet: Wallet, field: str) -> None:
    with pytest.raises(RpcError, match=rf"gasParamsOverride\.{field}: expected an amount below 2\^120") as error_info:
        wallet.prepare({"to": FRIEND}, gasParamsOverride={field: hex(2**120)})
    assert (error_info.value.code, error_info.value.reason) == (-32602, "invalid_params")


def test_the_entry_points_maximum_gas_has_a_cost(wallet: Wallet) -> None:
    prepared = wallet.prepare({"to": FRIEND}, gasParamsOverride=dict.fromkeys([*LIMITS, *OF_PAYMASTER, *FEES], MAX_GAS))
    assert int(prepared["feePayment"]["maxAmount"], 16) == 5 * int(MAX_GAS, 16) ** 2


def test_a_state_override_affects_only_the_simulation(wallet: Wallet) -> None:
    rich = {wallet.account: {"balance": hex(10**24)}}
    prepared = wallet.prepare({"to": FRIEND, "value": hex(10**20)}, stateOverride=rich)
    status = wallet.wait_until_final(wallet.send(prepared, wallet.owner))
    assert status["status"] == 500, "the account has no such balance on chain"
    assert status["receipts"][0]["status"] == "0x0"


def test_the_status_of_a_call_is_complete(wallet: Wallet) -> None:
    status = wallet.act(None, transfer(3), {"to": FRIEND, "value": "0x1"})
    assert set(status) == {"id", "chainId", "atomic", "status", "receipts", "details"}
    (receipt,) = status["receipts"]
    assert set(receipt) == {"logs", "status", "blockHash", "blockNumber", "gasUsed", "transactionHash"}
    mined = wallet.client.rpc("eth_getTransactionReceipt", receipt["transactionHash"])
    own = [(log["address"].lower(), log["topics"], log["data"]) for log in receipt["logs"]]
    assert own == [
        (log["address"].lower(), log["topics"], log["data"])
        for log in mined["logs"]
        if (log["address"].lower(), log["topics"], log["data"]) in own
    ]
    assert int(receipt["blockNumber"], 16) == int(mined["blockNumber"], 16)
    hashed = status["details"]["data"]["hash"]
    assert status["id"] == "0x" + (31337).to_bytes(32, "big").hex() + hashed[2:]
    assert [call["to"] for call in status["details"]["data"]["calls"]][1] == FRIEND
    assert wallet.client.rpc(STATUS, [status["id"]]) == status


def test_results_contain_no_null_except_at_the_end_of_a_list(client: Client) -> None:
    eoa = External(client, owner=new_key())
    answers = [
        client.rpc(ACCOUNT, {"signerAddress": eoa.account}),
        eoa.prepare({"to": FRIEND}),
        client.rpc(CAN, ANYONE),
        client.rpc(SIGN, sign()),
    ]
    assert "null" not in json.dumps(answers)
    assert json.dumps(client.rpc(LIST, {"signerAddress": eoa.account})).count("null") == 1
