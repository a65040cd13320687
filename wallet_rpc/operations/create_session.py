"""`wallet_createSession`: what the owner must sign so that a key may act within permissions; nothing goes on chain."""

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
from wallet_rpc.domain.nonce import NonceKey
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

FIRST_SESSION_ENTITY = EntityId(1)
"""The first entity id of a session; 0 is the owner's."""
FIRST_RANDOM_START, LAST_RANDOM_START = 1 << 16, 1 << 29
"""Between which numbers of a lane the ids of an account that may have had sessions from elsewhere begin."""


@strict_shape
class CreateSession:
    """Which key may do what for which account, on which chain and until when (0: without end)."""

    chain_id: ChainId
    account: NonZeroAddress
    expiry_sec: Annotated[UnixSeconds, Field(json_schema_extra={"maximum": LAST_SECOND})] = 0
    expiry: Uint256 | None = None
    """The end as clients of early 2025 wrote it, in hex; read where `expirySec` is absent or 0, never dropped."""
    key: SessionKey
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]

    @property
    def deadline(self) -> int:
        """The last valid second; 0 = without end."""
        return self.expiry_sec or self.expiry or 0

    @property
    def deadline_at(self) -> str:
        """The field that says it."""
        return "expiry" if self.expiry and not self.expiry_sec else "expirySec"

    def check(self) -> None:
        """Raises: InvalidParams (duplicate_limit) when two different ends are given."""
        if self.expiry and self.expiry_sec and self.expiry != self.expiry_sec:
            at = "params.expiry"
            raise InvalidParams(
                f"{at}: expected {self.expiry_sec}, as expirySec, or only one of both, got {self.expiry}",
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
    """What the signature is bound to: the chain and the account."""

    chain_id: Annotated[int, Field(ge=1)]
    verifying_contract: Address


@shape
class GrantTypedData:
    """EIP-712 typed data, as `eth_signTypedData_v4` takes it."""

    domain: TypedDataDomain
    types: dict[str, tuple[TypedDataField, ...]]
    primary_type: str
    message: dict[str, Any]


@shape
class SignTypedData:
    """Sign `data` by `eth_signTypedData_v4`; or `rawPayload`, its digest, by a key that signs digests."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    data: GrantTypedData
    raw_payload: Hash32


@shape
class CreatedSession:
    """The session's id, and what the account's owner signs to grant it."""

    session_id: SessionId
    chain_id: ChainId
    signature_request: SignTypedData


async def run(ports: Ports, request: CreateSession) -> CreatedSession:
    """Check the grant, take an entity id that nobody else has, and say what to sign."""
    request.check()
    chain = chain_of(ports, request.chain_id)
    is_global = any(isinstance(permission, Root) for permission in request.permissions)
    terms, at = _terms(ports, request, FIRST_SESSION_ENTITY), request.deadline_at
    check_grant(request.permissions, terms, deadline_at=at)  # before anything is taken for it
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
    """An entity id that was never given here or used elsewhere, and the nonce of its installation.

    Modules keep what a session was allowed after it is gone, and would allow it to the next one with its id. The chain
    does not tell every id that was used, as a grant may have been installed by any parallel nonce. So the ids of an
    account with code begin at random, far from those that others count from 1. An account to come has nothing installed
    and has used no nonce.

    Raises: InvalidParams (account_not_delegated) for an externally owned account without code of ours; one without code
    that nobody recorded and that has done nothing yet is taken for a contract to come.
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
            answer, nonce = await asyncio.gather(
                chain.node.call(account, encode_get_validation_data(entity_id)),
                chain.node.user_operation_nonce(account, key.key),
            )
            is_installed = decode_validation_data(answer).is_installed
        except (ExecutionReverted, UnreadableAnswer):
            raise build_not_an_account_error(account, "params.account") from None
        if not is_installed and nonce == key.nonce(0):
            return entity_id, nonce
        entity_id = await _reserve(ports, chain, account, EntityId(entity_id + 1))


async def _is_external(ports: Ports, chain: ChainPorts, account: Address, record: Account | None) -> bool:
    """True when an address without code is an externally owned account: an undeployed contract has sent nothing yet.

    Such an account may have had sessions while it was delegated, and its state outlives the delegation. A record that
    any caller could have created is not trusted: its address may be that of another signer's undeployed contract.
    """
    if record is not None and record.kind is AccountKind.SEMI_MODULAR:
        return False
    if record is not None and await is_confirmed(ports, record):
        return True
    return await chain.node.transaction_count(account) > 0


def _pick_random_start(ports: Ports, entity_id: EntityId) -> EntityId:
    """A random id in the lane of `entity_id`, with room for half a billion ids behind it."""
    start = entity_id - entity_id % ENTITY_RANGE_SIZE
    chance = int.from_bytes(ports.entropy.random_bytes(8), "big")
    return EntityId(start + FIRST_RANDOM_START + chance % (LAST_RANDOM_START - FIRST_RANDOM_START))


async def _reserve(ports: Ports, chain: ChainPorts, account: Address, at_least: EntityId) -> EntityId:
    """The next id of the lane open to all; when strangers have used that up, of the lane kept for trusted callers."""
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
    "Create a session that lets a key act for an account within permissions, once the account's owner has signed it.",
    (LimitExceeded, UnsupportedChain),
    need=RequiredAccess(scopes=(Scope.SESSIONS_CREATE,)),
    wallets=lambda request: (request.account,),
)
