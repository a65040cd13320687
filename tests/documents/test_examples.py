"""The examples in openrpc.yaml: they fit its schemas, they agree with the golden vectors, and a server returns them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from eth_account import Account
from jsonschema import Draft7Validator

from tests.documents.examples import Recorder, outline, record, vector
from tests.support.keys import to_signable
from tests.support.rpc_client import Client
from wallet_rpc.domain.account import ENTRY_POINT
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.user_operation import user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.edge.api_documents import EXAMPLES, rpc_with_document
from wallet_rpc.primitives import Hash32
from wallet_rpc.wire import decode

DOCUMENT = rpc_with_document()[1]()
METHODS = {method["name"]: method for method in DOCUMENT["methods"]}
REJECTED = {"wallet_sendCalls"}
"""Methods that reject every request."""
OWNER = Account.from_key(vector("permissions", "perm-0000")["in"]["ownerKey"]).address


def example(method: str, number: int = 0) -> tuple[Any, Any]:
    """Return the first parameter and the result of an example."""
    pairing = METHODS[method]["examples"][number]
    return pairing["params"][0]["value"], pairing["result"]["value"]


def _validator(schema: Any) -> Draft7Validator:
    return Draft7Validator({**schema, "components": DOCUMENT["components"]})


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_examples_that_fit_its_schemas(name: str) -> None:
    method = METHODS[name]
    params = {param["name"]: param for param in method["params"]}

    assert method["examples"]
    for pairing in method["examples"]:
        given = {param["name"]: param["value"] for param in pairing["params"]}
        assert {one for one, param in params.items() if param["required"]} <= given.keys() <= params.keys()
        for one, value in given.items():
            _validator(params[one]["schema"]).validate(value)
        assert pairing["result"]["name"] == ("error" if name in REJECTED else "result")
        _validator(method["result"]["schema"]).validate(pairing["result"]["value"])


def test_a_value_of_another_form_does_not_fit() -> None:
    request, result = example("wallet_prepareCalls")
    method = METHODS["wallet_prepareCalls"]

    assert not _validator(method["params"][0]["schema"]).is_valid({**request, "chainId": 31337})
    assert not _validator(method["result"]["schema"]).is_valid({**result, "chainId": 31337})


def test_the_account_is_that_of_the_golden_vector() -> None:
    known = vector("addresses", "addresses-0000")
    request, result = example("wallet_requestAccount")

    assert request["signerAddress"] == known["owner"]
    assert result["accountAddress"] == known["address"]
    assert result["counterfactualInfo"]["factoryData"] == known["factoryData"]


def test_the_permissions_are_those_of_a_golden_vector() -> None:
    assert example("wallet_createSession")[0]["permissions"] == vector("permissions", "perm-0004")["in"]["permissions"]


def test_hash_payload_signature_and_id_of_a_call_belong_together() -> None:
    prepared = example("wallet_prepareCalls")[1]
    request, sent = example("wallet_sendPreparedCalls")
    status = example("wallet_getCallsStatus")[1]

    operation = decode(UserOperationJson, prepared["data"]).to_domain()
    operation_hash = user_operation_hash(operation, int(prepared["chainId"], 16), ENTRY_POINT)
    assert prepared["details"]["data"]["hash"] == operation_hash.hex0x()
    assert prepared["signatureRequest"]["rawPayload"] == personal_sign_digest(operation_hash).hex0x()
    assert request["data"] == prepared["data"]
    signed = to_signable(prepared["signatureRequest"])
    assert Account.recover_message(signed, signature=request["signature"]["data"]) == OWNER
    assert sent["id"] == status["id"] == f"0x{int(prepared['chainId'], 16):064x}{operation_hash.hex()}"
    assert status["status"] == 200


def test_the_digest_of_the_keyed_form_is_signed() -> None:
    digest = Hash32.parse(example("wallet_prepareCalls", 1)[1]["digest"])
    request = example("wallet_sendPreparedCalls", 1)[0]

    assert Account._recover_hash(digest, signature=request["signature"]) == OWNER


def test_a_server_returns_results_of_the_same_form(url: str) -> None:
    kept = json.loads(EXAMPLES.read_text("utf-8"))
    with httpx2.Client(timeout=30) as http:
        recorder = Recorder(Client(url, http=http))
        record(recorder)

    assert kept.keys() - recorder.examples.keys() == {"wallet_requestQuote_v0", "wallet_getCrossChainStatus_v0"}
    stale = [name for name, found in recorder.examples.items() if outline(found) != outline(kept[name])]
    assert stale == [], "record them again: python -m tests.documents.examples"
