"""Messages and typed data: what is signed, and that the chain takes the account's signature for it (ERC-1271, 6492)."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from tests.e2e.client import FRIEND, Client, RpcError, Wallet, new_key
from tests.e2e.delegating import DELEGATE_V1_1, External
from tests.e2e.stacks import CHAINS, Stack, on_both_stacks

pytestmark = on_both_stacks
MAGIC = bytes.fromhex("1626ba7e")
SUFFIX = bytes.fromhex("6492" * 16)
KEY_OF_DOCS = "0xd7b061ef04d29cf68b3c89356678eccec9988de8d5ed892c19461c4a9d65925d"
MAIL: dict[str, Any] = {
    "domain": {"chainId": 1, "name": "Ether Mail", "verifyingContract": FRIEND, "version": "1"},
    "types": {
        "Mail": [{"name": "contents", "type": "string"}, {"name": "amount", "type": "uint256"}],
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
    },
    "primaryType": "Mail",
    "message": {"contents": "Hello", "amount": "0xa"},
}
"""wallet-apis 5.1.0, "signTypedData"."""
TEXT = {"type": "personal_sign", "data": "hello wörld"}
RAW = {"type": "personal_sign", "data": {"raw": "0x00ff48656c6c6f"}}
TYPED = {"type": "eth_signTypedData_v4", "data": MAIL}
ALL = pytest.mark.parametrize("request_", [TEXT, RAW, TYPED], ids=["text", "raw", "typed"])


def prepared(wallet: Wallet, request: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"from": wallet.account, "chainId": wallet.chain_id, "signatureRequest": request, **more}
    answer: dict[str, Any] = wallet.client.rpc("wallet_prepareSign", asked)
    assert answer["chainId"] == wallet.chain_id
    found: dict[str, Any] = answer["signatureRequest"]
    return found


def formatted(wallet: Wallet, signature: Any, **more: Any) -> bytes:
    asked = {
        "from": wallet.account,
        "chainId": wallet.chain_id,
        "signature": {"type": "ecdsa", "data": signature},
        **more,
    }
    return bytes.fromhex(wallet.client.rpc("wallet_formatSign", asked)["signature"][2:])


def signable(request: dict[str, Any]) -> Any:
    """What a wallet makes of a request to sign."""
    data = request["data"]
    if request["type"] == "eth_signTypedData_v4":
        return encode_typed_data(full_message=data)
    return encode_defunct(text=data) if isinstance(data, str) else encode_defunct(hexstr=data["raw"])


def digest(request: dict[str, Any]) -> bytes:
    message = signable(request)
    return bytes(keccak(b"\x19" + message.version + message.header + message.body))


def signed(owner: LocalAccount, request: dict[str, Any]) -> str:
    return "0x" + owner.sign_message(signable(request)).signature.hex()


def account_signature(wallet: Wallet, request: dict[str, Any]) -> bytes:
    """The whole way of a client: prepare, sign, format."""
    return formatted(wallet, signed(wallet.owner, prepared(wallet, request)))


def is_valid(client: Client, account: str, hashed: bytes, signature: bytes) -> bool:
    """What the account's contract says."""
    data = MAGIC + encode(["bytes32", "bytes"], [hashed, signature])
    try:
        answer = client.rpc("eth_call", {"to": account, "data": "0x" + data.hex()}, "latest")
    except RpcError:
        return False
    return bytes.fromhex(answer[2:])[:4] == MAGIC


@ALL
def test_a_deployed_accounts_signature_is_valid_on_chain(wallet: Wallet, request_: dict[str, Any]) -> None:
    wallet.act(None)
    signature = account_signature(wallet, request_)
    assert is_valid(wallet.client, wallet.account, digest(request_), signature)
    assert not is_valid(wallet.client, wallet.account, keccak(b"another"), signature)


@ALL
def test_a_signature_made_before_deployment_says_how_to_deploy(client: Client, request_: dict[str, Any]) -> None:
    wallet = Wallet(client)
    wrapped = account_signature(wallet, request_)
    assert wrapped.endswith(SUFFIX)
    factory, data, inner = decode(["address", "bytes", "bytes"], wrapped[:-32])
    sender = client.chain("eth_accounts")[0]
    client.mined(client.chain("eth_sendTransaction", {"from": sender, "to": factory, "data": "0x" + data.hex()}))
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
def test_an_externally_owned_account_signs_as_it_always_did(client: Client, request_: dict[str, Any]) -> None:
    eoa = External(client)
    for code in (None, FRIEND):  # not delegated, and delegated to what we do not know
        if code is not None:
            eoa.delegate_elsewhere(code)
        assert prepared(eoa, request_) == request_
        signature = account_signature(eoa, request_)
        assert Account.recover_message(signable(request_), signature=signature) == eoa.account


def test_another_keys_signature_is_not_valid(wallet: Wallet) -> None:
    wallet.act(None)
    forged = formatted(wallet, signed(new_key(), prepared(wallet, TEXT)))
    assert not is_valid(wallet.client, wallet.account, digest(TEXT), forged)


def test_a_signature_is_good_for_one_account_of_the_owner(wallet: Wallet) -> None:
    other = Wallet(wallet.client, owner=wallet.owner)
    hint = {"signerAddress": wallet.owner.address, "creationHint": {"salt": "0x1"}}
    other.account = wallet.client.rpc("wallet_requestAccount", hint)["accountAddress"]
    for one in (wallet, other):
        one.act(None)
    signature = account_signature(wallet, TEXT)
    assert not is_valid(wallet.client, other.account, digest(TEXT), signature)


def test_every_form_of_a_signature_is_read(wallet: Wallet) -> None:
    whole = signed(wallet.owner, prepared(wallet, TEXT))
    r, s, v = "0x" + whole[2:66], "0x" + whole[66:130], int(whole[130:], 16)
    forms = [whole, whole[:130] + f"{v - 27:02x}", {"r": r, "s": s, "v": hex(v)}, {"r": r, "s": s, "yParity": v - 27}]
    assert len({formatted(wallet, form) for form in forms}) == 1


def test_the_known_answers_of_the_documents(client: Client) -> None:
    """On chain 421614: what is signed, and the owner's and the 7702 account's signatures of "hello world"."""
    wallet = Wallet(client, owner=Account.from_key(KEY_OF_DOCS), chain_id="0x66eee")
    hint = {"signerAddress": wallet.owner.address, "creationHint": {"accountType": "sma-b", "salt": "0x0"}}
    wallet.account = client.rpc("wallet_requestAccount", hint)["accountAddress"]
    assert wallet.account == "0x76E765e80FFAC96ac10Aa8908a8267A3B80d606D"
    hello = {"type": "personal_sign", "data": "hello world"}
    request = prepared(wallet, hello)
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
    wrapped = formatted(wallet, signed(wallet.owner, request))
    assert decode(["address", "bytes", "bytes"], wrapped[:-32])[2].hex() == (
        "0000000000ff005b5bd3db8d19724590c175cd9e928746d2b87cfe207eadc2ba5456a235814d6d7aa1232ab7fea0961edab1eb9410bf39"
        "2b75d1d8dd250925671ede9d841b444a1c"
    )
    docs = {"type": "personal_sign", "data": {"raw": "0x48656c6c6f20576f726c6421"}}
    assert prepared(wallet, docs)["data"]["message"]["hash"] == (
        "0xec3608877ecbf8084c29896b7eab2a368b2b3c8d003288584d145613dfa4706c"
    )


def test_the_known_answer_of_a_delegated_account(stack: Stack, client: Client) -> None:
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


def test_a_grant_of_the_account_itself_is_signed_as_it_is(wallet: Wallet) -> None:
    created, _ = wallet.create_session({"type": "root"})
    grant = {key: created["signatureRequest"][key] for key in ("type", "data")}
    assert prepared(wallet, grant) == grant
    for chain_id in ("0x7a69", "31337", 31337):
        domain = {"chainId": chain_id, "verifyingContract": wallet.account.lower()}
        data = {**grant["data"], "domain": {**domain, "chainId": 31337}}
        assert prepared(wallet, {**grant, "data": {**data, "domain": domain, "more": 1}}) == {**grant, "data": data}


def test_typed_data_of_an_externally_owned_account_may_have_no_chain(client: Client) -> None:
    for domain in ({}, {"chainId": "0x01", "name": "Ether Mail"}):
        data = {**MAIL, "types": {"Mail": MAIL["types"]["Mail"]}, "domain": domain}
        expected = {**data, "domain": {**domain, "chainId": 1} if domain else {}}
        assert prepared(External(client), {**TYPED, "data": data}) == {**TYPED, "data": expected}


@pytest.mark.parametrize("domain", [{}, {"domain": None}])
def test_typed_data_may_have_no_domain(wallet: Wallet, domain: dict[str, Any]) -> None:
    data = {key: MAIL[key] for key in ("primaryType", "message")}
    data = {**data, "types": {"Mail": MAIL["types"]["Mail"], "EIP712Domain": []}}
    of_nobody = {**TYPED, "data": {**data, "domain": {}}}
    found = prepared(wallet, {**TYPED, "data": {**data, **domain}})
    assert found["data"]["message"]["hash"] == "0x" + digest(of_nobody).hex()
    assert prepared(External(wallet.client), {**TYPED, "data": {**data, **domain}}) == {**TYPED, "data": data}


@pytest.mark.parametrize(("given", "read"), [("01", 1), ("0x01", 1), ("1_000", None), (" 1 ", None)])
def test_a_chain_id_is_answered_as_it_is_hashed_or_refused(client: Client, given: str, read: int | None) -> None:
    data = {**MAIL, "types": {"Mail": MAIL["types"]["Mail"]}, "domain": {"chainId": given}}
    if read is None:
        with pytest.raises(RpcError, match=r"domain\.chainId"):
            prepared(External(client), {**TYPED, "data": data})
    else:
        assert prepared(External(client), {**TYPED, "data": data})["data"]["domain"] == {"chainId": read}


@pytest.mark.parametrize("domain", [{"chainId": 1}, {"verifyingContract": FRIEND}, {"chainId": "one"}])
def test_a_grant_of_another_account_or_chain_is_typed_data_like_any(wallet: Wallet, domain: dict[str, Any]) -> None:
    created, _ = wallet.create_session({"type": "root"})
    data = created["signatureRequest"]["data"]
    other = {**data, "domain": {**data["domain"], **domain}}
    if domain.get("chainId") == "one":
        with pytest.raises(RpcError, match="typed data"):
            prepared(wallet, {"type": "eth_signTypedData_v4", "data": other})
    else:
        found = prepared(wallet, {"type": "eth_signTypedData_v4", "data": other})
        assert found["data"]["primaryType"] == "ReplaySafeHash"


@pytest.mark.parametrize(
    "permissions", [{"context": "0x020100000001"}, {"sessionId": "0x" + "11" * 16, "signature": "0x"}]
)
def test_sessions_sign_no_messages(wallet: Wallet, permissions: dict[str, str]) -> None:
    capabilities = {"capabilities": {"permissions": permissions}}
    for act in (lambda: prepared(wallet, TEXT, **capabilities), lambda: formatted(wallet, "0x", **capabilities)):
        with pytest.raises(RpcError) as refused:
            act()
        assert (refused.value.code, refused.value.reason) == (-32602, "session_cannot_sign")


@pytest.mark.parametrize("signature", ["0x", "0x00", "0x" + "11" * 64, "0x" + "11" * 64 + "1d", "0x" + "11" * 66])
def test_what_is_no_signature_is_not_formatted(wallet: Wallet, signature: str) -> None:
    with pytest.raises(RpcError) as refused:
        formatted(wallet, signature)
    assert (refused.value.code, refused.value.reason) == (-32602, "signature_malformed")


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
def test_what_cannot_be_signed_is_refused(wallet: Wallet, request_: dict[str, Any]) -> None:
    with pytest.raises(RpcError, match=r"^params\.signatureRequest") as refused:
        prepared(wallet, request_)
    assert refused.value.code == -32602


def test_a_contract_that_owns_an_account_signs_in_its_own_way(wallet: Wallet) -> None:
    wallet.act(None)
    wallet.client.chain("anvil_setCode", wallet.owner.address, "0x5f5ff3")
    assert formatted(wallet, "0x1234").hex() == "00" + "00000000" + "ff" + "01" + "1234"
