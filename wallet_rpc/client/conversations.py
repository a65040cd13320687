"""Conversations of several requests: open an account, grant a session, send calls, and wait until they are final."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, assert_never

from eth_typing import Hash32 as EthHash32

from wallet_rpc import wire
from wallet_rpc.client.errors import NotFinal, RpcError, UnexpectedResponse
from wallet_rpc.client.exchange import JsonObject, Pause, Steps, call_method, call_operation
from wallet_rpc.domain.account import Call
from wallet_rpc.domain.capabilities import Capabilities, SendCapabilities, SessionPermissions
from wallet_rpc.domain.grant_warnings import GrantWarning
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.prepared import (
    PreparedArray,
    PreparedAuthorization,
    PreparedPermit,
    PreparedUserOperation,
    Signature,
)
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.domain.requested_call import to_requested_calls
from wallet_rpc.domain.rules.rule import SessionRule
from wallet_rpc.operations import create_session, get_calls_status, prepare_calls, request_account, send_prepared_calls
from wallet_rpc.operations.get_calls_status import CallsStatus
from wallet_rpc.primitives import Address, Data, Hash32, SessionId
from wallet_rpc.services.signed_calls import (
    SendArray,
    SendDelegation,
    SendOperation,
    SignedDelegation,
    SignedItem,
    SignedOperation,
)

if TYPE_CHECKING:  # callers import this large library themselves, when they make a key
    from eth_account.signers.local import LocalAccount

_HOUR = 3600
FINAL_SECONDS = 30.0
"""Default time in which a call must become final."""
_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 1.0
_FINAL = 200
"""The lowest final status."""

StatusListener: TypeAlias = Callable[[CallsStatus], None]
"""Function that gets each status that `wait` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The owner of an account, with the owner's key."""

    key: LocalAccount
    account: Address
    chain_id: int
    permissions: ClassVar[None] = None
    """None: the owner signs for the account itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A session that the owner granted, with the session's key."""

    key: LocalAccount
    account: Address
    chain_id: int
    session_id: SessionId
    expires_at: int
    """Last valid second as Unix time; 0: no expiry."""
    signature: Data
    """Owner's signature of the grant."""
    warnings: tuple[GrantWarning, ...] = ()
    """Dangers of the grant that its owner may not expect."""

    @property
    def permissions(self) -> SessionPermissions:
        """The capability with which requests name the session."""
        return SessionPermissions(session_id=self.session_id, signature=self.signature)

    @property
    def context(self) -> Data:
        """The permissions context of type 00: 00 | session id (16 bytes) | owner's signature."""
        return Data(b"\0" + self.session_id + self.signature)


CallSigner: TypeAlias = Owner | Grant
"""The owner of an account, or a session that the owner granted."""


def open_account(key: LocalAccount, *, chain_id: int | None = None) -> Steps[Owner]:
    """Request the account of an owner's key, by default on the server's first chain."""
    if chain_id is None:
        chain_id = int((yield from call_method("eth_chainId")), 16)
    request = request_account.RequestAccount(signer_address=Address.parse(key.address))
    found = yield from call_operation(request_account.OPERATION, request)
    return Owner(key=key, account=found.account_address, chain_id=chain_id)


def grant_to_key(
    owner: Owner,
    key: LocalAccount,
    *permissions: Permission | JsonObject,
    rules: Sequence[SessionRule | JsonObject] = (),
    expires_at: int | None = None,
) -> Steps[Grant]:
    """Create a session for `key`, and sign the grant with the owner's key; nothing is sent to the chain."""
    if expires_at is not None:
        return (yield from _create_grant(owner, key, permissions, rules, expires_at))
    try:
        in_an_hour = (yield from read_chain_time(owner.chain_id)) + _HOUR
        return (yield from _create_grant(owner, key, permissions, rules, in_an_hour))
    except RpcError as error:
        if error.reason != "expired":
            raise
    # the server goes by its own clock, and the chain's newest block is older than an hour
    return (yield from _create_grant(owner, key, permissions, rules, int(time.time()) + _HOUR))


def _create_grant(
    owner: Owner,
    key: LocalAccount,
    permissions: Sequence[Permission | JsonObject],
    rules: Sequence[SessionRule | JsonObject],
    expires_at: int,
) -> Steps[Grant]:
    request = create_session.CreateSession(
        account=owner.account,
        chain_id=owner.chain_id,
        expiry_sec=expires_at,
        key=SessionKey(type=KeyType.SECP256K1, address=Address.parse(key.address)),
        permissions=wire.decode(tuple[Permission, ...], tuple(permissions), at="permissions"),
        rules=wire.decode(tuple[SessionRule, ...], tuple(rules), at="rules"),
    )
    created = yield from call_operation(create_session.OPERATION, request)
    return Grant(
        key=key,
        account=owner.account,
        chain_id=owner.chain_id,
        session_id=created.session_id,
        expires_at=expires_at,
        warnings=created.warnings or (),
        signature=sign_digest(owner.key, created.signature_request.raw_payload),
    )


def read_chain_time(chain_id: int) -> Steps[int]:
    """Return the time of the chain's next block, or of its latest one where the node has no pending block."""
    try:
        block = yield from call_method("eth_getBlockByNumber", "pending", False, chain_id=chain_id)
    except RpcError:
        block = None
    if block is None:
        block = yield from call_method("eth_getBlockByNumber", "latest", False, chain_id=chain_id)
    return int(block["timestamp"], 16)


def send(
    signer: CallSigner, calls: Sequence[Call | JsonObject], capabilities: Capabilities | JsonObject | None = None
) -> Steps[Data]:
    """Prepare calls, sign them with the signer's key and send them; return the call's id."""
    chosen = wire.decode(Capabilities, {} if capabilities is None else capabilities, at="capabilities")
    request = prepare_calls.PrepareCalls(
        from_=signer.account,
        chain_id=signer.chain_id,
        calls=to_requested_calls(wire.decode(tuple[Call, ...], tuple(calls), at="calls")),
        capabilities=replace(chosen, permissions=signer.permissions),
    )
    prepared = yield from call_operation(prepare_calls.OPERATION, request)
    if isinstance(prepared, PreparedPermit):
        prepared = yield from _prepare_with_permit(signer, prepared)
    sent = yield from call_operation(send_prepared_calls.OPERATION, sign_calls(signer, prepared))
    call_id: Data = sent.id
    return call_id


def _prepare_with_permit(signer: CallSigner, permit: PreparedPermit) -> Steps[Any]:
    """Sign the permit of an account that pays its gas in a token, and prepare the calls with it."""
    request = wire.decode(prepare_calls.PrepareCalls, permit.modified_request, at="modifiedRequest")
    signature = _sign(signer, permit.signature_request.raw_payload)
    return (yield from call_operation(prepare_calls.OPERATION, replace(request, paymaster_permit_signature=signature)))


def sign_calls(
    signer: CallSigner, prepared: PreparedUserOperation | PreparedAuthorization | PreparedArray
) -> SendOperation | SendDelegation | SendArray:
    """Sign prepared calls; return the request for `send_prepared_calls`. Raises: UnexpectedResponse."""
    capabilities = None if signer.permissions is None else SendCapabilities(permissions=signer.permissions)
    ticket = prepared.submission_ticket
    match prepared:
        case PreparedUserOperation() | PreparedAuthorization():
            kind = SendOperation if isinstance(prepared, PreparedUserOperation) else SendDelegation
            item = _sign_item(signer, prepared)
            fields = {name: getattr(item, name) for name in ("type", "data", "chain_id", "signature")}
            return kind(**fields, capabilities=capabilities, submission_ticket=ticket)
        case PreparedArray():
            items = tuple(_sign_item(signer, each) for each in prepared.data)
            return SendArray(type="array", data=items, capabilities=capabilities, submission_ticket=ticket)
        case _:
            assert_never(prepared)


def _sign_item(signer: CallSigner, item: PreparedUserOperation | PreparedAuthorization) -> SignedItem:
    if item.signature_request is None:
        raise UnexpectedResponse("wallet_prepareCalls: an estimate has no payload to sign; leave out onlyEstimation")
    signature = _sign(signer, item.signature_request.raw_payload)
    if isinstance(item, PreparedUserOperation):
        return SignedOperation(type=item.type, data=item.data, chain_id=item.chain_id, signature=signature)
    return SignedDelegation(type=item.type, data=item.data, chain_id=item.chain_id, signature=signature)


def _sign(signer: CallSigner, payload: Hash32) -> Signature:
    return Signature(data=sign_digest(signer.key, payload))


def sign_digest(key: LocalAccount, digest: Hash32) -> Data:
    """Sign a `rawPayload`: 65 bytes r | s | v."""
    return Data(key.unsafe_sign_hash(EthHash32(digest)).signature)


def wait(
    call_id: Data, *, seconds: float = FINAL_SECONDS, progress: StatusListener | None = None
) -> Steps[CallsStatus]:
    """Read a call's status until it is final, and return it. Raises: NotFinal after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_POLL_SECONDS
    while True:
        request = get_calls_status.GetCallsStatus(call_id=call_id)
        status: CallsStatus = yield from call_operation(get_calls_status.OPERATION, request)
        if progress is not None:
            progress(status)
        if status.status >= _FINAL:
            return status
        if time.monotonic() > deadline:
            raise NotFinal(call_id, status=status.status, seconds=seconds)
        yield Pause(pause)
        pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)
