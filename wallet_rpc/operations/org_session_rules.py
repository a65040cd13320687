"""`PUT /v1/organizations/{orgId}/sessions/{id}/rules` and `…/tags`: rules and tags of a session, or of a group's."""

from __future__ import annotations

from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.errors import Conflict, Forbidden, LimitExceeded, NotFound, RuleDenied, UnsupportedChain
from wallet_rpc.operations import set_session_rules, set_session_tags
from wallet_rpc.operations.operation import ErrorFormat, Operation, RestRoute
from wallet_rpc.operations.set_session_rules import SetSessionRules
from wallet_rpc.operations.set_session_tags import SetSessionTags
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import SessionId
from wallet_rpc.services.org_sessions import SESSION_PATH, AnyId, ChainNumber, find_sessions
from wallet_rpc.services.rule_changes import RULE_REASONS
from wallet_rpc.services.rule_descriptions import RuleState
from wallet_rpc.services.session_tags import Tags
from wallet_rpc.wire import shape, strict_shape

_RULES_BYTES = 64 << 10
_TAGS_BYTES = 16 << 10


@strict_shape
class SetOrgSessionRules:
    """The rules of a registered session, or of all sessions of a group."""

    id: AnyId
    """Id of a session (0x and 32 hex digits) or of a group (sgrp_ and 26 letters and digits)."""
    rules: RuleList
    """Rules that replace those that the organisation has set; empty to remove them."""


@shape
class RuledOrgSession:
    """One session, with its rules after the change."""

    id: SessionId
    """Id of the session: 0x and 32 hex digits."""
    chain_id: ChainNumber
    """Chain of the session, as a JSON number."""
    rules: tuple[RuleState, ...]
    """Rules of the organisation and of the account's owner, with what counts against them."""
    other_rules: int
    """Number of rules of other organisations that control the session; they hold too."""


@shape
class RuledOrgSessions:
    """The sessions after the change."""

    id: AnyId
    """Id of the session or the group in the path."""
    sessions: tuple[RuledOrgSession, ...]
    """Sessions that the id names."""


@strict_shape
class SetOrgSessionTags:
    """The tags of a registered session, or of all sessions of a group."""

    id: AnyId
    """Id of a session (0x and 32 hex digits) or of a group (sgrp_ and 26 letters and digits)."""
    tags: Tags
    """Tags that replace the present ones; empty to remove them."""


@shape
class TaggedOrgSessions:
    """The tags after the change."""

    id: AnyId
    """Id of the session or the group in the path."""
    sessions: tuple[SessionId, ...]
    """Sessions that the id names."""
    tags: tuple[str, ...]
    """Tags of each of these sessions, sorted."""


async def _set_rules(ports: Ports, request: SetOrgSessionRules) -> RuledOrgSessions:
    _, installs = await find_sessions(ports, request.id)
    states = [
        await set_session_rules.run(ports, SetSessionRules(session_id=each.session_id, rules=request.rules))
        for each in installs
    ]
    sessions = tuple(
        RuledOrgSession(id=each.session_id, chain_id=each.chain_id, rules=state.rules, other_rules=state.other_rules)
        for each, state in zip(installs, states, strict=True)
    )
    return RuledOrgSessions(id=request.id, sessions=sessions)


async def _set_tags(ports: Ports, request: SetOrgSessionTags) -> TaggedOrgSessions:
    _, installs = await find_sessions(ports, request.id)
    tags: tuple[str, ...] = ()
    for each in installs:
        state = await set_session_tags.run(ports, SetSessionTags(session_id=each.session_id, tags=request.tags))
        tags = state.tags
    return TaggedOrgSessions(id=request.id, sessions=tuple(each.session_id for each in installs), tags=tags)


RULES: Operation[Ports, SetOrgSessionRules, RuledOrgSessions] = Operation(
    "setOrganizationSessionRules",
    SetOrgSessionRules,
    RuledOrgSessions,
    _set_rules,
    "Replace the rules that this server keeps for one session of the organisation, or for all sessions of one group.",
    (Forbidden, LimitExceeded, NotFound, RuleDenied, UnsupportedChain),
    reasons=RULE_REASONS,
    rest=RestRoute(
        verb="PUT",
        paths=(f"{SESSION_PATH}/rules",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404,),
        most_bytes=_RULES_BYTES,
    ),
    description=(
        "Does what wallet_setSessionRules does for the key of an organisation. `GET` of the created session shows the "
        "rules."
    ),
)
TAGS: Operation[Ports, SetOrgSessionTags, TaggedOrgSessions] = Operation(
    "setOrganizationSessionTags",
    SetOrgSessionTags,
    TaggedOrgSessions,
    _set_tags,
    "Replace the tags of one session of the organisation, or of all sessions of one group.",
    (Conflict, NotFound),
    rest=RestRoute(
        verb="PUT",
        paths=(f"{SESSION_PATH}/tags",),
        error_format=ErrorFormat.ORGANIZATION,
        statuses=(404, 409),
        most_bytes=_TAGS_BYTES,
    ),
    description="Does what wallet_setSessionTags does, for sessions that the organisation has registered.",
)
OPERATIONS = (RULES, TAGS)
"""The operations of these paths."""
