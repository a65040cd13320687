"""Whether what an organisation registers are sessions of its own that the wallet's owner granted.

The rule: every install is looked at, so that one answer tells all that is wrong; nothing is written here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID

from wallet_rpc.domain.records import Session
from wallet_rpc.domain.serialized_grant import SerializedGrant, parse_grant
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data
from wallet_rpc.services.accounts import account_facts
from wallet_rpc.services.org_sessions import evm_address
from wallet_rpc.services.sessions import is_forgotten, words_of_forgotten
from wallet_rpc.services.signatures import owner_signature
from wallet_rpc.wire import Fault

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A grant that is to be registered on a chain, and where it stands in the request."""

    chain: ChainPorts
    grant: SerializedGrant
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A session and its owner's signature, as the account takes it."""

    session: Session
    signature: Data


def read_grant(serialized: str, *, field: str) -> SerializedGrant | Fault:
    """What was serialized, or why it cannot be read."""
    try:
        return parse_grant(serialized)
    except InvalidParams as error:
        return Fault(field=field, text=error.message, reason=error.reason)


async def wallet_account(
    ports: Ports, wallet_id: str, asked: Sequence[Asked], chains: Sequence[ChainPorts]
) -> Address | None:
    """The account that a wallet's id means in the caller's organisation; None when it means none.

    It is the id that `wallet_requestAccount` answered, and of several accounts of that id the one with the sessions
    that are `asked` for; or the address of an account that was recorded here, or is one on any of the `chains`.
    """
    if _UUID.fullmatch(wallet_id):
        named = await ports.store.accounts.named(UUID(wallet_id))
        return await _granting(ports, [account.address for account in named], asked)
    address = evm_address(wallet_id)
    if address is None:
        return None
    if await ports.store.accounts.at(address) is not None:
        return address
    found = await asyncio.gather(*(_is_account(ports, chain, address) for chain in chains))
    return address if any(found) else None


async def _granting(ports: Ports, accounts: Sequence[Address], asked: Sequence[Asked]) -> Address | None:
    """The first account that has one of the sessions; the first of all when none has."""
    for account in accounts if len(accounts) > 1 else ():
        found = (ports.store.sessions.get(account, each.chain.chain_id, each.grant.session_id) for each in asked)
        if any(await asyncio.gather(*found)):
            return account
    return accounts[0] if accounts else None


async def _is_account(ports: Ports, chain: ChainPorts, address: Address) -> bool:
    """Whether an account that can have sessions is at the address."""
    try:
        facts = await account_facts(ports, chain, address, at="walletId")
    except InvalidParams:
        return False
    return not facts.needs_delegation


async def verified(ports: Ports, asked: Asked, *, account: Address, key: Address) -> Verified | Fault:
    """The session, when its owner granted it to the key on this chain and nothing has ended it; else what is wrong."""
    try:
        return await _verified(ports, asked, account, key)
    except InvalidParams as error:
        return Fault(field=asked.field, text=error.message, reason=error.reason)


async def _verified(ports: Ports, asked: Asked, account: Address, key: Address) -> Verified:
    chain, grant = asked.chain, asked.grant
    session = await ports.store.sessions.get(account, chain.chain_id, grant.session_id)
    if session is None and await is_forgotten(ports, account, chain.chain_id, grant.session_id):
        raise InvalidParams(words_of_forgotten(grant.session_id), reason="session_forgotten")
    if session is None:
        _disagree(f"no session {grant.session_id} of account {account} on chain {chain.chain_id}")
    if grant.account not in {None, account} or grant.chain_id not in {None, chain.chain_id}:
        _disagree(f"the session is of account {account} on chain {chain.chain_id}, the grant names another")
    if session.key.address != key:
        _disagree(f"the session's key is {session.key.address}, sessionAddress is another")
    if session.deadline != 0 and session.deadline <= ports.clock.now():
        raise InvalidParams("the grant has expired", reason="expiry_out_of_range")
    if await ports.store.sessions.is_revoked(account, chain.chain_id, session.entity_id):
        raise InvalidParams("the session was revoked, which is for good", reason="session_registered")
    return Verified(session=session, signature=await _owner_signed(ports, chain, session, grant.signature))


async def _owner_signed(ports: Ports, chain: ChainPorts, session: Session, given: Data) -> Data:
    """The signature in the form that is good on chain. Raises: InvalidParams when the owner did not give it."""
    try:
        facts = await account_facts(ports, chain, session.account, at="walletId")
    except InvalidParams as error:
        _disagree(error.message)
    try:
        checked = await owner_signature(chain, facts, session.action, given)
    except InvalidParams:  # a broken wrapper is nobody's signature
        checked = None
    if checked is None:
        raise InvalidParams(
            f"the grant's signature is not by the account's owner {facts.owner}", reason="grant_signature_invalid"
        )
    return checked.value


def _disagree(text: str) -> NoReturn:
    raise InvalidParams(text, reason="grant_disagrees")
