"""`wallet_createSession`: create a session and return the typed data that the owner signs to grant it.

Nothing is sent to the chain.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.grant_warnings import GrantWarning
from wallet_rpc.domain.guard import LAST_SECOND
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import SessionKey
from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.domain.rules.rule_checks import check_rule_parts
from wallet_rpc.errors import InvalidParams, LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, NonZeroAddress, SessionId, Uint256, UnixSeconds
from wallet_rpc.services.rule_changes import RULE_REASONS
from wallet_rpc.services.session_creation import NewSession, SignTypedData, create_unsigned_session
from wallet_rpc.services.session_tags import Tags
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class CreateSession:
    """A session request: chain, account, session key, permissions, and expiry (0: no expiry)."""

    chain_id: ChainId
    """Chain on which the session is valid."""
    account: NonZeroAddress
    """Account for which the session key may act."""
    expiry_sec: Annotated[UnixSeconds, Field(json_schema_extra={"maximum": LAST_SECOND})] = 0
    """Last valid second as Unix time, enforced by the account; 0: no expiry."""
    expiry: Uint256 | None = None
    """The expiry in hex, as sent by clients of early 2025; used when `expirySec` is absent or 0."""
    key: SessionKey
    """Key or contract that signs for the session."""
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1)]
    """Rights and limits of the session, enforced on chain by the account's modules."""
    rules: RuleList = ()
    """Rules that this server keeps in addition, for calls that reach the chain through it (specs/rules.md)."""
    tags: Tags = ()
    """Tags of the session, by which `wallet_listSessions` finds it. An extension."""
    warnings: bool = True
    """False: the response has no `warnings`. Those that the organisation's policy refuses are errors all the same."""

    @property
    def deadline(self) -> int:
        """The last valid second; 0: no expiry."""
        return self.expiry_sec or self.expiry or 0

    @property
    def deadline_at(self) -> str:
        """The name of the field that holds the deadline."""
        return "expiry" if self.expiry and not self.expiry_sec else "expirySec"

    def check(self) -> None:
        """Raise InvalidParams when `expiry` and `expirySec` differ, or a rule contradicts itself."""
        if self.expiry and self.expiry_sec and self.expiry != self.expiry_sec:
            at = "params.expiry"
            raise InvalidParams(
                f"expected {self.expiry_sec}, the same as expirySec, got {self.expiry}; send only one of the two",
                field=at,
                reason="duplicate_limit",
            )
        check_rule_parts(self.rules, at="params.rules")


@shape
class CreatedSession:
    """The session's id and the signature request with which the account's owner grants the session."""

    session_id: SessionId
    """Random id that names the session in later requests, together with the owner's signature."""
    chain_id: ChainId
    """Chain of the request."""
    signature_request: SignTypedData
    """Typed data that the account's owner signs to grant the session."""
    warnings: tuple[GrantWarning, ...] | None = None
    """Dangers of the grant that its owner may not expect; empty if there are none, absent with `warnings: false`."""


async def run(ports: Ports, request: CreateSession) -> CreatedSession:
    """Check the requested grant, create the session, and return the typed data to sign."""
    request.check()
    created = await create_unsigned_session(
        ports,
        NewSession(
            chain_id=request.chain_id,
            account=request.account,
            key=request.key,
            permissions=request.permissions,
            deadline=request.deadline,
            deadline_at=request.deadline_at,
            rules=request.rules,
            tags=request.tags,
            wants_warnings=request.warnings,
        ),
    )
    session = created.session
    return CreatedSession(
        session_id=session.id,
        chain_id=session.chain_id,
        signature_request=SignTypedData.from_session(session),
        warnings=created.warnings,
    )


OPERATION: Operation[Ports, CreateSession, CreatedSession] = Operation(
    "wallet_createSession",
    CreateSession,
    CreatedSession,
    run,
    "Create a session that lets a key act for an account within permissions, once the account's owner signs the grant.",
    (LimitExceeded, UnsupportedChain, UnreadableAnswer),
    need=RequiredAccess(scopes=(Scope.SESSIONS_CREATE,)),
    wallets=lambda request: (request.account,),
    reasons=(*reasons.GRANT, *RULE_REASONS),
    description=(
        "Compile the permissions into the call that installs the session, and return the typed data that grants it. "
        "Nothing is sent to the chain: the session's first operation installs it. The contracts enforce permissions "
        "and expiry."
    ),
)
