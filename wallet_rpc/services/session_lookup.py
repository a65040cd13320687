"""Lookup of the session that a request names: by id, by permission context, or by account, chain and entity id."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, NoReturn

from pydantic import Field

from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, parse_context
from wallet_rpc.domain.nonce import MAX_ENTITY_ID
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_reference import NamedSession, SessionReference
from wallet_rpc.domain.validation import parse_install
from wallet_rpc.errors import InvalidParams, NotFound
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, EntityId, NonZeroAddress, SessionId
from wallet_rpc.wire import strict_shape


@strict_shape
class SessionSelector:
    """The session that a request is about: `sessionId`, or `context`, or `account`, `chainId` and `entityId`."""

    session_id: SessionId | None = None
    """Id of a session that the caller's organisation created here."""
    context: Data | None = None
    """Permission context of the session, as in `wallet_prepareCalls`; all but version 00 need `account`, `chainId`."""
    account: NonZeroAddress | None = None
    """Account of the session."""
    chain_id: ChainId | None = None
    """Chain of the session."""
    entity_id: Annotated[int, Field(strict=True, ge=1, le=MAX_ENTITY_ID)] | None = None
    """Entity id of the session on its account, for a session that is not stored here."""


async def find_session(ports: Ports, selector: SessionSelector, *, at: str = "params") -> NamedSession:
    """Return the session that the selector names, with what this server stores of it. The chain is not read.

    Raises: InvalidParams for a selector without exactly one name, without account and chain where they are needed, or
    with others than the session's; NotFound for a session that the caller's organisation does not store, by its id.
    """
    names = {"sessionId": selector.session_id, "context": selector.context, "entityId": selector.entity_id}
    given = [name for name, value in names.items() if value is not None]
    if len(given) != 1:
        raise InvalidParams(
            f"expected exactly one of sessionId, context and entityId, got {', '.join(given) or 'none'}",
            field=at,
            reason="session_selector",
        )
    if selector.session_id is not None:
        return await _find_stored(ports, selector, selector.session_id, at=at, member="sessionId")
    if selector.entity_id is not None:
        return await find_by_entity(ports, _require_reference(selector, selector.entity_id, at=at))
    match parse_context(selector.context or b"", field=f"{at}.context"):
        case RemoteContext(session_id=session_id, signature=signature):
            found = signature or None
            return await _find_stored(ports, selector, session_id, at=at, member="context", signature=found)
        case LocalContext() as context:
            named = _read_local(selector, context, at=at)
            stored = await find_by_entity(ports, named.reference)
            is_same = stored.session is not None and stored.install == named.install
            return replace(named, id=stored.id, session=stored.session) if is_same else named
        case InstalledContext(entity_id=entity_id):
            return await find_by_entity(ports, _require_reference(selector, entity_id, at=at))


async def find_by_entity(ports: Ports, reference: SessionReference) -> NamedSession:
    """Return the session with an entity id, with its record in the caller's organisation, if there is one."""
    await ports.store.session_index.complete(ports.clock.now())
    entry = await ports.store.session_index.find_by_entity(reference)
    session = None if entry is None else await ports.store.sessions.get(entry.account, entry.chain_id, entry.id)
    return NamedSession(reference=reference) if session is None else await name_stored(ports, session)


async def name_stored(ports: Ports, session: Session, *, signature: Data | None = None) -> NamedSession:
    """Return the name of a stored session, with the owner's signature of its registration if none is given."""
    group = None if signature is not None else await ports.store.groups.find_by_session(session.id)
    return NamedSession(
        reference=SessionReference(
            account=session.account, chain_id=session.chain_id, entity_id=EntityId(session.entity_id)
        ),
        id=session.id,
        session=session,
        install=parse_install(session.call),
        signature=signature if group is None else group.install_of(session.id).signature,
    )


async def _find_stored(
    ports: Ports,
    selector: SessionSelector,
    session_id: SessionId,
    *,
    at: str,
    member: str,
    signature: Data | None = None,
) -> NamedSession:
    """Find a stored session by its id, with the owner's signature of its registration if the request has none.

    `member` is the one of the request that has the id.
    """
    entry = await ports.store.session_index.find(session_id)
    if entry is None:
        await ports.store.session_index.complete(ports.clock.now())
        entry = await ports.store.session_index.find(session_id)
    account, chain_id = (selector.account, selector.chain_id) if entry is None else (entry.account, entry.chain_id)
    session = None
    if account is not None and chain_id is not None:
        session = await ports.store.sessions.get(account, chain_id, session_id)
    if session is None:
        raise NotFound(f"no session {session_id} is stored here", field=f"{at}.{member}", reason="session_not_found")
    for name, given, stored in (
        ("account", selector.account, session.account),
        ("chainId", selector.chain_id, session.chain_id),
    ):
        if given is not None and given != stored:
            _refuse_other(f"{at}.{name}", str(stored), str(given))
    return await name_stored(ports, session, signature=signature)


def _read_local(selector: SessionSelector, context: LocalContext, *, at: str) -> NamedSession:
    """Read the grant of a context that the client stores."""
    grant = context.parse_deferred_action(field=f"{at}.context")
    try:
        install = parse_install(grant.action.call)
    except ValueError:
        raise InvalidParams(
            "expected a grant whose call is installValidation", field=f"{at}.context", reason="context_malformed"
        ) from None
    return NamedSession(
        reference=_require_reference(selector, install.entity_id, at=at),
        install=install,
        grant=grant,
        signature=Data(grant.authorization),
    )


def _require_reference(selector: SessionSelector, entity_id: int, *, at: str) -> SessionReference:
    """Return the reference of an entity id. Raises: InvalidParams without account or chain, or for the owner's id."""
    if selector.account is None or selector.chain_id is None:
        missing = "account" if selector.account is None else "chainId"
        raise InvalidParams(
            "required for a session that is not named by its id", field=f"{at}.{missing}", reason="session_selector"
        )
    if not 1 <= entity_id <= MAX_ENTITY_ID:
        raise InvalidParams(
            f"expected the entity id of a session, 1 to {MAX_ENTITY_ID}, got {entity_id}",
            field=at,
            reason="entity_id_out_of_range",
        )
    return SessionReference(
        account=Address(selector.account), chain_id=selector.chain_id, entity_id=EntityId(entity_id)
    )


def _refuse_other(field: str, expected: str, given: str) -> NoReturn:
    raise InvalidParams(f"expected {expected}, as in the session, got {given}", field=field, reason="session_selector")
