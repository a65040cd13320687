"""Creation of sessions: check the grant, reserve an entity id, store the session, and request the owner's signature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.guard import check_and_compile, check_grant
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY
from wallet_rpc.domain.permission import Permission, Root
from wallet_rpc.domain.records import Session, SessionKey
from wallet_rpc.domain.validation_install import SessionTerms
from wallet_rpc.errors import WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Hash32, UnixSeconds
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.entity_ids import reserve_free_entity
from wallet_rpc.services.unsigned_sessions import claim_unsigned
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

    @classmethod
    def from_session(cls, session: Session) -> SignTypedData:
        """Request the signature of the deferred action that installs the session."""
        action = session.action
        parts = action.typed_data(account=session.account, chain_id=session.chain_id)
        fields = {name: tuple(TypedDataField(**field) for field in members) for name, members in parts["types"].items()}
        return cls(
            data=GrantTypedData(
                domain=TypedDataDomain(chain_id=session.chain_id, verifying_contract=session.account),
                types=fields,
                primary_type=parts["primaryType"],
                message=parts["message"],
            ),
            raw_payload=action.digest(account=session.account, chain_id=session.chain_id),
        )


async def create_unsigned_session(ports: Ports, new: NewSession) -> Session:
    """Check the requested grant, reserve an unused entity id, and store the session. Nothing is sent to the chain.

    Raises: InvalidParams for a grant that is not allowed and for an account without sessions; UnsupportedChain;
    LimitExceeded for too many unsigned sessions, and when no entity id is left.
    """
    chain = chain_of(ports, new.chain_id)
    is_global = any(isinstance(permission, Root) for permission in new.permissions)
    terms = SessionTerms(
        account=new.account,
        key=new.key.address,
        entity_id=FIRST_SESSION_ENTITY,
        deadline=new.deadline,
        now=ports.clock.now(),
    )
    check_grant(new.permissions, terms, deadline_at=new.deadline_at)  # before an id is reserved for it
    claimed = await claim_unsigned(ports, new.account, chain.chain_id, new.deadline)
    try:
        entity_id, nonce = await reserve_free_entity(ports, chain, new.account, is_global=is_global)
    except WalletError:
        await ports.store.unsigned_sessions.release(claimed)
        raise
    install = check_and_compile(new.permissions, replace(terms, entity_id=entity_id), deadline_at=new.deadline_at)
    session = Session(
        id=claimed.id,
        account=new.account,
        chain_id=chain.chain_id,
        key=new.key,
        permissions=new.permissions,
        entity_id=entity_id,
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=nonce,
        deadline=new.deadline,
        call=install.call_data,
        created_at=terms.now,
        holder=claimed.holder,
    )
    await ports.store.sessions.save(session, forget_at=claimed.forget_at)
    facts = {"account": session.account.hex0x(), "chainId": session.chain_id, "sessionId": session.id.hex0x()}
    await log_event(ports, EventKind.GRANT_REQUESTED, **facts, key=session.key.address.hex0x())
    return session
