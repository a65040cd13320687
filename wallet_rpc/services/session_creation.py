"""Creation of sessions: check the grant, store the session with an entity id, and request the owner's signature."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.deferred_action import DEFERRED_ACTION_TYPES
from wallet_rpc.domain.event import Event, EventType
from wallet_rpc.domain.grant_warnings import GrantWarning
from wallet_rpc.domain.guard import check_and_compile, check_grant
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import Session, SessionKey
from wallet_rpc.domain.rules.rule import SessionRule
from wallet_rpc.domain.session_record import UnsignedSession
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms
from wallet_rpc.errors import WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, SessionId, UnixSeconds
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.entity_ids import FreeEntity, write_with_free_entity
from wallet_rpc.services.events import publish
from wallet_rpc.services.grant_review import WarningPolicy, review_grant
from wallet_rpc.services.rule_changes import create_rules
from wallet_rpc.services.session_stops import record_creation
from wallet_rpc.services.unsigned_sessions import choose_deletion, claim_unsigned, find_record_end, index_session
from wallet_rpc.wire import shape


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to create."""

    chain_id: ChainId
    account: Address
    key: SessionKey
    permissions: tuple[Permission, ...]
    deadline: UnixSeconds
    """The last valid second; 0: no expiry."""
    deadline_at: str = "expirySec"
    """The name of the request's field that holds the deadline."""
    rules: tuple[SessionRule, ...] = ()
    """Rules that this server keeps; their parts agree."""
    tags: tuple[str, ...] = ()
    wants_warnings: bool = True


@shape
class TypedDataField:
    """One member of a struct type."""

    name: str
    """Name of the member in the message."""
    type: str
    """Solidity type of the member, or the name of another struct type."""


_TYPES = {name: tuple(TypedDataField(**field) for field in members) for name, members in DEFERRED_ACTION_TYPES.items()}
"""The struct types of every grant."""


@shape
class TypedDataDomain:
    """The EIP-712 domain, which binds the signature to the chain and the account."""

    chain_id: Annotated[int, Field(ge=1)]
    """Chain of the account, as a JSON number."""
    verifying_contract: Address
    """Account that verifies the signature."""


@shape
class GrantTypedData:
    """EIP-712 typed data, in the form of `eth_signTypedData_v4`."""

    domain: TypedDataDomain
    """Chain and account that the signature is valid for."""
    types: dict[str, tuple[TypedDataField, ...]]
    """Members of each struct type, by its name."""
    primary_type: str
    """Struct type of the message: `DeferredAction`."""
    message: dict[str, str | int]
    """Nonce and deadline of the grant, and the call that installs the session on the account."""


@shape
class SignTypedData:
    """A signature request: sign `data` with `eth_signTypedData_v4`, or sign its digest `rawPayload` directly."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    """Wallet method that signs `data`."""
    data: GrantTypedData
    """Typed data to sign, which wallets show to the owner."""
    raw_payload: Hash32
    """EIP-712 digest of `data`, for signers that sign digests without a prefix."""

    @classmethod
    def from_session(cls, session: Session) -> SignTypedData:
        """Request the signature of the deferred action that installs the session."""
        action = session.action
        parts = action.typed_data(account=session.account, chain_id=session.chain_id)
        return cls(
            data=GrantTypedData(
                domain=TypedDataDomain(chain_id=session.chain_id, verifying_contract=session.account),
                types=_TYPES,
                primary_type=parts["primaryType"],
                message=parts["message"],
            ),
            raw_payload=action.digest(account=session.account, chain_id=session.chain_id),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedGrant:
    """A created session, and the warnings about its grant if they were requested."""

    session: Session
    warnings: tuple[GrantWarning, ...] | None


async def create_unsigned_session(ports: Ports, new: NewSession) -> CreatedGrant:
    """Check the requested grant, try it on the chain, and store the session with an unused entity id.

    Nothing is sent to the chain. Raises: InvalidParams for a grant that is not allowed or cannot be installed, and for
    an account without sessions; UnsupportedChain; LimitExceeded for too many unsigned sessions, and when no entity id
    is left.
    """
    chain = chain_of(ports, new.chain_id)
    terms = SessionTerms(
        account=new.account,
        key=new.key.address,
        entity_id=FIRST_SESSION_ENTITY,
        deadline=new.deadline,
        now=ports.now_on(chain.chain_id),
    )
    check_grant(new.permissions, terms, deadline_at=new.deadline_at)  # before an id is reserved for it
    unsigned = _build_unsigned(ports, new)

    def compile_install(entity_id: EntityId) -> ValidationInstall:
        return check_and_compile(new.permissions, replace(terms, entity_id=entity_id), deadline_at=new.deadline_at)

    try:
        _, refused = await asyncio.gather(claim_unsigned(ports, unsigned), ports.store.grant_policy.refused_warnings())
        policy = WarningPolicy(refused=refused, is_reported=new.wants_warnings, deadline_at=new.deadline_at)
        review = await review_grant(ports, chain, unsigned, policy)
        found = await write_with_free_entity(
            ports, chain, unsigned, has_code=review.has_code, compile_install=compile_install
        )
        warnings = review.finish(found.trial, policy)
    except WalletError:
        await ports.store.unsigned_sessions.release(unsigned)
        raise
    session = _build_session(unsigned, found)
    facts = {"account": session.account.hex0x(), "chainId": session.chain_id, "sessionId": session.id.hex0x()}
    steps = [
        index_session(ports, session, forget_at=unsigned.forget_at, tags=new.tags),
        record_creation(ports, session, forget_at=_choose_end(ports, unsigned)),
        log_event(ports, EventKind.GRANT_REQUESTED, **facts, key=session.key.address.hex0x()),
        publish(ports, _describe_creation(unsigned)),  # a caller without an answer knows of no session
    ]
    if new.rules:
        steps.append(create_rules(ports, session, new.rules, unsigned_until=unsigned.forget_at))
    await asyncio.gather(*steps)
    return CreatedGrant(session=session, warnings=warnings if new.wants_warnings else None)


def _build_unsigned(ports: Ports, new: NewSession) -> UnsignedSession:
    """Build the record of a new session, with a new id."""
    return UnsignedSession(
        account=new.account,
        chain_id=new.chain_id,
        id=SessionId(ports.entropy.random_bytes(16)),
        caller=ports.caller.holder,
        holder=ports.caller.holder_digest,
        key=new.key,
        permissions=new.permissions,
        deadline=new.deadline,
        created_at=ports.clock.now(),
        forget_at=choose_deletion(ports, new.chain_id, new.deadline),
    )


def _choose_end(ports: Ports, unsigned: UnsignedSession) -> UnixSeconds | None:
    """Return the time until which the creator is recorded: the session's end, unless callers without a key may fill it.

    The owner's signature may be presented until then, also after the unsigned session was deleted.
    """
    return unsigned.forget_at if ports.caller.is_anonymous else find_record_end(unsigned.deadline)


def _describe_creation(unsigned: UnsignedSession) -> Event:
    return Event(
        type=EventType.SESSION_CREATED,
        time=unsigned.created_at,
        account=unsigned.account,
        chain_id=unsigned.chain_id,
        session_id=unsigned.id,
        data={"key": unsigned.key.address.hex0x()},
    )


def _build_session(unsigned: UnsignedSession, found: FreeEntity) -> Session:
    """Build the session of an unsigned one that got an entity id, with the nonce of its installation."""
    install = found.install
    return Session(
        id=unsigned.id,
        account=unsigned.account,
        chain_id=unsigned.chain_id,
        key=unsigned.key,
        permissions=unsigned.permissions,
        entity_id=EntityId(install.entity_id),
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=found.nonce,
        deadline=unsigned.deadline,
        call=install.call_data,
        created_at=unsigned.created_at,
        holder=unsigned.holder,
    )
