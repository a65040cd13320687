"""Checks of the sessions that an organisation registers: they are its own, and the wallet's owner granted them.

Every install is checked, so that one response lists all errors. The checks write nothing.
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
from wallet_rpc.services.account_facts import read_account_facts
from wallet_rpc.services.org_sessions import parse_evm_address
from wallet_rpc.services.signatures import verify_owner_signature
from wallet_rpc.services.unsigned_sessions import describe_forgotten, is_forgotten
from wallet_rpc.wire import FieldError

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRequest:
    """A grant to register on a chain, and its path in the request."""

    chain: ChainPorts
    grant: SerializedGrant
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSession:
    """A session, and its owner's signature in the form that the account accepts."""

    session: Session
    signature: Data


def read_grant(serialized: str, *, field: str) -> SerializedGrant | FieldError:
    """Parse a serialized grant; return the error as a value if that fails."""
    try:
        return parse_grant(serialized)
    except InvalidParams as error:
        return FieldError(field=field, text=error.message, reason=error.reason)


async def find_wallet_account(
    ports: Ports, wallet_id: str, requests: Sequence[InstallRequest], chains: Sequence[ChainPorts]
) -> Address | None:
    """Return the account that a wallet id identifies in the caller's organisation; None if it identifies none.

    The wallet id is an account id that `wallet_requestAccount` returned, or the address of an account that is recorded
    here or exists on one of the `chains`. Of several accounts with the same id, the one with a session of the
    `requests` counts.
    """
    if _UUID.fullmatch(wallet_id):
        accounts = await ports.store.accounts.find_by_id(UUID(wallet_id))
        return await _find_account_with_session(ports, [account.address for account in accounts], requests)
    address = parse_evm_address(wallet_id)
    if address is None:
        return None
    if await ports.store.accounts.find_by_address(address) is not None:
        return address
    results = await asyncio.gather(*(_is_account(ports, chain, address) for chain in chains))
    return address if any(results) else None


async def _find_account_with_session(
    ports: Ports, accounts: Sequence[Address], requests: Sequence[InstallRequest]
) -> Address | None:
    """Return the first account that has one of the sessions, or the first account if none has."""
    for account in accounts if len(accounts) > 1 else ():
        reads = (ports.store.sessions.get(account, each.chain.chain_id, each.grant.session_id) for each in requests)
        if any(await asyncio.gather(*reads)):
            return account
    return accounts[0] if accounts else None


async def _is_account(ports: Ports, chain: ChainPorts, address: Address) -> bool:
    """Return True when the address is an account that can have sessions."""
    try:
        facts = await read_account_facts(ports, chain, address, at="walletId")
    except InvalidParams:
        return False
    return not facts.needs_delegation


async def verify_install(
    ports: Ports, request: InstallRequest, *, account: Address, key: Address
) -> VerifiedSession | FieldError:
    """Return the session if its owner granted it to the key on this chain and it has not ended; else the error."""
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
        _disagree(f"expected a grant for account {account} on chain {chain.chain_id}, as in the session, got another")
    if session.key.address != key:
        _disagree(f"expected {session.key.address}, the session's key, as sessionAddress, got {key}")
    if session.deadline != 0 and session.deadline <= ports.now_on(chain.chain_id):
        raise InvalidParams("the grant has expired", reason="expiry_out_of_range")
    if await ports.store.sessions.is_revoked(account, chain.chain_id, session.entity_id):
        raise InvalidParams(
            "the session was revoked, which is permanent; create a new session", reason="session_registered"
        )
    return VerifiedSession(
        session=session, signature=await _verify_owner_signature(ports, chain, session, grant.signature)
    )


async def _verify_owner_signature(ports: Ports, chain: ChainPorts, session: Session, signature: Data) -> Data:
    """Return the signature in the form that is valid on chain. Raises: InvalidParams unless the owner signed."""
    try:
        facts = await read_account_facts(ports, chain, session.account, at="walletId")
    except InvalidParams as error:
        _disagree(error.message)
    try:
        verified = await verify_owner_signature(chain, facts, session.action, signature)
    except InvalidParams:  # a malformed ERC-6492 wrapper counts as an invalid signature
        verified = None
    if verified is None:
        raise InvalidParams(
            f"expected a signature of the grant by the account's owner {facts.owner}, got another",
            reason="grant_signature_invalid",
        )
    return verified.value


def _disagree(text: str) -> NoReturn:
    raise InvalidParams(text, reason="grant_disagrees")
