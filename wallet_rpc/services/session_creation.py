"""Creation of sessions: check the grant, store the session with an entity id, and request the owner's signature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.guard import check_and_compile, check_grant
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY
from wallet_rpc.domain.permission import Permission, Root
from wallet_rpc.domain.records import Session, SessionKey
from wallet_rpc.domain.session_record import UnsignedSession
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms
from wallet_rpc.errors import WalletError
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, SessionId, UnixSeconds
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.entity_ids import write_with_free_entity
from wallet_rpc.services.unsigned_sessions import choose_deletion, claim_unsigned
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
    """Name of the member in the message."""
    type: str
    """Solidity type of the member, or the name of another struct type."""


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
    """Check the requested grant, and store the session with an unused entity id. Nothing is sent to the chain.

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
    unsigned = UnsignedSession(
        account=new.account,
        chain_id=chain.chain_id,
        id=SessionId(ports.entropy.random_bytes(16)),
        caller=ports.caller.holder,
        holder=ports.caller.holder_digest,
        key=new.key,
        permissions=new.permissions,
        deadline=new.deadline,
        created_at=terms.now,
        forget_at=choose_deletion(ports, new.deadline),
    )
    await claim_unsigned(ports, unsigned)
    try:
        entity_id, nonce = await write_with_free_entity(ports, chain, unsigned, is_global=is_global)
        install = check_and_compile(new.permissions, replace(terms, entity_id=entity_id), deadline_at=new.deadline_at)
    except WalletError:
        await ports.store.unsigned_sessions.release(unsigned)
        raise
    session = _build_session(unsigned, install, entity_id, nonce)
    facts = {"account": session.account.hex0x(), "chainId": session.chain_id, "sessionId": session.id.hex0x()}
    await log_event(ports, EventKind.GRANT_REQUESTED, **facts, key=session.key.address.hex0x())
    return session


def _build_session(unsigned: UnsignedSession, install: ValidationInstall, entity_id: EntityId, nonce: int) -> Session:
    """Build the session of an unsigned one that got an entity id, with the nonce of its installation."""
    return Session(
        id=unsigned.id,
        account=unsigned.account,
        chain_id=unsigned.chain_id,
        key=unsigned.key,
        permissions=unsigned.permissions,
        entity_id=entity_id,
        is_global=install.is_global,
        has_execution_hooks=install.has_execution_hooks,
        nonce=nonce,
        deadline=unsigned.deadline,
        call=install.call_data,
        created_at=unsigned.created_at,
        holder=unsigned.holder,
    )
