"""User operations that callers send with `eth_sendUserOperation` instead of the Wallet API.

One of a session that this server knows is checked like any other of the session, stored, and delivered by the same
code. One that is plainly the owner's, or of an account without sessions, is forwarded unchanged by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wallet_rpc.domain.contracts import ACCOUNT_FACTORY, ENTRY_POINT
from wallet_rpc.domain.nonce import OWNER_ENTITY
from wallet_rpc.domain.raw_operation import (
    CarriedAction,
    read_carried_action,
    read_identity,
    split_own_segment,
)
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import PresentedGrant
from wallet_rpc.domain.signature import personal_sign_digest
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.domain.validation import installed_signer
from wallet_rpc.errors import InvalidParams, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId, Hash32
from wallet_rpc.services.account_facts import read_account_facts
from wallet_rpc.services.audit_log import log_call_sent
from wallet_rpc.services.delivery import encode_operation
from wallet_rpc.services.operation_stops import check_operation
from wallet_rpc.services.session_rules import has_rules
from wallet_rpc.services.session_stops import StopCheck, find_controller, read_installed_signer, record_control
from wallet_rpc.services.signatures import verify_owner_signature, verify_signature
from wallet_rpc.services.submission import build_call, submit
from wallet_rpc.wire import decode

_OPERATION, _ENTRY_POINT = "params[0]", "params[1]"
"""The paths of the method's parameters."""


async def send_raw_operation(ports: Ports, chain_id: ChainId, params: Sequence[Any]) -> Hash32 | None:
    """Send an operation of a session that this server knows, and return its hash; None: the caller forwards it.

    Raises: SessionEnded, SessionPaused for a stopped session; RuleDenied by a rule of it; InvalidParams
    (user_operation_unreadable) for an operation that cannot be read, and so not checked; SignatureInvalid for one that
    the session key did not sign; the refusal of the bundlers.
    """
    chain = ports.chains.get(chain_id)
    given = params[0] if params else None
    identity = read_identity(given)
    if chain is None or not isinstance(given, dict):
        return None
    if identity is None:
        raise _build_unreadable_error("sender and nonce of a user operation")
    entity_id = identity.entity_id
    if entity_id is None or entity_id == OWNER_ENTITY:
        return None
    session = SessionReference(account=identity.sender, chain_id=chain_id, entity_id=entity_id)
    action, is_readable = _read_action(identity.nonce, given.get("signature"))
    check = await check_operation(ports, chain, session, action)
    if not check.stops.is_known and not await has_rules(ports, session):
        if check.error is not None and await _may_have_sessions(ports, chain, session.account, given):
            raise check.error.with_field(_OPERATION)
        return None
    if check.error is not None:
        raise check.error.with_field(_OPERATION)
    if not is_readable:
        raise _build_unreadable_error("a signature that carries the deferred action which the nonce announces")
    operation = _decode(given, params)
    await _verify(chain, session, operation, action)
    if action is not None and check.stops.creation is not None:
        await _record_grant(ports, chain, session, action)
    return await _submit(ports, chain, operation, check)


def _read_action(nonce: int, signature: object) -> tuple[CarriedAction | None, bool]:
    """Return the deferred action, and False for one that cannot be read."""
    try:
        text = signature.removeprefix("0x") if isinstance(signature, str) else ""
        return read_carried_action(nonce, bytes.fromhex(text)), True
    except ValueError:
        return None, False


async def _may_have_sessions(ports: Ports, chain: ChainPorts, account: Address, given: dict[str, Any]) -> bool:
    """Return True for an account of a kind that has sessions, also before its deployment."""
    factory = given.get("factory")
    if isinstance(factory, str) and factory.lower() == ACCOUNT_FACTORY.hex0x().lower():
        return True
    try:
        return not (await read_account_facts(ports, chain, account, at=_OPERATION)).needs_delegation
    except InvalidParams:
        return False


def _decode(given: dict[str, Any], params: Sequence[Any]) -> UserOperation:
    """Decode an operation for EntryPoint v0.7. Raises: InvalidParams."""
    entry_point = params[1] if len(params) > 1 else None
    if not isinstance(entry_point, str) or entry_point.lower() != ENTRY_POINT.hex0x().lower():
        raise InvalidParams(expected=f"{ENTRY_POINT}, EntryPoint v0.7", given=entry_point, field=_ENTRY_POINT)
    return decode(UserOperationJson, given, at=_OPERATION).to_domain(f"{_OPERATION}.")


async def _verify(
    chain: ChainPorts, session: SessionReference, operation: UserOperation, action: CarriedAction | None
) -> None:
    """Check that the session key signed the operation, so that no stranger can use up its place here.

    Raises: SignatureInvalid.
    """
    signer = await read_installed_signer(chain, session)
    if signer is None and action is not None and action.install is not None:
        signer = installed_signer(action.install)
    prefix = b"" if action is None else action.prefix
    own = split_own_segment(operation.signature[len(prefix) :])
    digest = personal_sign_digest(user_operation_hash(operation, chain.chain_id, ENTRY_POINT))
    if signer is None or own is None or await verify_signature(chain, signer, digest, own) is None:
        raise SignatureInvalid(
            "expected the session key's signature of this user operation, after ff and the signer's kind, got another",
            field=f"{_OPERATION}.signature",
        )


async def _record_grant(ports: Ports, chain: ChainPorts, session: SessionReference, action: CarriedAction) -> None:
    """Record that the owner's signature of a created session was presented, if it is valid; the account checks it."""
    grant = PresentedGrant.from_action(action.action)
    try:
        facts = await read_account_facts(ports, chain, session.account, at=_OPERATION)
        verified = await verify_owner_signature(chain, facts, action.action, action.authorization[1:])
    except InvalidParams:  # no account that has sessions, or a malformed wrapper
        return
    if verified is not None and grant.key is not None:
        await record_control(ports, session, key=grant.key, grant=grant)


async def _submit(ports: Ports, chain: ChainPorts, operation: UserOperation, check: StopCheck) -> Hash32:
    """Store the operation as a call, make the first attempt to deliver it, and return its hash."""
    controller = find_controller(check.stops, ports.store.stops.organization)
    first_block = await chain.node.block_number()
    call = build_call(ports, chain, operation, first_block=first_block)
    call = replace(call, session_id=None if controller is None else controller.session_id)
    sent = await submit(ports, chain, call, encode_operation(operation))
    await log_call_sent(ports, sent)
    return sent.hash


def _build_unreadable_error(expected: str) -> InvalidParams:
    return InvalidParams(
        f"expected {expected}, got another value; an operation that cannot be read is not forwarded, because it may be "
        "one of a stopped session",
        reason="user_operation_unreadable",
        field=_OPERATION,
    )
