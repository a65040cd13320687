"""`wallet_setSessionRules`: replace the rules that this server keeps for a session."""

from __future__ import annotations

from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.errors import Forbidden, LimitExceeded, NotFound, RuleDenied, SignatureInvalid, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import STOP_REASONS
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, EntityId, SessionId
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.owner_consent import OwnerSignature
from wallet_rpc.services.rule_changes import RULE_REASONS, set_rules
from wallet_rpc.services.rule_descriptions import RuleState, describe_rules
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class SetSessionRules(SessionSelector):
    """The session, its new rules, and the owner's signature of them if the caller does not control the session."""

    rules: RuleList
    """Rules that replace those of the caller's organisation; with an owner's signature, the rules of all."""
    owner_signature: OwnerSignature | None = None
    """Signature of the change by the account's owner. Default: the caller's organisation controls the session."""


@shape
class SessionRulesState:
    """The rules of a session after the change."""

    account: Address
    """Account of the session."""
    chain_id: ChainId
    """Chain of the session."""
    entity_id: EntityId
    """Entity id of the session on its account."""
    session_id: SessionId | None = None
    """Id of the session; absent for one that is not stored here."""
    rules: tuple[RuleState, ...]
    """Rules of the caller's organisation and of the account's owner, with what counts against them."""
    other_rules: int
    """Number of rules of other organisations that control the session; they hold too."""


async def run(ports: Ports, request: SetSessionRules) -> SessionRulesState:
    """Replace the rules, and return them with what counts against them."""
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    await set_rules(ports, chain, named, request.rules, request.owner_signature)
    described = await describe_rules(ports, named.reference)
    return SessionRulesState(
        account=named.reference.account,
        chain_id=named.reference.chain_id,
        entity_id=named.reference.entity_id,
        session_id=named.id,
        rules=described.rules,
        other_rules=described.other_rules,
    )


OPERATION: Operation[Ports, SetSessionRules, SessionRulesState] = Operation(
    "wallet_setSessionRules",
    SetSessionRules,
    SessionRulesState,
    run,
    "Replace the rules that this server keeps for a session, in addition to what the chain enforces.",
    (Forbidden, NotFound, RuleDenied, SignatureInvalid, LimitExceeded, UnsupportedChain),
    reasons=(*STOP_REASONS, *RULE_REASONS),
    description=(
        "The organisation that controls the session may set its own rules, and the account's owner those of all by a "
        "signature. All rules hold at once, for each call that reaches the chain through this server. What counts "
        "against an amount of the same token and period stays; an empty list removes the rules and what counts."
    ),
)
