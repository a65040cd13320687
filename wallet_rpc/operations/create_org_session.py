"""`POST /v1/organizations/{orgId}/sessions`: sessions that the owner granted to one key become a group, all or none.

The rule: the same sessions registered again are the same group, unchanged, as long as all of them are active.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

from pydantic import Field

from wallet_rpc import wire
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.serialized_grant import MAX_CHARACTERS, SerializedGrant
from wallet_rpc.domain.session_group import Install, SessionGroup, new_group_id
from wallet_rpc.domain.times import Time
from wallet_rpc.errors import InvalidParams, NotFound
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
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
from wallet_rpc.services.sessions import activate_session
from wallet_rpc.wire import FieldError, strict_shape

MAX_INSTALLS = 24
"""How many chains a group may be on. Source: the hosted service's schema."""
GROUP_BODY_BYTES = 512 * 1024
"""The longest body."""


@strict_shape
class SessionInstall:
    """A chain, and the owner's grant of the session there."""

    chain_id: ChainNumber
    serialized: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    """See `domain/serialized_grant`."""


@strict_shape
class CreateOrgSession:
    """Which key may act for which wallet on which chains, and until when."""

    expires_at: Time
    installs: Annotated[tuple[SessionInstall, ...], Field(min_length=1, max_length=MAX_INSTALLS)]
    policies: Policies
    session_address: EvmAddress
    wallet_id: WalletId
    workflow_id: Label | None = None


async def run(ports: Ports, request: CreateOrgSession) -> RegisteredSessions:
    """Everything is checked before anything is written."""
    read = [read_grant(install.serialized, field=_grant_field(index)) for index, install in enumerate(request.installs)]
    _refuse_outright(ports, request, unread=[each for each in read if isinstance(each, FieldError)])
    account, granted = await _verify_installs(ports, request, read)
    group = SessionGroup(
        id=new_group_id(ports.clock.now(), ports.entropy.random_bytes(10)),
        wallet_id=request.wallet_id,
        account=account,
        session_address=request.session_address,
        policies=request.policies,
        workflow_id=request.workflow_id,
        created_at=ports.clock.now(),
        installs=tuple(_install(each, request) for each in granted),
    )
    kept = await _store_group(ports, group, granted)
    sessions = [{"id": each.session_id.hex0x(), "chainId": each.chain_id} for each in kept.installs]
    await log_event(ports, EventKind.GRANT_REGISTERED, groupId=kept.id, account=kept.account.hex0x(), sessions=sessions)
    return build_registered_sessions(kept)


def _grant_field(index: int) -> str:
    """Where an install's grant stands in the request."""
    return f"installs[{index}].serialized"


def _refuse_outright(ports: Ports, request: CreateOrgSession, *, unread: Sequence[FieldError]) -> None:
    """Raises: InvalidParams for what is wrong with the body by itself, with those of its grants that are `unread`."""
    now, faults = ports.clock.now(), list[FieldError]()
    if not now < request.expires_at <= now + ports.rules.session_seconds:
        days = ports.rules.session_seconds // 86_400
        words = f"must be in the future, at most {days} days ahead"
        faults.append(FieldError(field="expiresAt", text=words, reason="expiry_out_of_range"))
    seen: set[int] = set()
    for index, install in enumerate(request.installs):
        field = f"installs[{index}].chainId"
        if install.chain_id not in ports.chains:
            known = ", ".join(map(str, ports.chains))
            faults.append(FieldError(field=field, text=f"must be one of {known}", reason="chain_unsupported"))
        elif install.chain_id in seen:
            faults.append(FieldError(field=field, text="stands twice", reason="duplicate_chain"))
        seen.add(install.chain_id)
    if faults:
        _refuse_installs([*faults, *unread])


async def _verify_installs(
    ports: Ports, request: CreateOrgSession, read: Sequence[SerializedGrant | FieldError]
) -> tuple[Address, list[VerifiedSession]]:
    """The wallet's account and its sessions, one a chain. Raises: InvalidParams that tells of every bad install."""
    chains = [ports.chains[install.chain_id] for install in request.installs]
    unread = [each for each in read if isinstance(each, FieldError)]
    looked = [
        each if isinstance(each, FieldError) else InstallRequest(chain=chain, grant=each, field=_grant_field(index))
        for index, (chain, each) in enumerate(zip(chains, read, strict=True))
    ]
    asked = [each for each in looked if isinstance(each, InstallRequest)]
    account = await find_wallet_account(ports, request.wallet_id, asked, chains)
    if account is None:
        if unread:
            _refuse_installs(unread)
        raise NotFound("wallet not found", reason="wallet_not_found")

    async def verify_or_keep(each: InstallRequest | FieldError) -> VerifiedSession | FieldError:
        if isinstance(each, FieldError):
            return each
        return await verify_install(ports, each, account=account, key=request.session_address)

    results = await asyncio.gather(*map(verify_or_keep, looked))
    if bad := [each for each in results if isinstance(each, FieldError)]:
        _refuse_installs(bad)
    granted = [each for each in results if isinstance(each, VerifiedSession)]
    _refuse_other_permissions(request.policies, granted)
    return account, granted


def _refuse_installs(errors: Sequence[FieldError]) -> NoReturn:
    """Raises: InvalidParams; a private key that somebody sent is what must be told above all."""
    raise_invalid_params(errors, is_worst=lambda fault: fault.reason == "grant_has_private_key")


def _refuse_other_permissions(policies: dict[str, Any], granted: Sequence[VerifiedSession]) -> None:
    """Raises: InvalidParams when the policies tell other permissions than those that were granted."""
    if "permissions" not in policies:
        return
    try:
        told = wire.decode(tuple[Permission, ...], policies["permissions"])
    except InvalidParams:
        told = None
    if any(each.session.permissions != told for each in granted):
        words = "must be the permissions that the sessions were made with"
        raise_invalid_params([FieldError(field="policies.permissions", text=words, reason="grant_disagrees")])


def _install(granted: VerifiedSession, request: CreateOrgSession) -> Install:
    session = granted.session
    return Install(
        chain_id=session.chain_id,
        session_id=session.id,
        entity_id=session.entity_id,
        signature=granted.signature,
        expires_at=min(request.expires_at, session.deadline or request.expires_at),
    )


async def _store_group(ports: Ports, group: SessionGroup, granted: Sequence[VerifiedSession]) -> SessionGroup:
    """The group as it stands in the store, with the ends that hold for its sessions whoever names them.

    The ends are said last: a refused group must not shorten a registered one. What a crash leaves out before the
    answer, the caller's next try puts in. Raises: InvalidParams when some of the sessions are registered otherwise.
    """
    sessions = ports.store.sessions
    await asyncio.gather(*(activate_session(ports, each.session) for each in granted))
    kept = await ports.store.groups.register(group)
    if kept is None:
        await _refuse_registered(ports, group)
    await asyncio.gather(
        *(
            sessions.set_expiry(kept.account, each.chain_id, each.entity_id, at=each.expires_at)
            for each in kept.installs
        )
    )
    return kept


async def _refuse_registered(ports: Ports, group: SessionGroup) -> NoReturn:
    """Raises: InvalidParams that tells which sessions of the group are registered already."""
    found = await asyncio.gather(*(ports.store.groups.find_by_session(each.session_id) for each in group.installs))
    faults = [
        FieldError(field=_grant_field(index), text="the session is registered", reason="session_registered")
        for index, other in enumerate(found)
        if other is not None
    ]
    raise_invalid_params(faults)


OPERATION: Operation[Ports, CreateOrgSession, RegisteredSessions] = Operation(
    "createOrganizationSession",
    CreateOrgSession,
    RegisteredSessions,
    run,
    "Register one session key on several chains, each with the grant that the wallet's owner signed; all or none.",
    (NotFound,),
    rest=RestRoute(
        verb="POST",
        paths=(SESSIONS_PATH,),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404,),
        most_bytes=GROUP_BODY_BYTES,
    ),
)
