"""Reads of an account that do not wait for each other: few requests to the node, and answers of different blocks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.operations.conftest import CHAIN, WalletFixture
from tests.support.constants import FRIEND, ROOT, TOKEN
from tests.support.keys import new_key
from tests.support.wallet import Grant
from wallet_rpc.adapters.client import JsonRpcClient
from wallet_rpc.adapters.http_post import HttpClient, PostResponse
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.domain import abi
from wallet_rpc.domain.signature import SignerKind, dummy_user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.views import SIGNERS
from wallet_rpc.errors import InvalidParams, Unavailable, WalletError
from wallet_rpc.ports import Bundler, Node
from wallet_rpc.ports.node import Fees
from wallet_rpc.primitives import Address

CALL = {"to": FRIEND}
FOREIGN_DELEGATE = bytes.fromhex("ef0100") + b"\x77" * 20


@dataclass
class CountingClient:
    """`PostClient` that counts its POSTs."""

    inner: HttpClient
    posts: int = 0

    async def post(self, url: str, content: bytes, **options: Any) -> PostResponse:
        self.posts += 1
        return await self.inner.post(url, content, **options)


@dataclass
class OwnerNode:
    """A `ports.Node` in front of a real one that answers reads of an account's owner, and of its code, as told."""

    inner: Node
    owners: list[bytes | Exception]
    """The answers to the first reads of the owner; later ones go to the real node."""
    code_of: bytes | None = None
    read: bytes = abi.GET_FALLBACK_SIGNER_DATA
    """The function that reads the owner, or another one that `owners` answers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def code(self, address: Address, **options: Any) -> bytes:
        return await self.inner.code(address, **options) if self.code_of is None else self.code_of

    async def call(self, to: Address, data: bytes, **options: Any) -> bytes:
        if data[:4] != self.read or not self.owners:
            return await self.inner.call(to, data, **options)
        answer = self.owners.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FeelessNode:
    """A `ports.Node` in front of a real one that cannot read fees."""

    inner: Node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def fees(self) -> Fees:
        raise Unavailable("the node returned an error", part="node")


@dataclass
class RecordingBundler:
    """A `ports.Bundler` in front of a real one that keeps the operations to estimate."""

    inner: Bundler
    estimated: list[UserOperation] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def estimate(self, operation: UserOperation, *options: Any) -> Any:
        self.estimated.append(operation)
        return await self.inner.estimate(operation, *options)


async def install(wallet: WalletFixture) -> Grant:
    """Deploy the account with its first session."""
    grant = await wallet.grant(ROOT)
    await wallet.send(await wallet.prepare(permissions=grant.permissions), grant.key, grant.permissions)
    await wallet.mempool.mine()
    return grant


async def test_an_installed_session_prepares_after_one_request_to_the_node_and_sends_after_two(
    wallet: WalletFixture, url: str
) -> None:
    grant = await install(wallet)
    await wallet.control("anvil_setBalance", wallet.account, hex(10**18))
    async with HttpClient() as http:
        counting = CountingClient(http)
        rpc = JsonRpcClient(counting, f"{url}/chain/{CHAIN}", part="node")
        wallet.change_chain(node=NodeChain(rpc))

        prepared = await wallet.prepare({**CALL, "value": "0x1"}, permissions=grant.permissions)
        assert counting.posts == 1
        await wallet.send(prepared, grant.key, grant.permissions)
        assert counting.posts == 3


@pytest.mark.parametrize(("signer", "kind"), [(TOKEN, SignerKind.CONTRACT), (FRIEND, SignerKind.KEY)])
async def test_the_draft_fits_the_installed_signer_and_not_the_one_that_was_granted(
    wallet: WalletFixture, signer: str, kind: SignerKind
) -> None:
    grant = await install(wallet)
    chain = wallet.ports.chains[CHAIN]
    installed = bytes.fromhex(signer[2:]).rjust(32, b"\0")
    bundler = RecordingBundler(chain.bundler)
    wallet.change_chain(node=OwnerNode(chain.node, owners=[installed], read=SIGNERS), bundler=bundler)

    with suppress(WalletError):  # the contract, as it is, has another signer
        await wallet.prepare(CALL, permissions=grant.permissions)

    assert bundler.estimated[0].signature == dummy_user_operation_signature(kind=kind)


async def test_a_failed_read_for_the_draft_is_reported_after_the_errors_of_the_account(wallet: WalletFixture) -> None:
    grant = await install(wallet)
    wallet.change_chain(node=FeelessNode(wallet.ports.chains[CHAIN].node))

    for permissions in (None, grant.permissions):
        with pytest.raises(Unavailable):
            await wallet.prepare(CALL, permissions=permissions)
    wallet.account = TOKEN
    with pytest.raises(InvalidParams) as error_info:
        await wallet.prepare(CALL)
    assert error_info.value.reason == "not_an_account"


async def test_an_account_that_is_deployed_between_the_reads_has_its_owner(wallet: WalletFixture) -> None:
    grant = await install(wallet)
    wallet.change_chain(node=OwnerNode(wallet.ports.chains[CHAIN].node, owners=[b""]))

    assert await wallet.prepare(CALL, permissions=grant.permissions)


async def test_an_account_that_is_deployed_between_the_reads_has_its_validation(wallet: WalletFixture) -> None:
    grant = await install(wallet)
    node = OwnerNode(wallet.ports.chains[CHAIN].node, owners=[b""], read=abi.GET_VALIDATION_DATA)
    wallet.change_chain(node=node)

    assert await wallet.prepare(CALL, permissions=grant.permissions)
    assert node.owners == []


async def test_a_contract_without_an_owner_is_no_account(wallet: WalletFixture) -> None:
    await install(wallet)
    wallet.change_chain(node=OwnerNode(wallet.ports.chains[CHAIN].node, owners=[b"", b""]))

    with pytest.raises(InvalidParams) as error_info:
        await wallet.prepare(CALL)

    assert error_info.value.reason == "not_an_account"


@pytest.mark.parametrize("code_of", [b"", FOREIGN_DELEGATE])
async def test_an_account_without_its_code_needs_no_answer_about_an_owner(
    wallet: WalletFixture, code_of: bytes
) -> None:
    owner = new_key()
    wallet.account = owner.address
    failed = Unavailable("the node returned an error", part="node")
    wallet.change_chain(node=OwnerNode(wallet.ports.chains[CHAIN].node, owners=[failed], code_of=code_of))

    with pytest.raises(InvalidParams) as error_info:
        await wallet.prepare(CALL, permissions={"context": "0x02" + "00" * 5})

    assert error_info.value.reason == "account_not_delegated"


async def test_a_failed_read_of_the_owner_of_a_deployed_account_is_reported(wallet: WalletFixture) -> None:
    await install(wallet)
    failed = Unavailable("the node returned an error", part="node")
    wallet.change_chain(node=OwnerNode(wallet.ports.chains[CHAIN].node, owners=[failed]))

    with pytest.raises(Unavailable):
        await wallet.prepare(CALL)
