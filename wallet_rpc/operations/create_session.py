"""`wallet_createSession`: create a session and return the typed data that the owner signs to grant it.

Nothing is sent to the chain.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.guard import LAST_SECOND, check_and_compile, check_grant
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY, NonceKey
from wallet_rpc.domain.permission import Permission, Root
from wallet_rpc.domain.records import Account, AccountKind, Session, SessionKey
from wallet_rpc.domain.validation_install import SessionTerms
from wallet_rpc.domain.views import decode_validation_data, encode_get_validation_data
from wallet_rpc.errors import (
    ExecutionReverted,
    InvalidParams,
    LimitExceeded,
    UnreadableAnswer,
    UnsupportedChain,
    WalletError,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, NonZeroAddress, SessionId, Uint256, UnixSeconds
from wallet_rpc.services.accounts import build_not_an_account_error, build_not_delegated_error, chain_of, is_confirmed
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.sessions import claim_unsigned
from wallet_rpc.wire import shape, strict_shape

FIRST_RANDOM_START, LAST_RANDOM_START = 1 << 16, 1 << 29
"""Bounds of the random start of entity ids within an id range, for accounts with code."""


@strict_shape
class CreateSession:
    """A session request: chain, account, session key, permissions, and expiry (0: no expiry)."""

    chain_id: ChainId
    account: NonZeroAddress
    expiry_sec: Annotated[UnixSeconds, Field(json_schema_extra={"maximum": LAST_SECOND})] = 0
    expiry: Uint256 | None = None
    """The expiry in hex, as sent by clients of early 2025; used when `expirySec` is absent or 0."""
    key: SessionKey
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]

    @property
    def deadline(self) -> int:
        """The last valid second; 0: no expiry."""
        return self.expiry_sec or self.expiry or 0

    @property
    def deadline_at(self) -> str:
        """The name of the field that holds the deadline."""
        return "expiry" if self.expiry and not self.expiry_sec else "expirySec"

    def check(self) -> None:
        """Raise InvalidParams (duplicate_limit) when `expiry` and `expirySec` differ."""
        if self.expiry and self.expiry_sec and self.expiry != self.expiry_sec:
            at = "params.expiry"
            raise InvalidParams(
                f"{at}: expected {self.expiry_sec}, the same as expirySec, got {self.expiry}; send only one of the two",
                field=at,
                reason="duplicate_limit",
            )


@shape
class TypedDataField:
    """One member of a struct type."""

    name: str
    type: str


@shape
class TypedDataDomain:
    """The EIP-712 domain, which binds the signature to the chain and the account."""

    chain_id: Annotated[int, Field(ge=1)]
    verifying_contract: Address


@shape
class GrantTypedData:
    """EIP-712 typed data, in the form of `eth_signTypedData_v4`."""

    domain: TypedDataDomain
    types: dict[str, tuple[TypedDataField, ...]]
    primary_type: str
    message: dict[str, Any]


@shape
class SignTypedData:
    """A signature request: sign `data` with `eth_signTypedData_v4`, or sign its digest `rawPayload` directly."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    data: GrantTypedData
    raw_payload: Hash32


@shape
class CreatedSession:
    """The session's id and the signature request with which the account's owner grants the session."""

    session_id: SessionId
    chain_id: ChainId
    signature_request: SignTypedData


async def run(ports: Ports, request: CreateSession) -> CreatedSession:
    """Check the requested grant, reserve an unused entity id, and return the typed data to sign."""
    request.check()
    chain = chain_of(ports, request.chain_id)
    is_global = any(isinstance(permission, Root) for permission in request.permissions)
    terms = _terms(ports, request, FIRST_SESSION_ENTITY)
    at = request.deadline_at
    check_grant(request.permissions, terms, deadline_at=at)  # before an id is reserved for it
    claimed = await claim_unsigned(ports, request.account, chain.chain_id, request.deadline)
    try:
        entity_id, nonce = await _reserve_free_entity(ports, chain, request, is_global)
    except WalletError:
        await ports.store.unsigned_sessions.release(claimed)
        raise
    install = check_and_compile(request.permissions, replace(terms, entity_id=entity_id), deadline_at=at)
    action = DeferredAction(nonce=nonce, deadline=request.deadline, call=install.call_data)
    session = Session(
        id=claimed.id,
        account=request.account,
        chain_id=chain.chain_id,
        key=request.key,
        permissions=request.permissions,
        entity_id=entity_id,
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=nonce,
        deadline=request.deadline,
        call=install.call_data,
        created_at=terms.now,
        holder=claimed.holder,
    )
    await ports.store.sessions.save(session, forget_at=claimed.forget_at)
    facts = {"account": session.account.hex0x(), "chainId": session.chain_id, "sessionId": session.id.hex0x()}
    await log_event(ports, EventKind.GRANT_REQUESTED, **facts, key=session.key.address.hex0x())
    return CreatedSession(
        session_id=session.id, chain_id=chain.chain_id, signature_request=_build_signature_request(session, action)
    )


def _terms(ports: Ports, request: CreateSession, entity_id: EntityId) -> SessionTerms:
    return SessionTerms(
        account=request.account,
        key=request.key.address,
        entity_id=entity_id,
        deadline=request.deadline,
        now=ports.clock.now(),
    )


async def _reserve_free_entity(
    ports: Ports, chain: ChainPorts, request: CreateSession, is_global: bool
) -> tuple[EntityId, int]:
    """Reserve an entity id that was never used, here or elsewhere; return it with the nonce of its installation.

    Modules keep the allowances of an uninstalled session and would apply them to the next session with the same entity
    id. The chain does not reveal every used id, because a grant may have been installed under any parallel nonce key.
    So ids of an account with code start at random, far from other servers' ids, which count up from 1. An undeployed
    account has nothing installed and has used no nonce.

    Raises: InvalidParams (account_not_delegated) for an externally owned account that runs no supported implementation.
    An address without code, record or transactions counts as an undeployed contract.
    """
    account = request.account
    code, record, entity_id = await asyncio.gather(
        chain.node.code(account),
        ports.store.accounts.find_by_address(account),
        _reserve(ports, chain, account, FIRST_SESSION_ENTITY),
    )
    delegate = delegate_of(code)
    is_delegated_elsewhere = delegate is not None and delegate not in DELEGATES
    if is_delegated_elsewhere or (not code and await _is_external(ports, chain, account, record)):
        raise build_not_delegated_error(chain, account, "params.account")
    if code and entity_id % ENTITY_RANGE_SIZE < FIRST_RANDOM_START:
        entity_id = await _reserve(ports, chain, account, _pick_random_start(ports, entity_id))
    while True:
        key = NonceKey(entity_id=entity_id, is_global=is_global, is_deferred=True)
        if not code:
            return entity_id, key.nonce(0)
        try:
            validation, nonce = await asyncio.gather(
                chain.node.call(account, encode_get_validation_data(entity_id)),
                chain.node.user_operation_nonce(account, key.key),
            )
            is_installed = decode_validation_data(validation).is_installed
        except (ExecutionReverted, UnreadableAnswer):
            raise build_not_an_account_error(account, "params.account") from None
        if not is_installed and nonce == key.nonce(0):
            return entity_id, nonce
        entity_id = await _reserve(ports, chain, account, EntityId(entity_id + 1))


async def _is_external(ports: Ports, chain: ChainPorts, account: Address, record: Account | None) -> bool:
    """Return True when an address without code is an externally owned account, by its record or its transactions.

    Such an account may have had sessions while it was delegated, and its state outlives the delegation. An undeployed
    contract has sent no transaction. A record that any caller could have created is not trusted: its address may be
    another signer's undeployed contract.
    """
    if record is not None and record.kind is AccountKind.SEMI_MODULAR:
        return False
    if record is not None and await is_confirmed(ports, record):
        return True
    return await chain.node.transaction_count(account) > 0


def _pick_random_start(ports: Ports, entity_id: EntityId) -> EntityId:
    """Return a random id in the id range of `entity_id` that leaves at least half a billion ids after it."""
    range_start = entity_id - entity_id % ENTITY_RANGE_SIZE
    number = int.from_bytes(ports.entropy.random_bytes(8), "big")
    return EntityId(range_start + FIRST_RANDOM_START + number % (LAST_RANDOM_START - FIRST_RANDOM_START))


async def _reserve(ports: Ports, chain: ChainPorts, account: Address, at_least: EntityId) -> EntityId:
    """Reserve the next id of the range open to all callers, or of the trusted callers' range when that is used up."""
    sessions = ports.store.sessions
    try:
        return await sessions.reserve_entity(account, chain.chain_id, at_least=at_least, trusted=False)
    except LimitExceeded:
        if not await sessions.is_trusted(account, chain.chain_id, ports.caller.holder):
            raise
        return await sessions.reserve_entity(account, chain.chain_id, at_least=at_least, trusted=True)


def _build_signature_request(session: Session, action: DeferredAction) -> SignTypedData:
    parts = action.typed_data(account=session.account, chain_id=session.chain_id)
    fields = {name: tuple(TypedDataField(**field) for field in members) for name, members in parts["types"].items()}
    return SignTypedData(
        data=GrantTypedData(
            domain=TypedDataDomain(chain_id=session.chain_id, verifying_contract=session.account),
            types=fields,
            primary_type=parts["primaryType"],
            message=parts["message"],
        ),
        raw_payload=action.digest(account=session.account, chain_id=session.chain_id),
    )


OPERATION: Operation[Ports, CreateSession, CreatedSession] = Operation(
    "wallet_createSession",
    CreateSession,
    CreatedSession,
    run,
    "Create a session that lets a key act for an account within permissions, once the account's owner signs the grant.",
    (LimitExceeded, UnsupportedChain),
    need=RequiredAccess(scopes=(Scope.SESSIONS_CREATE,)),
    wallets=lambda request: (request.account,),
)
