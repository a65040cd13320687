"""Wallets whose session has rules, and their calls at each entry."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from eth_abi.abi import encode

from tests.org_sessions.org_client import OrgClient, OrgWallet, open_funded_wallet
from tests.support.calls import call_data
from tests.support.constants import CHAINS, FRIEND, TOKEN
from tests.support.keys import sign_request
from wallet_rpc import wire
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.errors import WalletError
from wallet_rpc.primitives import Address, EntityId
from wallet_rpc.services.delivery_workers import DeliveryWorkers
from wallet_rpc.services.rule_descriptions import RulesDescription, describe_rules

CHAIN = CHAINS[0]
PREPARE, SEND, SET_RULES = "wallet_prepareCalls", "wallet_sendPreparedCalls", "wallet_setSessionRules"
APPROVE, REJECT, LIST = "wallet_approveCalls", "wallet_rejectCalls", "wallet_listApprovals"

MINTER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
"""The node's first account."""

Json = dict[str, Any]


class Silence:
    """A `delivery_workers.Reporter` that fails on a failed worker."""

    def resume(self, record: Any) -> Any:
        return nullcontext()

    def deep_reorganization(self, record: Any) -> None:
        raise AssertionError(record)

    def worker_failed(self, raised: Exception) -> None:
        raise raised


async def open_ruled(client: OrgClient, *rules: Json, tokens: int = 0, **fields: Any) -> OrgWallet:
    """Return a funded wallet with one session, which was created with these rules."""
    wallet = await open_funded_wallet(client, CHAIN, rules=list(rules), **fields)
    if tokens:
        minted = {"from": MINTER, "to": TOKEN, "data": call_data("mint(address,uint256)", wallet.account, tokens)}
        await client.node(CHAIN, "eth_sendTransaction", minted)
    return wallet


async def prepare(wallet: OrgWallet, *calls: Json, client: OrgClient | None = None, form: str = "permissions") -> Json:
    permissions = getattr(wallet.grants[0], form)
    request = wallet.build_calls(*calls, permissions=permissions)
    prepared: Json = await (client or wallet.client).rpc(PREPARE, request)
    return prepared


async def act(wallet: OrgWallet, *calls: Json) -> int:
    """Make calls with the session, and return their final status."""
    permissions = wallet.grants[0].permissions
    return await wallet.status(await wallet.send(await prepare(wallet, *calls), wallet.key, permissions))


async def denial(wallet: OrgWallet, *calls: Json, **fields: Any) -> WalletError:
    """Return the error with which the calls are denied when they are prepared."""
    try:
        prepared = await prepare(wallet, *calls, **fields)
    except WalletError as error:
        return error
    raise AssertionError(prepared)


async def usage(wallet: OrgWallet) -> list[Json]:
    """Return the state of each rule, as the answer of the same rules set again."""
    reference = SessionReference(
        account=Address.parse(wallet.account), chain_id=CHAIN, entity_id=EntityId(wallet.grants[0].entity_id)
    )
    described = wire.encode(RulesDescription, await describe_rules(wallet.client.ports, reference))
    found: list[Json] = described["rules"]
    return found


def execute_batch(*payments: tuple[str, int]) -> str:
    """Return the call data with which the account pays in a batch."""
    return "0x34fcd5be" + encode(["(address,uint256,bytes)[]"], [[(to, wei, b"") for to, wei in payments]]).hex()


def pay(wei: int, to: str = FRIEND) -> Json:
    return {"to": to, "value": hex(wei)}


async def owner_signature(wallet: OrgWallet, action: str, *, by: Any = None, **content: Any) -> Json:
    """Return the owner's signature of a change."""
    prepared = await wallet.client.ask(
        "wallet_prepareSessionChange",
        action=action,
        **content,
        account=wallet.account,
        chainId=hex(CHAIN),
        entityId=wallet.grants[0].entity_id,
    )
    signature = sign_request(by or wallet.owner, prepared["signatureRequest"])
    return {"nonce": prepared["nonce"], "deadline": prepared["deadline"], "signature": signature}


def workers_of(client: OrgClient) -> DeliveryWorkers:
    """Return workers over the ports of a client."""
    return DeliveryWorkers(client.store.outbox, lambda _: client.ports, client.clock, Silence())
