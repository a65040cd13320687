"""`wallet_rotateSessionKey`: prepare the owner's operation with which another key takes over a session."""

from __future__ import annotations

from enum import StrEnum

from wallet_rpc.domain.capabilities import RequestedCapabilities
from wallet_rpc.domain.prepared import PreparedCalls
from wallet_rpc.domain.records import SessionKey
from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.errors import InvalidParams, NotFound, SessionEnded
from wallet_rpc.operations import prepare_calls, reasons
from wallet_rpc.operations.create_session import CreatedSession
from wallet_rpc.operations.operation import Operation
from wallet_rpc.operations.revoke_session import OWNER_CALL_REASONS, prepare_owner_calls, refuse_permissions
from wallet_rpc.operations.session_stopping import SELECTOR_REASONS
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.account_facts import chain_of
from wallet_rpc.services.rule_changes import copy_rules
from wallet_rpc.services.session_creation import NewSession, SignTypedData, create_unsigned_session
from wallet_rpc.services.session_lookup import SessionSelector, find_session
from wallet_rpc.services.session_removal import ChainValidation, grant_nonce, plan_removal, read_back
from wallet_rpc.services.session_rotation import (
    check_new_key,
    copy_stops,
    record_rotation,
    transfer_signer_call,
)
from wallet_rpc.services.session_stops import confirm_creator
from wallet_rpc.services.stopped_calls import CallInFlight, list_open_calls
from wallet_rpc.wire import shape, strict_shape


class RotationState(StrEnum):
    """Steps of a rotation."""

    PREPARED = "prepared"
    """The owner signs and sends `operation`; until it is included, the previous key acts."""
    FINAL = "final"
    """The chain has the new key, and the previous key has no power over the session."""
    NEW_GRANT = "newGrant"
    """The session is not installed: the owner signs `replacement`, a new grant for the new key."""


@strict_shape
class RotateSessionKey(SessionSelector):
    """The session and its new key, and who pays for the owner's operation."""

    new_key: SessionKey
    """Key or contract that takes over."""
    capabilities: RequestedCapabilities = None
    """Capabilities of the owner's operation, as in `wallet_prepareCalls`; without `permissions`."""


@shape
class KeyRotation:
    """The step of the rotation, read from the chain, and what the owner signs next."""

    state: RotationState
    """`prepared`, `final` or `newGrant`."""
    current_key: Address
    """Key that has power over the session now; of a session that is not installed, the granted one."""
    new_key: Address
    """Key that takes over."""
    operation: PreparedCalls | None = None
    """Owner's operation to sign and send: it transfers the session, or burns the grant that is replaced."""
    replacement: CreatedSession | None = None
    """New session with the same permissions for the new key, which the owner signs in place of the grant."""
    in_flight: tuple[CallInFlight, ...] = ()
    """Calls signed by the current key that may still be included before the operation."""


async def run(ports: Ports, request: RotateSessionKey) -> KeyRotation:
    """Read the session's key from the chain, and prepare the next step; ask again after it, until it is final."""
    refuse_permissions(request.capabilities)
    named = await find_session(ports, request)
    chain = chain_of(ports, named.reference.chain_id)
    new_key = request.new_key.address
    check_new_key(new_key, named.reference.account)
    if (await ports.store.stops.read(named.reference)).is_revoked:
        raise SessionEnded("the session is revoked, which is permanent; create a new session", reason="session_revoked")
    found = await read_back(chain, named)
    if not found.validation.is_installed:
        return await _replace_grant(ports, named, found, request)
    if found.signer == new_key:
        await record_rotation(ports, named, new_key)
        return KeyRotation(state=RotationState.FINAL, current_key=new_key, new_key=new_key)
    return await _transfer(ports, chain, named, found, request)


async def _transfer(
    ports: Ports, chain: ChainPorts, named: NamedSession, found: ChainValidation, request: RotateSessionKey
) -> KeyRotation:
    new_key = request.new_key.address
    await confirm_creator(ports, chain, named, signer=found.signer)
    calls = (transfer_signer_call(named.reference, new_key),)
    return KeyRotation(
        state=RotationState.PREPARED,
        current_key=found.signer,
        new_key=new_key,
        operation=await prepare_owner_calls(ports, named.reference, calls, request.capabilities),
        in_flight=await list_open_calls(ports, named.reference),
    )


async def _replace_grant(
    ports: Ports, named: NamedSession, found: ChainValidation, request: RotateSessionKey
) -> KeyRotation:
    """Create a session for the new key, with all that holds for the old one, and prepare the old grant's end.

    Raises: InvalidParams (session_not_on_chain) for a session that is gone, or whose permissions are not stored here.
    """
    nonce, session = grant_nonce(named), named.session
    is_pending = nonce is not None and found.next_nonce is not None and found.next_nonce <= nonce
    if not is_pending or session is None:
        text = "was granted elsewhere and is not installed yet" if is_pending else "is not on chain"
        raise InvalidParams(
            f"the session {text}, so its key cannot be replaced; create a session for the new key, and revoke this one",
            field="params",
            reason="session_not_on_chain",
        )
    (tags,) = await ports.store.session_index.tags([session.id])
    new = NewSession(
        chain_id=session.chain_id,
        account=session.account,
        key=request.new_key,
        permissions=session.permissions,
        deadline=session.deadline,
        tags=tags,
    )
    created = await create_unsigned_session(ports, new)
    await copy_rules(ports, named.reference, created.session)
    await copy_stops(ports, named.reference, created.session)
    calls = plan_removal(named, found).calls
    return KeyRotation(
        state=RotationState.NEW_GRANT,
        current_key=session.key.address,
        new_key=request.new_key.address,
        operation=await prepare_owner_calls(ports, named.reference, calls, request.capabilities),
        replacement=CreatedSession(
            session_id=created.session.id,
            chain_id=created.session.chain_id,
            signature_request=SignTypedData.from_session(created.session),
            warnings=created.warnings,
        ),
        in_flight=await list_open_calls(ports, named.reference),
    )


OPERATION: Operation[Ports, RotateSessionKey, KeyRotation] = Operation(
    "wallet_rotateSessionKey",
    RotateSessionKey,
    KeyRotation,
    run,
    "Prepare the owner's operation with which another key takes over a session; its limits and spending continue.",
    (NotFound, *prepare_calls.OPERATION.errors),
    reasons=(*SELECTOR_REASONS, *OWNER_CALL_REASONS, *reasons.PREPARE_CALLS, *reasons.GRANT),
    description=(
        "The operation calls `transferSigner` of the signer module for the session's entity id. Ask again after it is "
        "included: the state is `final` once the chain has the new key. A grant that is not installed names its key, "
        "so the answer then has a new session to sign."
    ),
)
