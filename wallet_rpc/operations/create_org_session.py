"""`POST /v1/organizations/{orgId}/sessions`: register the sessions of one key on several chains as a group, atomically.

Idempotent while all sessions are active: registering the same sessions again returns the existing group unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

from pydantic import Field

from wallet_rpc import wire
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.serialized_grant import MAX_CHARACTERS, SerializedGrant
from wallet_rpc.domain.session_group import Install, SessionGroup, new_group_id
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import PresentedGrant
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import InvalidParams, NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, EntityId, UnixSeconds
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.org_sessions import (
    SESSIONS_PATH,
    ChainNumber,
    EvmAddress,
    Label,
    Policies,
    RegisteredSessions,
    WalletId,
    build_registered_sessions,
    raise_invalid_params,
)
from wallet_rpc.services.session_registration import (
    InstallRequest,
    VerifiedSession,
    find_wallet_account,
    read_grant,
    verify_install,
)
from wallet_rpc.services.session_stops import record_control
from wallet_rpc.services.session_tags import add_tag
from wallet_rpc.services.unsigned_sessions import activate_session
from wallet_rpc.wire import FieldError, strict_shape

MAX_INSTALLS = 24
"""Maximum number of chains of a group. Source: the hosted service's schema."""
GROUP_BODY_BYTES = 512 * 1024
"""Maximum size of the request body in bytes."""


@strict_shape
class SessionInstall:
    """A chain and the owner's grant of the session on it."""

    chain_id: ChainNumber
    """Chain of the grant, as a JSON number."""
    serialized: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    """The serialized grant; see `domain/serialized_grant` for its format."""


@strict_shape
class CreateOrgSession:
    """A registration request: session key, wallet, grants by chain, and expiry."""

    expires_at: Time
    """Time from which this server rejects the sessions, as RFC 3339 text in UTC."""
    installs: Annotated[tuple[SessionInstall, ...], Field(min_length=1, max_length=MAX_INSTALLS)]
    """Grants of the sessions, one for each chain."""
    policies: Policies
    """Description of the permissions, stored unchanged. If it has `permissions`, they must be those of the grants."""
    session_address: EvmAddress
    """Address of the session key, the same on all chains."""
    wallet_id: WalletId
    """Id or address of the account that grants the sessions."""
    workflow_id: Label | None = None
    """Label of the caller's choice, by which the list can be filtered."""


async def run(ports: Ports, request: CreateOrgSession) -> RegisteredSessions:
    """Register the sessions as a group. Every check runs before the first write."""
    grants = [
        read_grant(install.serialized, field=_grant_field(index)) for index, install in enumerate(request.installs)
    ]
    _refuse_malformed(ports, request, unreadable=[each for each in grants if isinstance(each, FieldError)])
    account, verified = await _verify_installs(ports, request, grants)
    group = SessionGroup(
        id=new_group_id(ports.clock.now(), ports.entropy.random_bytes(10)),
        wallet_id=request.wallet_id,
        account=account,
        session_address=request.session_address,
        policies=request.policies,
        workflow_id=request.workflow_id,
        created_at=ports.clock.now(),
        installs=tuple(_build_install(each, request) for each in verified),
    )
    stored = await _store_group(ports, group, verified)
    sessions = [{"id": each.session_id.hex0x(), "chainId": each.chain_id} for each in stored.installs]
    await log_event(
        ports, EventKind.GRANT_REGISTERED, groupId=stored.id, account=stored.account.hex0x(), sessions=sessions
    )
    return build_registered_sessions(stored)


def _grant_field(index: int) -> str:
    """Return the path of an install's grant in the request."""
    return f"installs[{index}].serialized"


def _refuse_malformed(ports: Ports, request: CreateOrgSession, *, unreadable: Sequence[FieldError]) -> None:
    """Raise InvalidParams for a bad expiry or chain id; the error then also lists the `unreadable` grants.

    These checks need no lookup. Unreadable grants alone do not raise here.
    """
    now = _latest_now(ports, request)
    errors = list[FieldError]()
    if not now < request.expires_at <= now + ports.rules.session_seconds:
        days = ports.rules.session_seconds // 86_400
        text = f"must be in the future, at most {days} days ahead"
        errors.append(FieldError(field="expiresAt", text=text, reason="expiry_out_of_range"))
    seen: set[int] = set()
    for index, install in enumerate(request.installs):
        field = f"installs[{index}].chainId"
        if install.chain_id not in ports.chains:
            configured = ", ".join(map(str, ports.chains))
            errors.append(FieldError(field=field, text=f"must be one of {configured}", reason="chain_unsupported"))
        elif install.chain_id in seen:
            text = f"must be unique, got {install.chain_id} more than once"
            errors.append(FieldError(field=field, text=text, reason="duplicate_chain"))
        seen.add(install.chain_id)
    if errors:
        _refuse_installs([*errors, *unreadable])


def _latest_now(ports: Ports, installing: CreateOrgSession | SessionGroup) -> UnixSeconds:
    """Return the latest of the times on the chains of the sessions."""
    return max(ports.now_on(install.chain_id) for install in installing.installs)


async def _verify_installs(
    ports: Ports, request: CreateOrgSession, grants: Sequence[SerializedGrant | FieldError]
) -> tuple[Address, list[VerifiedSession]]:
    """Return the wallet's account and its verified sessions, one per chain.

    Raises: InvalidParams that lists every invalid install; NotFound for an unknown wallet.
    """
    chains = [ports.chains[install.chain_id] for install in request.installs]
    unreadable = [each for each in grants if isinstance(each, FieldError)]
    installs = [
        each if isinstance(each, FieldError) else InstallRequest(chain=chain, grant=each, field=_grant_field(index))
        for index, (chain, each) in enumerate(zip(chains, grants, strict=True))
    ]
    readable = [each for each in installs if isinstance(each, InstallRequest)]
    account = await find_wallet_account(ports, request.wallet_id, readable, chains)
    if account is None:
        if unreadable:
            _refuse_installs(unreadable)
        raise NotFound("wallet not found", reason="wallet_not_found")

    async def verify_if_readable(each: InstallRequest | FieldError) -> VerifiedSession | FieldError:
        if isinstance(each, FieldError):
            return each
        return await verify_install(ports, each, account=account, key=request.session_address)

    results = await asyncio.gather(*map(verify_if_readable, installs))
    if errors := [each for each in results if isinstance(each, FieldError)]:
        _refuse_installs(errors)
    verified = [each for each in results if isinstance(each, VerifiedSession)]
    _refuse_other_permissions(request.policies, verified)
    return account, verified


def _refuse_installs(errors: Sequence[FieldError]) -> NoReturn:
    """Raise InvalidParams for the errors; a leaked private key takes precedence as the reason."""
    raise_invalid_params(errors, is_worst=lambda error: error.reason == "grant_has_private_key")


def _refuse_other_permissions(policies: dict[str, Any], verified: Sequence[VerifiedSession]) -> None:
    """Raise InvalidParams when the permissions in the policies differ from the granted permissions."""
    if "permissions" not in policies:
        return
    try:
        permissions = wire.decode(tuple[Permission, ...], policies["permissions"])
    except InvalidParams:
        permissions = None
    if any(each.session.permissions != permissions for each in verified):
        text = "must be the permissions that the sessions were created with"
        raise_invalid_params([FieldError(field="policies.permissions", text=text, reason="grant_disagrees")])


def _build_install(verified: VerifiedSession, request: CreateOrgSession) -> Install:
    session = verified.session
    return Install(
        chain_id=session.chain_id,
        session_id=session.id,
        entity_id=session.entity_id,
        signature=verified.signature,
        expires_at=min(request.expires_at, session.deadline or request.expires_at),
    )


async def _store_group(ports: Ports, group: SessionGroup, verified: Sequence[VerifiedSession]) -> SessionGroup:
    """Store the group and the expiry of its sessions, and return the stored group.

    The expiry applies to the sessions in every form in which a request can name them. It is written last, because a
    rejected group must not shorten the sessions of a registered group. After a crash in between, the caller's retry
    writes the rest.

    Raises: InvalidParams when some of the sessions are registered in another group.
    """
    sessions = ports.store.sessions
    await asyncio.gather(*(_take_control(ports, each.session) for each in verified))
    stored = await ports.store.groups.register(group, now=_latest_now(ports, group))
    if stored is None:
        await _refuse_registered(ports, group)
    if stored.workflow_id:
        await asyncio.gather(*(add_tag(ports, each.session_id, stored.workflow_id) for each in stored.installs))
    await asyncio.gather(
        *(
            sessions.set_expiry(stored.account, each.chain_id, each.entity_id, at=each.expires_at)
            for each in stored.installs
        )
    )
    return stored


async def _take_control(ports: Ports, session: Session) -> None:
    """Store a session whose owner's signature was presented, and that the organisation controls it."""
    reference = SessionReference(
        account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id)
    )
    await activate_session(ports, session)
    grant = PresentedGrant(action=session.action, key=session.key.address)
    await record_control(ports, reference, key=session.key.address, session_id=session.id, grant=grant)


async def _refuse_registered(ports: Ports, group: SessionGroup) -> NoReturn:
    """Raise InvalidParams that lists the group's sessions that are registered already."""
    groups = await asyncio.gather(*(ports.store.groups.find_by_session(each.session_id) for each in group.installs))
    errors = [
        FieldError(field=_grant_field(index), text="the session is already registered", reason="session_registered")
        for index, other in enumerate(groups)
        if other is not None
    ]
    raise_invalid_params(errors)


OPERATION: Operation[Ports, CreateOrgSession, RegisteredSessions] = Operation(
    "createOrganizationSession",
    CreateOrgSession,
    RegisteredSessions,
    run,
    "Register one session key on several chains, each with a grant signed by the wallet's owner; all or nothing.",
    (NotFound,),
    rest=RestRoute(
        verb="POST",
        paths=(SESSIONS_PATH,),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404,),
        most_bytes=GROUP_BODY_BYTES,
    ),
    description=(
        "Verify each grant against the session that it signs, then register all of them as a group. The server "
        "keeps the owner's signatures, so that calls may name a session by its id alone. Registering the same "
        "sessions again returns the existing group."
    ),
)
