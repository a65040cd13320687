"""Paths, wire types and lookups that the REST operations on an organisation's sessions share.

Source: seed 000; specs/sessions.md. Unlike in JSON-RPC, times are text and chain ids are numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from wallet_rpc.domain.access import WalletNamespace
from wallet_rpc.domain.serialized_grant import SAFE_INTEGER
from wallet_rpc.domain.session_group import GROUP_ID, GroupedSession, GroupId, Install, SessionGroup, Status
from wallet_rpc.domain.times import Time
from wallet_rpc.domain.wallet_address import parse_wallet
from wallet_rpc.errors import InvalidParams, NotFound
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, SessionId, preview, validation_error
from wallet_rpc.primitives.integers import exact_integer
from wallet_rpc.wire import FieldError, shape

SESSIONS_PATH = "/v1/organizations/{orgId}/sessions"
"""The path of an organisation's sessions."""
SESSION_PATH = f"{SESSIONS_PATH}/{{id}}"
"""The path of one session or one group of sessions."""
CREATED_SESSIONS_PATH = "/v1/organizations/{orgId}/created-sessions"
"""The path of all sessions that an organisation created."""
CREATED_SESSION_PATH = f"{CREATED_SESSIONS_PATH}/{{id}}"
"""The path of one session that an organisation created."""
POLICIES_BYTES = 64 * 1024
"""Maximum size of `policies` in bytes, as compact JSON in UTF-8."""
_SESSION_ID = re.compile(r"0x[0-9a-fA-F]{32}", re.ASCII)


def parse_evm_address(value: object) -> Address | None:
    """Parse an EVM address, with EIP-55 checksum if in mixed case; None for the zero address or any other value."""
    try:
        wallet = parse_wallet(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if wallet is None or wallet.namespace is not WalletNamespace.EVM else Address.parse(wallet.address)


def _read_evm_address(value: object) -> Address:
    address = parse_evm_address(value)
    if address is None:
        raise validation_error(
            f"must be an EVM address; in mixed case with its EIP-55 checksum; got {preview(value)}",
            reason="address_malformed",
        )
    return address


def _read_id(value: object) -> SessionId | GroupId:
    if isinstance(value, str) and GROUP_ID.fullmatch(value):
        return GroupId(value)
    if isinstance(value, str) and _SESSION_ID.fullmatch(value):
        return SessionId.parse(value)
    expected = "must be a session id, 0x and 32 hex digits, or a group id, sgrp_ and 26 letters and digits"
    raise validation_error(f"{expected}; got {preview(value)}")


def _read_group_id(value: object) -> GroupId:
    if isinstance(value, str) and GROUP_ID.fullmatch(value):
        return GroupId(value)
    raise validation_error(f"must be a group id, sgrp_ and 26 letters and digits; got {preview(value)}")


def _read_policies(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise validation_error("must be an object")
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > POLICIES_BYTES:
        raise validation_error(f"must be at most {POLICIES_BYTES} bytes of JSON")
    return value


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


def _id_text(value: SessionId | str) -> str:
    return value.hex0x() if isinstance(value, SessionId) else value


EvmAddress: TypeAlias = Annotated[
    Address,
    PlainValidator(_read_evm_address),
    PlainSerializer(Address.hex0x),
    _pattern("^0x[0-9a-fA-F]{40}$"),
]
"""An EVM address that an account can have, with its EIP-55 checksum if in mixed case."""
AnyId: TypeAlias = Annotated[
    SessionId | GroupId,
    PlainValidator(_read_id),
    PlainSerializer(_id_text),
    _pattern(f"^({_SESSION_ID.pattern}|{GROUP_ID.pattern})$"),
]
"""The id of a session or of a group."""
NamedGroup: TypeAlias = Annotated[GroupId, PlainValidator(_read_group_id), _pattern(f"^{GROUP_ID.pattern}$")]
"""A group's id."""
ChainNumber: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=SAFE_INTEGER), BeforeValidator(exact_integer)]
"""A chain id as a JSON integer."""
WalletId: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
"""The caller's id of a wallet: the id or the address of an account."""
Label: TypeAlias = Annotated[str, Field(max_length=128)]
"""A label of the caller's choice; the server does not interpret it."""
Policies: TypeAlias = Annotated[dict[str, Any], PlainValidator(_read_policies), WithJsonSchema({"type": "object"})]
"""The caller's description of the sessions' permissions, stored unchanged and not enforced."""


@shape
class OneSession:
    """A request for one session or one group of sessions, by id."""

    id: AnyId
    """Id of a session (0x and 32 hex digits) or of a group (sgrp_ and 26 letters and digits)."""


@shape
class InstalledSession:
    """The session of a group on one chain."""

    chain_id: ChainNumber
    """Chain of the session, as a JSON number."""
    expires_at: Time
    """Time from which this server rejects the session, as RFC 3339 text in UTC."""
    id: SessionId
    """Id of the session: 0x and 32 hex digits."""


@shape
class RegisteredSessions:
    """A group: one session key with its sessions on several chains."""

    created_at: Time
    """Time of the registration, as RFC 3339 text in UTC."""
    session_address: Address
    """Address of the session key."""
    session_group_id: str
    """Id of the group: sgrp_ and 26 letters and digits."""
    sessions: tuple[InstalledSession, ...]
    """Sessions of the group, one for each chain."""
    wallet_id: str
    """Wallet id that the group was registered under."""


@shape
class SessionItem:
    """One session of a group, in the form of list items."""

    created_at: Time
    """Time of the registration, as RFC 3339 text in UTC."""
    expires_at: Time
    """Time from which this server rejects the session, as RFC 3339 text in UTC."""
    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    policies: Policies
    """Description of the permissions, as it was registered."""
    session_address: Address
    """Address of the session key."""
    wallet_id: str
    """Wallet id that the group was registered under."""
    workflow_id: str | None = None
    """Label that the group was registered with."""
    chain_id: ChainNumber
    """Chain of the session, as a JSON number."""
    session_group_id: str
    """Id of the group: sgrp_ and 26 letters and digits."""


def build_registered_sessions(group: SessionGroup) -> RegisteredSessions:
    """Build the response of a registration."""
    return RegisteredSessions(
        created_at=group.created_at,
        session_address=group.session_address,
        session_group_id=group.id,
        sessions=tuple(
            InstalledSession(chain_id=each.chain_id, expires_at=each.expires_at, id=each.session_id)
            for each in group.installs
        ),
        wallet_id=group.wallet_id,
    )


def build_session_item(session: GroupedSession) -> SessionItem:
    """Build the list item of a session."""
    group, install = session.group, session.install
    return SessionItem(
        created_at=group.created_at,
        expires_at=install.expires_at,
        id=install.session_id,
        policies=group.policies,
        session_address=group.session_address,
        wallet_id=group.wallet_id,
        workflow_id=group.workflow_id,
        chain_id=install.chain_id,
        session_group_id=group.id,
    )


async def find_sessions(ports: Ports, identifier: SessionId | GroupId) -> tuple[SessionGroup, tuple[Install, ...]]:
    """Return the group, and the sessions that an id selects: one session of the group, or all of its sessions.

    Raises: NotFound for an unknown id, and for an id of a different organisation.
    """
    groups = ports.store.groups
    if isinstance(identifier, SessionId):
        group = await groups.find_by_session(identifier)
    else:
        group = await groups.get(identifier)
    if group is None:
        raise NotFound("session not found", reason="session_not_found")
    return group, (group.install_of(identifier),) if isinstance(identifier, SessionId) else group.installs


def read_status(ports: Ports, install: Install) -> Status:
    """Return the status of a session now, by the time on its chain."""
    return install.status(ports.now_on(install.chain_id))


def raise_invalid_params(
    errors: Sequence[FieldError], *, is_worst: Callable[[FieldError], bool] = lambda _: False
) -> NoReturn:
    """Raise InvalidParams that lists all errors.

    Its message and reason are those of the first error that `is_worst` selects, else of the first error.
    """
    main = next(filter(is_worst, errors), errors[0])
    details = [{"field": error.field, "message": error.text} for error in errors]
    raise InvalidParams(main.text, reason=main.reason, field=main.field).with_details(details)
