"""`wallet_prepareSessionChange`: return the typed data with which an account's owner signs a change of a session."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.prepared import NestedCallId
from wallet_rpc.domain.rules.rule import RuleList
from wallet_rpc.domain.rules.rule_checks import check_rule_parts
from wallet_rpc.domain.rules.stored_rules import format_rules
from wallet_rpc.domain.session_change import ACCOUNT_ACTIONS, ChangeAction, SessionChange, SignableChange
from wallet_rpc.errors import InvalidParams, NotFound, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.session_stopping import SELECTOR_REASONS
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, Hash32, Uint256, UnixSeconds
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.owner_consent import build_signable_change
from wallet_rpc.services.rule_changes import RULE_REASONS
from wallet_rpc.services.session_creation import TypedDataField
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.wire import shape, strict_shape

CONSENT_SECONDS = 600
"""Time in seconds in which a change may be presented, if the request has no deadline."""


@strict_shape
class PrepareSessionChange(SessionSelector):
    """The session, and the change; a change of all sessions of an account names only `account` and `chainId`."""

    action: ChangeAction
    """Change that the owner signs."""
    deadline: UnixSeconds | None = None
    """Last second in which the change may be presented, at most a day from now. Default: in ten minutes."""
    rules: RuleList | None = None
    """Rules to sign, with the action `setRules` only."""
    call_id: NestedCallId | None = None
    """Id of the waiting calls to decide on, with the actions `approveCalls` and `rejectCalls` only."""


@shape
class ChangeDomain:
    """The EIP-712 domain, which no grant and no message of an account has."""

    name: str
    """Always `wallet-rpc`."""
    version: str
    """Always `1`."""
    chain_id: Annotated[int, Field(ge=1)]
    """Chain of the account, as a JSON number."""
    verifying_contract: Address
    """Account whose session changes."""


@shape
class ChangeMessage:
    """The change to sign."""

    action: ChangeAction
    """Change that the owner signs."""
    account: Address
    """Account whose session changes."""
    entity_id: int
    """Entity id of the session; 0 for all sessions of the account on the chain."""
    content: str
    """Content of the change, empty for most."""
    nonce: str
    """Nonce in hex, which is accepted once."""
    deadline: UnixSeconds
    """Last second in which the change may be presented."""


@shape
class ChangeTypedData:
    """EIP-712 typed data, in the form of `eth_signTypedData_v4`."""

    domain: ChangeDomain
    """Chain and account that the signature is valid for."""
    types: dict[str, tuple[TypedDataField, ...]]
    """Members of each struct type, by its name."""
    primary_type: str
    """Struct type of the message: `SessionChange`."""
    message: ChangeMessage
    """Change to sign."""


@shape
class ChangeSignatureRequest:
    """A signature request: sign `data` with `eth_signTypedData_v4`, or sign its digest `rawPayload` directly."""

    type: Literal["eth_signTypedData_v4"] = "eth_signTypedData_v4"
    """Wallet method that signs `data`."""
    data: ChangeTypedData
    """Typed data to sign, which wallets show to the owner."""
    raw_payload: Hash32
    """EIP-712 digest of `data`, for signers that sign digests without a prefix."""


@shape
class PreparedChange:
    """The change to sign; its nonce and deadline go into `ownerSignature` with the signature."""

    nonce: Uint256
    """Nonce of the change."""
    deadline: UnixSeconds
    """Last second in which the change may be presented."""
    signature_request: ChangeSignatureRequest
    """Typed data that the account's owner signs."""


async def run(ports: Ports, request: PrepareSessionChange) -> PreparedChange:
    """Build the typed data with a new nonce. Nothing is stored."""
    change = await _build_change(ports, request)
    chain_of(ports, change.chain_id)
    deadline = ports.now_on(change.chain_id) + CONSENT_SECONDS if request.deadline is None else request.deadline
    signable = build_signable_change(ports, change, deadline=deadline)
    return PreparedChange(nonce=signable.nonce, deadline=deadline, signature_request=_build_signature_request(signable))


async def _build_change(ports: Ports, request: PrepareSessionChange) -> SessionChange:
    if request.action not in ACCOUNT_ACTIONS:
        reference = (await find_session(ports, request)).reference
        account, chain_id, entity_id = reference.account, reference.chain_id, reference.entity_id
    elif request.account is None or request.chain_id is None:
        raise InvalidParams(
            f"required for {request.action}, which changes all sessions of an account on a chain",
            field="params.account" if request.account is None else "params.chainId",
            reason="session_selector",
        )
    else:
        account, chain_id, entity_id = Address(request.account), request.chain_id, OWNER_ENTITY
    content = _format_content(request)
    return SessionChange(
        action=request.action, account=account, chain_id=chain_id, entity_id=entity_id, content=content
    )


def _format_content(request: PrepareSessionChange) -> str:
    """Return what the owner signs in addition to the action. Raises: InvalidParams for a missing or needless field."""
    decides = request.action in {ChangeAction.APPROVE_CALLS, ChangeAction.REJECT_CALLS}
    for name, value, is_needed in (
        ("rules", request.rules, request.action is ChangeAction.SET_RULES),
        ("callId", request.call_id, decides),
    ):
        if (value is not None) is not is_needed:
            needless = f"expected none for the action {request.action}, got one; leave it out"
            text = f"required for the action {request.action}, but absent" if is_needed else needless
            raise InvalidParams(text, field=f"params.{name}", reason="change_content")
    if request.rules is not None:
        check_rule_parts(request.rules, at="params.rules")
        return format_rules(request.rules)
    return "" if request.call_id is None else request.call_id.hex0x()


def _build_signature_request(signable: SignableChange) -> ChangeSignatureRequest:
    parts = signable.typed_data()
    domain, message = parts["domain"], parts["message"]
    change = signable.change
    return ChangeSignatureRequest(
        data=ChangeTypedData(
            domain=ChangeDomain(
                name=domain["name"],
                version=domain["version"],
                chain_id=change.chain_id,
                verifying_contract=change.account,
            ),
            types={name: tuple(TypedDataField(**field) for field in fields) for name, fields in parts["types"].items()},
            primary_type=parts["primaryType"],
            message=ChangeMessage(
                action=change.action,
                account=change.account,
                entity_id=int(change.entity_id),
                content=change.content,
                nonce=message["nonce"],
                deadline=signable.deadline,
            ),
        ),
        raw_payload=signable.digest,
    )


OPERATION: Operation[Ports, PrepareSessionChange, PreparedChange] = Operation(
    "wallet_prepareSessionChange",
    PrepareSessionChange,
    PreparedChange,
    run,
    "Return the typed data (EIP-712) with which an account's owner signs a change of a session, with a new nonce.",
    (NotFound, UnsupportedChain),
    reasons=(*SELECTOR_REASONS, *RULE_REASONS, "change_content", "consent_deadline", "consent_expired"),
    description=(
        "The typed data binds the signature to chain, account, session, nonce and deadline. The signed change is "
        "presented once, as `ownerSignature` of the method that makes the change. Nothing is stored."
    ),
)
