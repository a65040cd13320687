"""Trials of grants: a session whose installation the chain rejects is not created, for each kind of account."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_abi.abi import encode

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.calls import call_data
from tests.support.constants import FRIEND, ROOT, TOKEN
from tests.support.keys import new_key
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient, PostResponse
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain.authorization import designator
from wallet_rpc.domain.contracts import (
    ALLOWLIST_MODULE,
    SEMI_MODULAR_ACCOUNT_7702,
    SEMI_MODULAR_ACCOUNT_BYTECODE,
    TIME_RANGE_MODULE,
)
from wallet_rpc.errors import InvalidParams, LimitExceeded, Unavailable
from wallet_rpc.ports import Node
from wallet_rpc.primitives import Address

Json = dict[str, Any]
ON_TOKEN = {"type": "contract-access", "data": {"address": TOKEN}}
FIVE = (
    {"type": "native-token-transfer", "data": {"allowance": "0x64"}},
    {"type": "erc20-token-transfer", "data": {"address": TOKEN, "allowance": "0x64"}},
    {"type": "gas-limit", "data": {"limit": "0x64"}},
    {"type": "contract-access", "data": {"address": FRIEND}},
    {"type": "functions-on-all-contracts", "data": {"functions": ["0x00000000"]}},
)

FAILING_MODULE = "0x5f3560e01c6301ffc9a714601a5763228630665f526004601cfd5b60015f5260205ff3"
"""A module that supports every interface, and reverts every other call with TimeRangeNotValid()."""


async def leave_undeployed(wallet: WalletFixture) -> None:
    """Leave the account as it is: recorded and without code."""


async def use_unknown(wallet: WalletFixture) -> None:
    """Take an address that no record names."""
    wallet.account = new_key().address


async def deploy(wallet: WalletFixture) -> None:
    await wallet.send(await wallet.prepare({"to": FRIEND}), wallet.owner)
    await wallet.mempool.mine()


async def delegate(wallet: WalletFixture) -> None:
    """Delegate the owner's own address."""
    wallet.account = wallet.owner.address
    await wallet.control("anvil_setCode", wallet.account, "0x" + designator(SEMI_MODULAR_ACCOUNT_7702).hex())


Prepare = Callable[[WalletFixture], Awaitable[None]]
KINDS = pytest.mark.parametrize("prepare", [leave_undeployed, use_unknown, deploy, delegate])


async def refusal(wallet: WalletFixture, *permissions: Json, **fields: Any) -> InvalidParams:
    """Return the error with which a session is not created."""
    with pytest.raises(InvalidParams) as error_info:
        await wallet.create_session(*permissions, **fields)
    return error_info.value


def codes(created: Json) -> list[str]:
    return [warning["code"] for warning in created["warnings"]]


@KINDS
async def test_a_grant_that_needs_an_absent_module_is_refused_with_the_contracts_error(
    wallet: WalletFixture, snapshot: str, prepare: Prepare
) -> None:
    await prepare(wallet)
    await wallet.create_session(ON_TOKEN)
    await wallet.control("anvil_setCode", ALLOWLIST_MODULE.hex0x(), "0x")

    error = await refusal(wallet, ON_TOKEN)

    assert error.reason == "grant_not_installable"
    assert error.field == "params.permissions"
    assert error.facts["errors"] == ["InterfaceNotSupported"]
    assert f"InterfaceNotSupported({ALLOWLIST_MODULE})" in error.message
    assert error.facts["revert"].startswith("0x")
    await wallet.create_session(ROOT)  # it needs no allowlist


@KINDS
async def test_the_error_of_a_module_is_decoded_too(wallet: WalletFixture, snapshot: str, prepare: Prepare) -> None:
    await prepare(wallet)
    await wallet.control("anvil_setCode", TIME_RANGE_MODULE.hex0x(), FAILING_MODULE)

    error = await refusal(wallet, ROOT)

    assert error.facts["errors"] == ["ModuleInstallCallbackFailed", "TimeRangeNotValid"]


async def test_nothing_is_stored_for_a_refused_grant(wallet: WalletFixture, snapshot: str) -> None:
    wallet.ports = replace(wallet.ports, rules=replace(wallet.ports.rules, unsigned_per_caller=1))
    await deploy(wallet)
    await wallet.control("anvil_setCode", ALLOWLIST_MODULE.hex0x(), "0x")
    for _ in range(3):
        assert (await refusal(wallet, ON_TOKEN)).reason == "grant_not_installable"
    await wallet.create_session(ROOT)
    with pytest.raises(LimitExceeded):
        await wallet.create_session(ROOT)


async def test_a_chain_without_the_accounts_implementation_installs_nothing(
    wallet: WalletFixture, snapshot: str
) -> None:
    await wallet.control("anvil_setCode", SEMI_MODULAR_ACCOUNT_BYTECODE.hex0x(), "0x")
    error = await refusal(wallet, ROOT)
    assert error.reason == "grant_not_installable"
    assert "no code of the account's implementation" in error.message


async def test_an_owner_with_validation_hooks_can_grant_nothing(wallet: WalletFixture, snapshot: str) -> None:
    hook = TIME_RANGE_MODULE + bytes([0, 0, 0, 7, 1]) + encode(["uint32", "uint48", "uint48"], [7, 2**40, 0])
    install = call_data("installValidation(bytes25,bytes4[],bytes,bytes[])", bytes(24) + b"\x05", [], b"", [hook])
    await deploy(wallet)
    earlier = await wallet.grant_root()
    await wallet.send(await wallet.prepare({"to": wallet.account, "data": install}), wallet.owner)
    await wallet.mempool.mine()

    error = await refusal(wallet, ROOT)

    assert error.facts["errors"] == ["DeferredValidationHasValidationHooks"]
    with pytest.raises(Exception, match="DeferredValidationHasValidationHooks"):  # the contract says the same
        await wallet.prepare({"to": FRIEND}, permissions=earlier.permissions)


async def test_an_owner_whose_signatures_are_disabled_can_grant_nothing(wallet: WalletFixture, snapshot: str) -> None:
    await deploy(wallet)
    disable = call_data("updateFallbackSignerData(address,bool)", wallet.owner.address, True)
    await wallet.send(await wallet.prepare({"to": wallet.account, "data": disable}), wallet.owner)
    await wallet.mempool.mine()

    assert (await refusal(wallet, ROOT)).facts["errors"] == ["FallbackSignerDisabled"]


@dataclass
class ChangedNode:
    """A `ports.Node` in front of a real one whose trials end otherwise."""

    inner: Node
    trial: bytes | Exception

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def call_itself(self, account: Address, data: bytes, **options: Any) -> bytes:
        if isinstance(self.trial, Exception):
            raise self.trial
        return self.trial

    async def call_stand_in(self, stand_in: Address, data: bytes, override: Any) -> bytes:
        return await self.call_itself(stand_in, data)


NO_TRIALS = [
    Unavailable("the node returned an error", part="node"),  # it does not know state overrides
    LimitExceeded("too large", reason="answer_too_large"),
    b"",  # it ignores them
    b"\x20",
]


@pytest.mark.parametrize("prepare", [leave_undeployed, deploy])
@pytest.mark.parametrize("trial", NO_TRIALS)
async def test_a_node_that_runs_no_trial_does_not_block(
    wallet: WalletFixture, prepare: Prepare, trial: bytes | Exception
) -> None:
    await prepare(wallet)
    wallet.change_chain(node=ChangedNode(wallet.ports.chains[CHAIN].node, trial))

    created, _ = await wallet.create_session(ON_TOKEN)

    assert codes(created).count("not_checked") == 1
    assert "warnings" not in (await wallet.create_session(ON_TOKEN, warnings=False))[0]


async def test_a_contract_that_is_no_account_is_named_as_such(wallet: WalletFixture) -> None:
    wallet.account = TOKEN
    assert (await refusal(wallet, ROOT)).reason == "not_an_account"


async def test_an_account_that_is_not_delegated_is_refused_before_its_trial_counts(wallet: WalletFixture) -> None:
    wallet.account = wallet.owner.address
    await wallet.control("anvil_setNonce", wallet.account, "0x1")
    assert (await refusal(wallet, ROOT)).reason == "account_not_delegated"


@dataclass
class CountingClient:
    """`PostClient` that keeps the methods of each of its POSTs."""

    inner: HttpClient
    posts: list[list[str]]

    async def post(self, url: str, content: bytes, **options: Any) -> PostResponse:
        body = json.loads(content)
        self.posts.append([one["method"] for one in (body if isinstance(body, list) else [body])])
        return await self.inner.post(url, content, **options)


@pytest.mark.parametrize(("prepare", "posts"), [(use_unknown, 1), (leave_undeployed, 1), (deploy, 2), (delegate, 2)])
async def test_trial_and_facts_need_no_post_of_their_own(
    wallet: WalletFixture, url: str, prepare: Prepare, posts: int
) -> None:
    await prepare(wallet)
    async with HttpClient() as http:
        counting = CountingClient(http, [])
        wallet.change_chain(node=NodeChain(JsonRpcClient(counting, f"{url}/chain/{CHAIN}", part="node")))
        created, _ = await wallet.create_session(*FIVE)
    assert len(counting.posts) == posts, counting.posts
    assert "not_checked" not in codes(created)


@pytest.mark.parametrize(
    ("method", "at"), [("wallet_grantPermissions", "params"), ("wallet_requestExecutionPermissions", "params[0]")]
)
async def test_the_requests_of_erc_7715_are_tried_and_warned_of_too(
    wallet: WalletFixture, snapshot: str, method: str, at: str
) -> None:
    permission = {"type": "contract-access", "data": {"address": TOKEN}}
    request: Json = {
        "chainId": wallet.chain_id,
        "address": wallet.account,
        "expiry": wallet.clock.now() + 400 * 86_400,
        "signer": {"type": "account", "data": {"address": new_key().address}},
    }
    request |= {"permissions": [permission]} if method == "wallet_grantPermissions" else {"permission": permission}
    granted = await wallet.client.rpc(method, request)
    result = granted[0] if isinstance(granted, list) else granted
    assert codes(result) == ["far_end"]
    unwarned = await wallet.client.rpc(method, {**request, "warnings": False})
    assert "warnings" not in (unwarned[0] if isinstance(unwarned, list) else unwarned)

    await wallet.control("anvil_setCode", ALLOWLIST_MODULE.hex0x(), "0x")
    with pytest.raises(InvalidParams) as error_info:
        await wallet.client.rpc(method, request)
    assert error_info.value.reason == "grant_not_installable"
    assert str(error_info.value.field).startswith(at)
