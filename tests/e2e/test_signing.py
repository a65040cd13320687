"""Messages and typed data: the payload to sign, and the account's signature as verified on chain (ERC-1271, 6492)."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode
from eth_account import Account
from eth_utils.crypto import keccak

from tests.e2e.delegating import DELEGATE_V1_1, External
from tests.e2e.signing import (
    ALL,
    KEY_OF_DOCS,
    MAIL,
    SUFFIX,
    TEXT,
    TYPED,
    account_signature,
    digest,
    format_signature,
    is_valid,
    prepare_sign,
)
from tests.e2e.stacks import Stack, on_both_stacks
from tests.support.constants import CHAINS, FRIEND
from tests.support.keys import new_key, sign_request, to_signable
from tests.support.rpc_client import Client, RpcError
from tests.support.wallet import Wallet

pytestmark = on_both_stacks


@ALL
def test_a_deployed_accounts_signature_is_valid_on_chain(wallet: Wallet, request_: dict[str, Any]) -> None:
    wallet.act(None)
    signature = account_signature(wallet, request_)
    assert is_valid(wallet.client, wallet.account, digest(request_), signature)
    assert not is_valid(wallet.client, wallet.account, keccak(b"another"), signature)


@ALL
def test_a_signature_before_deployment_includes_how_to_deploy(client: Client, request_: dict[str, Any]) -> None:
    wallet = Wallet(client)
    wrapped = account_signature(wallet, request_)
    assert wrapped.endswith(SUFFIX)
    factory, data, inner = decode(["address", "bytes", "bytes"], wrapped[:-32])
    sender = client.chain("eth_accounts")[0]
    client.wait_for_receipt(
        client.chain("eth_sendTransaction", {"from": sender, "to": factory, "data": "0x" + data.hex()})
    )
    assert is_valid(client, wallet.account, digest(request_), inner)
    assert account_signature(wallet, request_) == inner, "once deployed it needs no wrapping"


@ALL
def test_a_delegated_accounts_signature_is_valid_on_chain(client: Client, request_: dict[str, Any]) -> None:
    eoa = External(client)
    eoa.delegate()
    assert is_valid(client, eoa.account, digest(request_), account_signature(eoa, request_))
    eoa.delegate_elsewhere(DELEGATE_V1_1)
    assert is_valid(client, eoa.account, digest(request_), account_signature(eoa, request_))


@ALL
def test_an_externally_owned_account_signs_messages_unchanged(client: Client, request_: dict[str, Any]) -> None:
    eoa = External(client)
    for code in (None, FRIEND):  # not delegated, and delegated to an unsupported contract
        if code is not None:
            eoa.delegate_elsewhere(code)
        assert prepare_sign(eoa, request_) == request_
        signature = account_signature(eoa, request_)
        assert Account.recover_message(to_signable(request_), signature=signature) == eoa.account


def test_another_keys_signature_is_not_valid(wallet: Wallet) -> None:
    wallet.act(None)
    forged = format_signature(wallet, sign_request(new_key(), prepare_sign(wallet, TEXT)))
    assert not is_valid(wallet.client, wallet.account, digest(TEXT), forged)


def test_a_signature_is_valid_for_one_account_of_the_owner(wallet: Wallet) -> None:
    other = Wallet(wallet.client, owner=wallet.owner)
    hint = {"signerAddress": wallet.owner.address, "creationHint": {"salt": "0x1"}}
    other.account = wallet.client.rpc("wallet_requestAccount", hint)["accountAddress"]
    for one in (wallet, other):
        one.act(None)
    signature = account_signature(wallet, TEXT)
    assert not is_valid(wallet.client, other.account, digest(TEXT), signature)


def test_every_form_of_a_signature_is_accepted(wallet: Wallet) -> None:
    whole = sign_request(wallet.owner, prepare_sign(wallet, TEXT))
    r, s, v = "0x" + whole[2:66], "0x" + whole[66:130], int(whole[130:], 16)
    forms = [whole, whole[:130] + f"{v - 27:02x}", {"r": r, "s": s, "v": hex(v)}, {"r": r, "s": s, "yParity": v - 27}]
    assert len({format_signature(wallet, form) for form in forms}) == 1


def test_the_payloads_and_signatures_of_the_documents(client: Client) -> None:
    """On chain 421614: the payload to sign, and the owner's signature of "hello world"."""
    wallet = Wallet(client, owner=Account.from_key(KEY_OF_DOCS), chain_id="0x66eee")
    hint = {"signerAddress": wallet.owner.address, "creationHint": {"accountType": "sma-b", "salt": "0x0"}}
    wallet.account = client.rpc("wallet_requestAccount", hint)["accountAddress"]
    assert wallet.account == "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D"
    hello = {"type": "personal_sign", "data": "hello world"}
    request = prepare_sign(wallet, hello)
    assert request == {
        "type": "eth_signTypedData_v4",
        "data": {
            "domain": {"chainId": 421614, "verifyingContract": wallet.account},
            "types": {"ReplaySafeHash": [{"name": "hash", "type": "bytes32"}]},
            "primaryType": "ReplaySafeHash",
            "message": {"hash": "0xd9eba16ed0ecae432b71fe008c98cc872bb4cc214d3220a36f365326cf807d68"},
        },
    }
    assert digest(request).hex() == "b78b0a78dc99175e57b582a27a98d0166e4679ee45de45589a89ecd7da0d5119"
    wrapped = format_signature(wallet, sign_request(wallet.owner, request))
    assert decode(["address", "bytes", "bytes"], wrapped[:-32])[2].hex() == (
        "0000000000ff005b5bd3db8d19724590c175cd9e928746d2b87cfe207eadc2ba5456a235814d6d7aa1232ab7fea0961edab1eb9410bf39"
        "2b75d1d8dd250925671ede9d841b444a1c"
    )
    docs = {"type": "personal_sign", "data": {"raw": "0x48656c6c6f20576f726c6421"}}
    assert prepare_sign(wallet, docs)["data"]["message"]["hash"] == (
        "0xec3608877ecbf8084c29896b7eab2a368b2b3c8d003288584d145613dfa4706c"
    )


def test_the_known_signature_of_a_delegated_account(stack: Stack, client: Client) -> None:
    eoa = External(client, owner=Account.from_key(KEY_OF_DOCS), chain_id="0x66eee")
    code = "0xef010069007702764179f14f51cdce752f4f775d74e139"
    node = Client(stack.nodes[CHAINS[1]], http=client.http)
    node.chain("anvil_setCode", eoa.account, code)
    hello = {"type": "personal_sign", "data": "hello world"}
    assert account_signature(eoa, hello).hex() == (
        "0000000000ff00938b6bbe1bbdce96e3a18e8ae061b7dd36adc8aaf020504448f1de161884597e3c948ef9cd7861416e7268fa3e48d223"
        "971a6c122530957e4d5699d202727d561b"
    )
    node.chain("anvil_setCode", eoa.account, "0x")


def test_typed_data_of_an_externally_owned_account_may_have_no_chain(client: Client) -> None:
    for domain in ({}, {"chainId": "0x01", "name": "Ether Mail"}, {"salt": None}):
        data = {**MAIL, "types": {"Mail": MAIL["types"]["Mail"]}, "domain": domain}
        expected = {**data, "domain": {"name": "Ether Mail", "chainId": 1} if "name" in domain else {}}
        assert prepare_sign(External(client), {**TYPED, "data": data}) == {**TYPED, "data": expected}


@pytest.mark.parametrize("domain", [{}, {"domain": None}])
def test_typed_data_may_have_no_domain(wallet: Wallet, domain: dict[str, Any]) -> None:
    data = {key: MAIL[key] for key in ("primaryType", "message")}
    data = {**data, "types": {"Mail": MAIL["types"]["Mail"], "EIP712Domain": []}}
    without_domain = {**TYPED, "data": {**data, "domain": {}}}
    found = prepare_sign(wallet, {**TYPED, "data": {**data, **domain}})
    assert found["data"]["message"]["hash"] == "0x" + digest(without_domain).hex()
    assert prepare_sign(External(wallet.client), {**TYPED, "data": {**data, **domain}}) == {**TYPED, "data": data}


@pytest.mark.parametrize(("given", "expected"), [("01", 1), ("0x01", 1), ("1_000", None), (" 1 ", None)])
def test_a_chain_id_is_returned_as_it_is_hashed_or_rejected(client: Client, given: str, expected: int | None) -> None:
    data = {**MAIL, "types": {"Mail": MAIL["types"]["Mail"]}, "domain": {"chainId": given}}
    if expected is None:
        with pytest.raises(RpcError, match=r"domain\.chainId"):
            prepare_sign(External(client), {**TYPED, "data": data})
    else:
        assert prepare_sign(External(client), {**TYPED, "data": data})["data"]["domain"] == {"chainId": expected}


@pytest.mark.parametrize(
    "permissions", [{"context": "0x020100000001"}, {"sessionId": "0x" + "11" * 16, "signature": "0x"}]
)
def test_sessions_cannot_sign_messages(wallet: Wallet, permissions: dict[str, str]) -> None:
    capabilities = {"capabilities": {"permissions": permissions}}
    for act in (
        lambda: prepare_sign(wallet, TEXT, **capabilities),
        lambda: format_signature(wallet, "0x", **capabilities),
    ):
        with pytest.raises(RpcError) as error_info:
            act()
        assert (error_info.value.code, error_info.value.reason) == (-32602, "session_cannot_sign")


@pytest.mark.parametrize("signature", ["0x", "0x00", "0x" + "11" * 64, "0x" + "11" * 64 + "1d", "0x" + "11" * 66])
def test_a_malformed_signature_is_not_formatted(wallet: Wallet, signature: str) -> None:
    with pytest.raises(RpcError) as error_info:
        format_signature(wallet, signature)
    assert (error_info.value.code, error_info.value.reason) == (-32602, "signature_malformed")


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "personal_sign", "data": ""},
        {"type": "personal_sign", "data": 7},
        {"type": "personal_sign", "data": {"raw": "48"}},
        {"type": "personal_sign", "data": {}},
        {"type": "eth_sign", "data": "hello"},
        {"type": "eth_signTypedData_v4", "data": "hello"},
        {"type": "eth_signTypedData_v4", "data": {}},
        {"type": "eth_signTypedData_v4", "data": {**MAIL, "primaryType": "Letter"}},
        {"type": "eth_signTypedData_v4", "data": {**MAIL, "message": {"contents": 7}}},
        {},
    ],
    ids=str,
)
def test_a_malformed_signature_request_is_rejected(wallet: Wallet, request_: dict[str, Any]) -> None:
    with pytest.raises(RpcError, match=r"^params\.signatureRequest") as error_info:
        prepare_sign(wallet, request_)
    assert error_info.value.code == -32602


def test_the_signature_of_a_contract_owner_is_wrapped_unchanged(wallet: Wallet) -> None:
    wallet.act(None)
    wallet.client.chain("anvil_setCode", wallet.owner.address, "0x5f5ff3")
    assert format_signature(wallet, "0x1234").hex() == "00" + "00000000" + "ff" + "01" + "1234"
