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
from wallet_rpc.services.accounts import read_account_facts
from wallet_rpc.services.org_sessions import parse_evm_address
from wallet_rpc.services.sessions import describe_forgotten, is_forgotten
from wallet_rpc.services.signatures import verify_owner_signature
from wallet_rpc.wire import FieldError

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """A grant that is to be registered on a chain, and where it stands in the request."""

    chain: ChainPorts
    grant: SerializedGrant
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSession:
    """A session and its owner's signature, as the account takes it."""

    session: Session
    signature: Data


def read_grant(serialized: str, *, field: str) -> SerializedGrant | FieldError:
    """What was serialized, or why it cannot be read."""
    try:
        return parse_grant(serialized)
    except InvalidParams as error:
        return FieldError(field=field, text=error.message, reason=error.reason)


async def find_wallet_account(
    ports: Ports, wallet_id: str, requests: Sequence[InstallRequest], chains: Sequence[ChainPorts]
) -> Address | None:
    """The account that a wallet's id means in the caller's organisation; None when it means none.

    It is the id that `wallet_requestAccount` answered, and of several accounts of that id the one with the sessions
    that are `asked` for; or the address of an account that was recorded here, or is one on any of the `chains`.
    """
    if _UUID.fullmatch(wallet_id):
        named = await ports.store.accounts.find_by_id(UUID(wallet_id))
        return await _find_account_with_session(ports, [account.address for account in named], requests)
    address = parse_evm_address(wallet_id)
    if address is None:
        return None
    if await ports.store.accounts.find_by_address(address) is not None:
        return address
    found = await asyncio.gather(*(_is_account(ports, chain, address) for chain in chains))
    return address if any(found) else None


async def _find_account_with_session(
    ports: Ports, accounts: Sequence[Address], requests: Sequence[InstallRequest]
) -> Address | None:
    """The first account that has one of the sessions; the first of all when none has."""
    for account in accounts if len(accounts) > 1 else ():
        found = (ports.store.sessions.get(account, each.chain.chain_id, each.grant.session_id) for each in requests)
        if any(await asyncio.gather(*found)):
            return account
    return accounts[0] if accounts else None


async def _is_account(ports: Ports, chain: ChainPorts, address: Address) -> bool:
    """Whether an account that can have sessions is at the address."""
    try:
        facts = await read_account_facts(ports, chain, address, at="walletId")
    except InvalidParams:
        return False
    return not facts.needs_delegation


async def verify_install(
    ports: Ports, request: InstallRequest, *, account: Address, key: Address
) -> VerifiedSession | FieldError:
    """The session, when its owner granted it to the key on this chain and nothing has ended it; else what is wrong."""
    try:
        return await _verify_install(ports, request, account, key)
    except InvalidParams as error:
        return FieldError(field=request.field, text=error.message, reason=error.reason)


async def _verify_install(ports: Ports, request: InstallRequest, account: Address, key: Address) -> VerifiedSession:
    chain, grant = request.chain, request.grant
    session = await ports.store.sessions.get(account, chain.chain_id, grant.session_id)
    if session is None and await is_forgotten(ports, account, chain.chain_id, grant.session_id):
        raise InvalidParams(describe_forgotten(grant.session_id), reason="session_forgotten")
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
    return VerifiedSession(
        session=session, signature=await _verify_owner_signature(ports, chain, session, grant.signature)
    )


async def _verify_owner_signature(ports: Ports, chain: ChainPorts, session: Session, given: Data) -> Data:
    """The signature in the form that is good on chain. Raises: InvalidParams when the owner did not give it."""
    try:
        facts = await read_account_facts(ports, chain, session.account, at="walletId")
    except InvalidParams as error:
        _disagree(error.message)
    try:
        checked = await verify_owner_signature(chain, facts, session.action, given)
    except InvalidParams:  # a broken wrapper is nobody's signature
        checked = None
    if checked is None:
        raise InvalidParams(
            f"the grant's signature is not by the account's owner {facts.owner}", reason="grant_signature_invalid"
        )
    return checked.value


def _disagree(text: str) -> NoReturn:
    raise InvalidParams(text, reason="grant_disagrees")
