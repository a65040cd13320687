"""Secrets in a recording: they are found by name, form and method, and replaced wherever they occur."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]  # rlp 5 has no py.typed
from eth_abi.abi import encode

from tests.support.keys import new_key
from wallet_rpc.recording.exchange_redaction import redact_exchange
from wallet_rpc.recording.exchanges import (
    FORMAT,
    RecordedBody,
    RecordedExchange,
    RecordedRequest,
    RecordedResponse,
    format_exchange,
)
from wallet_rpc.recording.received import describe_request
from wallet_rpc.recording.redaction import Redactor

KEY = sha256(b"a key").hexdigest()  # fixed, as names of tests are
SIGNATURE = f"{sha256(b'r').hexdigest()}{sha256(b'low s').hexdigest()}1b"
WORD = "Zm9vYmFyLXNlY3JldA"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
LONG = "".join(sha256(bytes([part])).hexdigest() for part in range(6))
SESSION = sha256(b"a session").hexdigest()[:32]
"""The id of a session, which is no secret."""


def record(request: Any, result: Any = None, redactor: Redactor | None = None) -> str:
    """Return the line of an exchange with these bodies: JSON, or text."""
    bodies = [
        RecordedBody(text=each) if isinstance(each, str) else RecordedBody(json=each) for each in (request, result)
    ]
    exchange = RecordedExchange(
        format=FORMAT,
        number=1,
        at_milliseconds=1,
        request=RecordedRequest(verb="POST", path="/", query={}, body=bodies[0]),
        response=RecordedResponse(status=200, headers={}, body=bodies[1]),
    )
    return format_exchange(redact_exchange(Redactor() if redactor is None else redactor, exchange)).decode()


def call(method: str, *params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}


def answer(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


@pytest.mark.parametrize(
    ("request_body", "result", "secret"),
    [
        ({"privateKey": f"0x{KEY}"}, None, KEY),
        ({"privateKey": KEY.upper()}, None, KEY),
        ({"inner": [{"api_key": WORD}]}, None, WORD),
        (call("wallet_x"), {"secret": WORD}, WORD),
        (call("wallet_x"), {"accessToken": TOKEN}, TOKEN),
        ({"note": f"sent with {TOKEN}."}, None, TOKEN),
        ({"note": "wrk_0123456789abcdef"}, None, "wrk_0123456789abcdef"),
        ({"mnemonic": "test test junk"}, None, "test test junk"),
        ({"data": f"0x{SIGNATURE}"}, None, SIGNATURE),
        ({"signature": f"0x{LONG}"}, None, LONG),
        ({"signature": {"type": "webauthn", "data": f"0x{LONG}"}}, None, LONG),
        ({"signature": f"0x0000000000ff00{SIGNATURE}"}, None, SIGNATURE),
        ({"signature": f"0x{SIGNATURE}{'6492' * 16}"}, None, SIGNATURE),
        ({"signature": f"0x{encode(['bytes'], [bytes.fromhex(SIGNATURE)]).hex()}{'6492' * 16}"}, None, SIGNATURE),
        ({"r": f"0x{SIGNATURE[:64]}", "s": f"0x{SIGNATURE[64:128]}", "yParity": "0x1"}, None, SIGNATURE[:64]),
        ({"context": f"0x00{SESSION}{SIGNATURE}"}, None, SIGNATURE),
        ({"context": f"0x01{LONG}{SIGNATURE}"}, None, SIGNATURE),
        ({"serialized": base64.b64encode(b'{"signature":"a"}').decode()}, None, "eyJzaWduYXR1cmUiOiJhIn0"),
        ({"paymasterAndData": f"0x{LONG}{SIGNATURE}"}, None, SIGNATURE),
        (call("personal_sign"), answer(f"0x{LONG}"), LONG),
        ([call("personal_sign")], [answer(f"0x{LONG}")], LONG),
        (call("wallet_importRawKey", KEY), None, KEY),
        (call("anvil_dumpState"), answer(f"0x{LONG}"), LONG),
        (f"the key 0x{KEY} in a text", None, KEY),
        (
            call("eth_call", {"data": "0x12345678" + encode(["bytes"], [bytes.fromhex(SIGNATURE)]).hex()}),
            None,
            SIGNATURE,
        ),
        ({"data": f"0xabcdef{LONG}{SIGNATURE}", "signature": f"0x{SIGNATURE}"}, None, SIGNATURE),
        ({"signature": f"0x{SIGNATURE}"}, {"input": f"0x{LONG}{SIGNATURE}00"}, SIGNATURE),
        ({"privateKey": KEY, "names": {f"0x{KEY}": 1}}, None, KEY),
        (call("anvil_setRpcUrl", f"https://user:{WORD}@example.org/x"), None, WORD),
        (call("x_y", {f"0x{SIGNATURE}": 1}), None, SIGNATURE[:128]),
    ],
)
def test_a_secret_is_replaced(request_body: Any, result: Any, secret: str) -> None:
    line = record(request_body, result).lower()
    assert secret.lower() not in line
    assert secret[: len(secret) // 2].lower() not in line
    assert "replaced-secret-1" in line or "5ec2e75ec2e7" in line
    assert SESSION not in json.dumps(request_body) or SESSION in line


@pytest.mark.parametrize(
    "value",
    [
        {"token": "0x7e57000000000000000000000000000000000001"},
        {"hash": f"0x{KEY}", "publicKey": f"0x04{LONG[:128]}", "context": f"0x02{'00' * 5}", "signature": "0x"},
        {"data": "0x" + encode(["bytes", "uint256"], [bytes.fromhex(LONG), 65]).hex()},
        {"txHash": KEY, "nonce": "0x1", "v": "0x1b", "secret": "short"},
    ],
)
def test_other_values_stay(value: Any) -> None:
    assert json.loads(record(value))["request"]["body"]["json"] == value


@pytest.mark.parametrize(
    "coordinates",  # of multiples of the generators of secp256k1 and secp256r1
    [
        (
            "ed0c5ce4e13291718ce17c7ec83c611071af64ee417c997abb3f26714755e4be",
            "dde5603843dcba4240c25280a581597fb626c6da89c2254e9c0605905f840800",
        ),
        (
            "5a57c3e3548207ef2f4541cf25b5e81b6b2e5d2fcec451f4b5113c2b357174b3",
            "f88384cec196ddbafe4ee9a8d60cbbccd7779900ecb446d77730a6a6c7cbc81c",
        ),
    ],
)
def test_a_public_key_that_ends_as_a_signature_is_none(coordinates: tuple[str, str]) -> None:
    assert "".join(coordinates) in record({"key": f"0x04{''.join(coordinates)}"})
    assert SIGNATURE[2:] not in record({"data": f"0x04{SIGNATURE[2:]}"})


def test_equal_secrets_have_equal_placeholders_of_their_length() -> None:
    redactor = Redactor()
    first = json.loads(record({"signature": f"0x{SIGNATURE}", "privateKey": KEY}, redactor=redactor))
    second = json.loads(record({"input": f"0xab{SIGNATURE}cd{KEY}"}, redactor=redactor))

    signature, key = first["request"]["body"]["json"].values()
    assert second["request"]["body"]["json"] == {"input": f"0xab{signature[2:]}cd{key}"}
    assert (len(signature), len(key)) == (len(SIGNATURE) + 2, len(KEY))
    assert signature[2:] != key


def test_a_sent_transaction_is_kept_without_its_signature() -> None:
    transaction: dict[str, Any] = {
        "chainId": 1,
        "nonce": 0,
        "gas": 21_000,
        "gasPrice": 9,
        "to": "0x" + "11" * 20,
        "value": 1,
    }
    signed = new_key().sign_transaction(transaction)
    raw = "0x" + bytes(signed.raw_transaction).hex()
    redactor = Redactor()
    request = describe_request(scope_of("/"), RecordedBody(json=[call("eth_sendRawTransaction", raw)]), redactor)
    assert request.body is not None
    kept = bytes.fromhex(request.body.json[0]["params"][0][2:])
    assert rlp.decode(kept) == rlp.decode(bytes(signed.raw_transaction))[:-3]
    line = record(request.body.json, {"r": hex(signed.r), "input": f"0x{signed.s:064x}"}, redactor)

    assert f"{signed.r:x}" not in line
    assert f"{signed.s:x}" not in line
    assert "11" * 20 in line


def scope_of(path: str, query: str = "", **headers: str) -> dict[str, Any]:
    fields = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"method": "GET", "path": path, "query_string": query.encode(), "headers": fields}


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("/v2/k3y"),
        scope_of("/v2/k3y/wallets"),
        scope_of("/", "apiKey=k3y&limit=2"),
        scope_of("/", "token=k3y"),
        scope_of("/", authorization="Bearer k3y"),
        scope_of("/", x_api_key="k3y"),
        scope_of(f"/rpc/{LONG[:31]}g"),
    ],
)
def test_credentials_outside_of_the_body_are_replaced(scope: dict[str, Any]) -> None:
    request = describe_request(scope, None, Redactor())
    text = repr(request)

    assert "k3y" not in text
    assert LONG[:31] not in text
    assert "replaced-secret-1" in text
    assert request.query.get("limit") in {None, "2"}
