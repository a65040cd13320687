"""The Python client against a real server: typed methods, helpers, both clients alike, and errors."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.constants import CHAINS, FRIEND, POLICY
from tests.support.keys import new_key
from wallet_rpc.client import (
    Address,
    AsyncWalletClient,
    Call,
    Data,
    Owner,
    RpcError,
    UnexpectedResponse,
    WalletClient,
    types,
)
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_7702

TO = Address.parse(FRIEND)
TRANSFERS = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}
SPONSORED = types.Capabilities(paymaster_service=types.PaymasterService(policy_id=UUID(POLICY)))


def allow(wei: int) -> types.NativeTokenTransfer:
    return types.NativeTokenTransfer(type="native-token-transfer", data=types.NativeAllowance(allowance=wei))


@pytest.fixture
def client(url: str) -> Iterator[WalletClient]:
    with WalletClient(url) as opened:
        yield opened


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[AsyncWalletClient]:
    async with AsyncWalletClient(url) as opened:
        yield opened


@pytest.fixture
def owner(client: WalletClient) -> Owner:
    opened = client.open_account(new_key())
    client.request("anvil_setBalance", str(opened.account), hex(10**18))
    return opened


def balance(client: WalletClient, address: Address) -> int:
    return int(client.request("eth_getBalance", str(address), "latest"), 16)


def test_a_session_pays_within_its_permissions_until_one_denies(client: WalletClient, owner: Owner) -> None:
    before = balance(client, TO)
    grant = client.grant(owner, new_key(), allow(100), TRANSFERS)
    seen: list[int] = []
    status = client.wait(client.send(grant, Call(to=TO, value=60)), progress=lambda each: seen.append(each.status))

    assert status.status == 200
    assert seen[-1] == 200
    assert isinstance(status.details, types.StatusDetails)
    assert status.details.data.calls == (Call(to=TO, value=60),)
    assert balance(client, TO) == before + 60
    with pytest.raises(RpcError) as denied:
        client.send(grant, Call(to=TO, value=41))
    assert (denied.value.code, denied.value.reason) == (-32521, "native_limit_exceeded")
    assert denied.value.data["permissions"] == ["native-token-transfer"]


async def test_the_asynchronous_client_does_the_same(async_client: AsyncWalletClient, client: WalletClient) -> None:
    before = balance(client, TO)
    owner = await async_client.open_account(new_key())
    grant = await async_client.grant(owner, new_key(), allow(100), TRANSFERS)
    calls = ({"to": FRIEND}, Call(to=TO), Call(to=TO))
    call_id = await async_client.send(grant, *calls, capabilities=SPONSORED)
    status = await async_client.wait(call_id)
    accounts = await async_client.list_accounts(types.ListAccounts(signer_address=Address.parse(owner.key.address)))

    assert status.status == 200
    assert isinstance(status.details, types.StatusDetails)
    assert len(status.details.data.calls or ()) == 3
    assert balance(client, TO) == before
    assert [each.account_address for each in accounts.accounts] == [owner.account]


def test_a_grant_has_the_context_that_any_client_may_use(client: WalletClient, owner: Owner) -> None:
    grant = client.grant(owner, new_key(), allow(100), TRANSFERS)
    request = types.PrepareCalls(
        from_=owner.account,
        chain_id=owner.chain_id,
        calls=(types.RequestedCall(to=TO, value=1),),
        capabilities=types.Capabilities(permissions=types.ContextPermissions(context=grant.context)),
    )

    assert isinstance(client.prepare_calls(request), types.PreparedUserOperation)


def test_a_grant_may_have_rules_of_the_server(client: WalletClient, owner: Owner) -> None:
    rule = {"type": "calls", "limit": 1, "period": "total"}
    grant = client.grant(owner, new_key(), {"type": "root"}, rules=[rule])
    client.wait(client.send(grant, Call(to=TO)))
    with pytest.raises(RpcError) as denied:
        client.send(grant, Call(to=TO))

    assert denied.value.code == 4100
    assert grant.warnings


def test_a_grant_ends_an_hour_from_now_on_the_clock_of_its_chain(client: WalletClient) -> None:
    owner = client.open_account(new_key(), chain_id=CHAINS[1])
    snapshot = client.request("evm_snapshot", chain_id=CHAINS[1])
    client.request("evm_increaseTime", 7 * 86_400, chain_id=CHAINS[1])
    grant = client.grant(owner, new_key(), {"type": "root"})
    status = client.wait(client.send(grant, Call(to=TO), capabilities=SPONSORED))
    client.request("evm_increaseTime", 3601, chain_id=CHAINS[1])
    with pytest.raises(RpcError) as ended:
        client.send(grant, Call(to=TO), capabilities=SPONSORED)
    client.request("evm_revert", snapshot, chain_id=CHAINS[1])

    assert ended.value.reason == "session_expired"
    assert grant.chain_id == status.chain_id == CHAINS[1]
    assert status.status == 200


def test_an_expired_grant_is_rejected(client: WalletClient, owner: Owner) -> None:
    with pytest.raises(RpcError) as rejected:
        client.grant(owner, new_key(), {"type": "root"}, expires_at=int(time.time()) - 1)

    assert rejected.value.field == "params.expirySec"
    assert rejected.value.code == -32602


def test_a_key_without_a_contract_is_delegated_with_its_first_call_and_undelegated(client: WalletClient) -> None:
    key = new_key()
    requested = client.request_account(
        types.RequestAccount(
            signer_address=Address.parse(key.address), creation_hint=types.CreationHint(account_type="7702")
        )
    )
    owner = Owner(key=key, account=requested.account_address, chain_id=CHAINS[0])
    assert client.wait(client.send(owner, Call(to=TO), capabilities=SPONSORED)).status == 200
    assert client.request("eth_getCode", key.address, "latest") == f"0xef0100{SEMI_MODULAR_ACCOUNT_7702.hex()}"

    remove = types.Capabilities(eip7702_auth=types.Delegation(delegation=Address(bytes(20))))
    assert client.wait(client.send(owner, capabilities=remove)).status == 200
    assert client.request("eth_getCode", key.address, "latest") == "0x"


def test_prepared_data_is_returned_byte_for_byte(client: WalletClient, owner: Owner) -> None:
    """Otherwise the server would hash another operation than the one that was signed."""
    request = {
        "from": str(owner.account),
        "chainId": hex(owner.chain_id),
        "calls": [{"to": FRIEND}],
        "capabilities": {"nonceOverride": {"nonceKey": "0x7"}},
    }
    prepared = client.request("wallet_prepareCalls", request)
    decoded = client.prepare_calls(
        types.PrepareCalls(
            from_=owner.account,
            chain_id=owner.chain_id,
            calls=(types.RequestedCall(to=TO),),
            capabilities=types.Capabilities(nonce_override=types.NonceOverride(nonce_key=7)),
        )
    )

    assert isinstance(decoded, types.PreparedUserOperation)
    assert str(decoded.details.data.hash) == prepared["details"]["data"]["hash"]


def test_an_estimate_cannot_be_sent(client: WalletClient, owner: Owner) -> None:
    with pytest.raises(UnexpectedResponse, match="leave out onlyEstimation"):
        client.send(owner, Call(to=TO), capabilities={"paymasterService": {"onlyEstimation": True}})


def test_an_invalid_value_is_rejected_before_it_is_sent(client: WalletClient, owner: Owner) -> None:
    with pytest.raises(ValueError, match=r"expected a hex quantity below 2\^256, got -1"):
        client.prepare_calls(
            types.PrepareCalls(
                from_=owner.account, chain_id=owner.chain_id, calls=(types.RequestedCall(to=TO, value=-1),)
            )
        )


UNKNOWN_KIND: Any = "RSA"
"""A kind of key that no type checker accepts; not every caller has one."""


def _with(**fields: object) -> types.CreateSession:
    """Return a request for a session with other values, of any type."""
    account = Address.parse(new_key().address)
    whole: dict[str, Any] = {"chain_id": 1, "account": account, "permissions": (types.Root(type="root"),)}
    key = types.SessionKey(type=types.KeyType.SECP256K1, address=account)
    return types.CreateSession(**{**whole, "key": key, **fields})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"account": FRIEND}, "request.account: expected Address, got str"),
        ({"chain_id": -1}, r"request.chain_id: expected a hex quantity below 2^32, got -1"),
        ({"key": types.SessionKey(type=UNKNOWN_KIND, address=TO)}, 'request.key.type: expected KeyType, got "RSA"'),
        ({"expiry_sec": "1"}, 'request.expiry_sec: expected an integer from 0 to 281474976710655, got "1"'),
        ({"tags": "a"}, 'request.tags: expected a value of its declared type, got "a"'),
        ({"permissions": (allow(1), allow(-1))}, "request.permissions[1].data.allowance: expected a hex quantity"),
        (
            {"permissions": ({"type": "root"},)},
            "request.permissions: expected a value of its declared type, got an array",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_value_of_another_type_is_named_before_it_is_sent(fields: dict[str, object], text: str) -> None:
    with WalletClient("http://127.0.0.1:1") as nowhere, pytest.raises(ValueError, match=re.escape(text)) as error:
        nowhere.create_session(_with(**fields))

    assert str(error.value).startswith("wallet_createSession: request.")
    assert "ydantic" not in str(error.value)


def test_an_error_has_code_reason_field_and_data(client: WalletClient) -> None:
    with pytest.raises(RpcError) as unknown:
        client.request("wallet_requestAccount", {"signerAddress": "0x12"})

    error = unknown.value
    assert (error.code, error.field, error.method) == (-32602, "params.signerAddress", "wallet_requestAccount")
    assert error.data["field"] == error.field
    assert str(error) == f"{error.message} (code -32602)"
    assert not error.is_retryable


def test_waiting_for_an_unknown_call_raises_the_error_of_the_server(client: WalletClient) -> None:
    with pytest.raises(RpcError) as unknown:
        client.wait(Data(CHAINS[0].to_bytes(32, "big") + bytes(32)))

    assert unknown.value.code == 5730
