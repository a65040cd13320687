"""Warnings about grants, each next to what a session with such a grant does on chain."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operations.conftest import WalletFixture
from tests.support.calls import call_data, transfer
from tests.support.constants import FRIEND, HOUR, ROOT, TOKEN
from tests.support.keys import new_key
from tests.support.wallet import Grant
from wallet_rpc.domain import abi
from wallet_rpc.domain.views import decode_address
from wallet_rpc.errors import ExecutionReverted, ValidationReverted
from wallet_rpc.primitives import Address

Json = dict[str, Any]
ETHER = 10**18
YEAR = 365 * 86_400
PLAIN = {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}}
FORWARDER = "0x" + "f0" * 20
FORWARDER_CODE = (
    "0x5f3560e01c63b61d27f6146011575f5ffd5b60443560040180359060200181905f375f5f825f6024356004355af16034575f5ffd5b00"
)
"""`execute(address,uint256,bytes)`, which calls any contract with any data."""


def limit_native(wei: int) -> Json:
    return {"type": "native-token-transfer", "data": {"allowance": hex(wei)}}


def limit_token(units: int) -> Json:
    return {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": hex(units)}}


def access(address: str) -> Json:
    return {"type": "contract-access", "data": {"address": address}}


def allow_everywhere(signature: str) -> Json:
    selector = "0x" + abi.selector_of(signature).hex()
    return {"type": "functions-on-all-contracts", "data": {"functions": [selector]}}


def warning_of(grant: Grant, code: str) -> Json:
    """Return the only warning with the code."""
    (warning,) = [each for each in grant.created["warnings"] if each["code"] == code]
    return dict(warning)


async def act(wallet: WalletFixture, grant: Grant, *calls: Json, sponsored: bool = True) -> None:
    """Make calls with the session, which have to succeed."""
    prepared = await wallet.prepare(*calls, sponsored=sponsored, permissions=grant.permissions)
    call_id = await wallet.send(prepared, grant.key, grant.permissions)
    await wallet.mempool.mine()
    assert await wallet.status(call_id) == 200


async def balance_of(wallet: WalletFixture, address: str) -> int:
    return int(await wallet.control("eth_getBalance", address, "latest"), 16)


async def tokens_of(wallet: WalletFixture, address: str) -> int:
    call = {"to": TOKEN, "data": call_data("balanceOf(address)", address)}
    return int(await wallet.control("eth_call", call, "latest"), 16)


async def fund(wallet: WalletFixture, *, tokens: int = 0) -> None:
    await wallet.control("anvil_setBalance", wallet.account, hex(ETHER))
    if tokens:
        minted = {"to": TOKEN, "data": call_data("mint(address,uint256)", wallet.account, tokens)}
        await wallet.control("eth_sendTransaction", {"from": await pick_stranger(wallet), **minted})


async def pick_stranger(wallet: WalletFixture) -> str:
    """Return an account of the chain that has nothing to do with the wallet."""
    return str((await wallet.control("eth_accounts"))[0])


async def test_root_can_replace_the_owner(wallet: WalletFixture, snapshot: str) -> None:
    grant = await wallet.grant(ROOT)
    assert warning_of(grant, "root")["permission"] == 0
    thief = new_key().address
    replacement = call_data("updateFallbackSignerData(address,bool)", thief, False)
    await act(wallet, grant, {"to": wallet.account, "data": replacement})
    answer = await wallet.control("eth_call", {"to": wallet.account, "data": "0xa8b04729"}, "latest")
    assert decode_address(bytes.fromhex(answer[2:])) == Address.parse(thief)


async def test_a_session_without_an_end_is_valid_after_decades(wallet: WalletFixture, snapshot: str) -> None:
    grant = await wallet.grant(PLAIN, limit_native(0), expirySec=0)
    assert "permission" not in warning_of(grant, "no_end")
    await wallet.control("evm_increaseTime", hex(30 * YEAR))
    wallet.clock.ahead_seconds += 30 * YEAR
    await act(wallet, grant, {"to": FRIEND})


async def test_a_session_with_a_far_end_is_valid_after_a_year(wallet: WalletFixture, snapshot: str) -> None:
    near = await wallet.grant(PLAIN, limit_native(0), expirySec=wallet.clock.now() + YEAR)
    assert near.created["warnings"] == []
    grant = await wallet.grant(PLAIN, limit_native(0), expirySec=wallet.clock.now() + YEAR + HOUR)
    assert "permission" not in warning_of(grant, "far_end")
    await wallet.control("evm_increaseTime", hex(YEAR + 60))
    wallet.clock.ahead_seconds += YEAR + 60
    await act(wallet, grant, {"to": FRIEND})


@pytest.mark.parametrize("permission", [access(FRIEND), PLAIN, ROOT])
async def test_without_a_native_limit_the_whole_balance_is_sent(
    wallet: WalletFixture, snapshot: str, permission: Json
) -> None:
    await fund(wallet)
    grant = await wallet.grant(permission)
    assert "permission" not in warning_of(grant, "native_value_unlimited")
    await act(wallet, grant, {"to": FRIEND, "value": hex(ETHER)})
    assert await balance_of(wallet, wallet.account) == 0


async def test_a_gas_limit_does_not_count_gas_that_a_paymaster_pays(wallet: WalletFixture, snapshot: str) -> None:
    await fund(wallet)
    grant = await wallet.grant({"type": "gas-limit", "data": {"limit": "0x1"}}, PLAIN, limit_native(0))
    assert warning_of(grant, "gas_limit_void")["permission"] == 0
    await act(wallet, grant, {"to": FRIEND})
    await act(wallet, grant, {"to": FRIEND})
    with pytest.raises(ValidationReverted, match="gas-limit"):
        await wallet.prepare({"to": FRIEND}, sponsored=False, permissions=grant.permissions)


async def test_transfer_on_all_contracts_empties_the_account_of_a_token(wallet: WalletFixture, snapshot: str) -> None:
    await fund(wallet, tokens=1000)
    before = await tokens_of(wallet, FRIEND)
    grant = await wallet.grant(limit_native(0), allow_everywhere("transfer(address,uint256)"))
    warning = warning_of(grant, "tokens_on_all_contracts")
    assert warning["permission"] == 1
    assert "transfer(address,uint256)" in warning["message"]
    await act(wallet, grant, transfer(1000))
    assert await tokens_of(wallet, FRIEND) == before + 1000


async def test_approve_on_all_contracts_lets_anyone_empty_it_later(wallet: WalletFixture, snapshot: str) -> None:
    grant = await wallet.grant(limit_native(0), allow_everywhere("approve(address,uint256)"))
    assert warning_of(grant, "tokens_on_all_contracts")["permission"] == 1
    stranger = await pick_stranger(wallet)
    await act(wallet, grant, {"to": TOKEN, "data": call_data("approve(address,uint256)", stranger, 2**256 - 1)})
    await fund(wallet, tokens=7)
    taken = call_data("transferFrom(address,address,uint256)", wallet.account, stranger, 7)
    await wallet.control("eth_sendTransaction", {"from": stranger, "to": TOKEN, "data": taken})
    assert await tokens_of(wallet, wallet.account) == 0


async def test_a_limit_above_the_balance_allows_to_spend_all_of_it(wallet: WalletFixture, snapshot: str) -> None:
    await fund(wallet, tokens=10)
    within = await wallet.grant(limit_native(ETHER), limit_token(10), PLAIN)
    assert within.created["warnings"] == []
    grant = await wallet.grant(limit_native(ETHER + 1), limit_token(11), PLAIN)
    found = {each["permission"]: each for each in grant.created["warnings"]}
    assert [each["code"] for each in found.values()] == ["limit_above_balance", "limit_above_balance"]
    assert f"{ETHER + 1} wei" in found[0]["message"]
    assert "balance of 10 units" in found[1]["message"]
    await act(wallet, grant, {"to": FRIEND, "value": hex(ETHER)}, transfer(10))
    assert [await balance_of(wallet, wallet.account), await tokens_of(wallet, wallet.account)] == [0, 0]


async def test_a_gas_limit_above_the_balance_is_warned_of(wallet: WalletFixture, snapshot: str) -> None:
    await fund(wallet)
    gas = {"type": "gas-limit", "data": {"limit": hex(ETHER + 1)}}
    assert warning_of(await wallet.grant(gas, PLAIN), "limit_above_balance")["permission"] == 0


async def test_a_named_contract_is_left_out_of_the_functions_on_all_contracts(
    wallet: WalletFixture, snapshot: str
) -> None:
    mint = allow_everywhere("mint(address,uint256)")
    call = {"to": TOKEN, "data": call_data("mint(address,uint256)", wallet.account, 1)}
    await act(wallet, await wallet.grant(limit_native(0), mint), call)
    grant = await wallet.grant(mint, limit_native(0), limit_token(0))
    warning = warning_of(grant, "permission_void")
    assert warning["permission"] == 0
    assert "permissions[2]" in warning["message"]
    with pytest.raises(ValidationReverted, match="erc20-token-transfer"):
        await wallet.prepare(call, permissions=grant.permissions)


async def test_functions_of_the_account_fail_next_to_a_token_limit(wallet: WalletFixture, snapshot: str) -> None:
    account_id = {"type": "account-functions", "data": {"functions": ["0x9cfd7cff"]}}
    call = {"to": wallet.account, "data": "0x9cfd7cff"}
    await act(wallet, await wallet.grant(account_id), call)
    grant = await wallet.grant(limit_token(0), account_id, limit_native(0))
    assert warning_of(grant, "permission_void")["permission"] == 1
    with pytest.raises(ExecutionReverted, match="SpendingRequestNotAllowed"):
        await wallet.prepare(call, permissions=grant.permissions)


@pytest.mark.parametrize("is_proxy", [False, True])
async def test_an_allowed_forwarder_moves_tokens_that_no_permission_allows(
    wallet: WalletFixture, snapshot: str, is_proxy: bool
) -> None:
    code, target = FORWARDER_CODE, FORWARDER
    await wallet.control("anvil_setCode", FORWARDER, code)
    if is_proxy:
        target = "0x" + "f1" * 20
        minimal = f"0x363d3d373d3d3d363d73{FORWARDER[2:]}5af43d82803e903d91602b57fd5bf3"
        await wallet.control("anvil_setCode", target, minimal)
    await fund(wallet, tokens=5)
    approval = {"to": TOKEN, "data": call_data("approve(address,uint256)", target, 5)}
    await wallet.send(await wallet.prepare(approval), wallet.owner)
    await wallet.mempool.mine()
    grant = await wallet.grant(limit_native(0), access(target))
    warning = warning_of(grant, "target_forwards_calls")
    assert warning["permission"] == 1
    assert "execute(address,uint256,bytes)" in warning["message"]
    moved = call_data("transferFrom(address,address,uint256)", wallet.account, FRIEND, 5)
    forwarded = call_data("execute(address,uint256,bytes)", TOKEN, 0, bytes.fromhex(moved[2:]))
    await act(wallet, grant, {"to": target, "data": forwarded})
    assert await tokens_of(wallet, wallet.account) == 0
