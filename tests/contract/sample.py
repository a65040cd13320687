"""Sample records of each kind; parameters are the values that matter to a test."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from tests.support.api_keys import build_api_key
from wallet_rpc.domain.access import (
    ApiKey,
    Claims,
    Organization,
    OrganizationId,
    Scope,
    Wallet,
    WalletNamespace,
)
from wallet_rpc.domain.audit import AuditEvent, EventKind
from wallet_rpc.domain.call_record import CallRecord
from wallet_rpc.domain.call_state import CallState
from wallet_rpc.domain.event import Event, EventType, MarkedEvent
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.permission import Root
from wallet_rpc.domain.records import Account, KeyType, Session, SessionKey, SessionState
from wallet_rpc.domain.session_group import GroupId, Install, SessionGroup
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.primitives import Address, Data, Hash32, SessionId

SIGNER = Address(b"\x11" * 20)
ACCOUNT = Address(b"\x22" * 20)
CHAIN = 0x66EEE
FAR_FUTURE = (1 << 33) - 1
NOW = 1_700_000_000
ORGANIZATION = OrganizationId("org_one")


def an_account(*, signer: Address = SIGNER, address: Address = ACCOUNT, salt: int = 0) -> Account:
    return Account(id=uuid.uuid4(), signer=signer, address=address, salt=salt)


def a_session(*, number: int = 1, state: SessionState = SessionState.ACTIVE) -> Session:
    permissions = (Root(type="root"),)
    terms = SessionTerms(account=ACCOUNT, key=SIGNER, entity_id=number, deadline=0, now=NOW)
    return Session(
        id=SessionId(number.to_bytes(16, "big")),
        account=ACCOUNT,
        chain_id=CHAIN,
        key=SessionKey(type=KeyType.SECP256K1, address=SIGNER),
        permissions=permissions,
        entity_id=number,
        is_global=True,
        has_execution_hooks=False,
        nonce=NonceKey(entity_id=number, is_global=True, is_deferred=True).nonce(0),
        deadline=0,
        call=compile_permissions(permissions, terms).call_data,
        created_at=NOW,
        state=state,
        holder=f"{number:032x}",
    )


SIGNED = '{"signed":"call"}'
"""Signed form of a call, as text that the store does not read."""


def a_call(
    *,
    number: int = 1,
    nonce: int = 7 << 64,
    state: CallState = CallState.SUBMITTING,
    error: dict[str, Any] | None = None,
) -> CallRecord:
    return CallRecord(
        chain_id=CHAIN,
        hash=Hash32(number.to_bytes(32, "big")),
        sender=ACCOUNT,
        nonce=nonce,
        max_fee_per_gas=2,
        max_priority_fee_per_gas=1,
        sent_at=1_700_000_000,
        lease_until=1_700_000_015,
        first_block=12,
        state=CallState.SUBMITTING,
    )


def a_marked_event(mark: str = "one", kind: EventType = EventType.SESSION_PAUSED, **changes: Any) -> MarkedEvent:
    event = Event(type=kind, time=NOW, account=ACCOUNT, chain_id=CHAIN, session_id=a_session().id)
    return MarkedEvent(mark=mark, event=replace(event, **changes))


def an_organization(name: str = "one", **changes: Any) -> Organization:
    values: dict[str, Any] = {"id": OrganizationId(f"org_{name}"), "name": name, "created_at": NOW}
    return Organization(**(values | changes))


def a_key(text: str = "wrk_one", **changes: Any) -> ApiKey:
    values: dict[str, Any] = {"organization": ORGANIZATION, "requests_per_minute": 60, "created_at": NOW}
    return build_api_key(text, **(values | changes))


def some_claims(*, number: int = 1, expires_at: int = FAR_FUTURE, key: ApiKey | None = None) -> Claims:
    return Claims(
        id=f"{number:032x}",
        wallet=Wallet(namespace=WalletNamespace.EVM, address=f"0x{'11' * 20}"),
        scopes=(Scope.WALLET_READ, Scope.TRANSACTIONS_SUBMIT),
        key=(a_key() if key is None else key).id,
        organization=ORGANIZATION,
        issued_at=NOW,
        expires_at=expires_at,
    )


def an_install(number: int, *, chain_id: int = CHAIN, expires_at: int = FAR_FUTURE) -> Install:
    return Install(
        chain_id=chain_id,
        session_id=SessionId(number.to_bytes(16, "big")),
        entity_id=number,
        signature=Data(b"\x77" * 65),
        expires_at=expires_at,
    )


def a_group(number: int, *installs: Install, **changes: Any) -> SessionGroup:
    values: dict[str, Any] = {
        "id": GroupId(f"sgrp_{number:026}"),
        "wallet_id": "wallet",
        "account": ACCOUNT,
        "session_address": SIGNER,
        "policies": {},
        "created_at": NOW + number,
        "installs": installs if installs else (an_install(number),),
    }
    return SessionGroup(**(values | changes))


def an_event(**facts: Any) -> AuditEvent:
    return AuditEvent(kind=EventKind.CALL_SENT, at=NOW, actor="key_1", facts=facts)


def an_operation(**changes: Any) -> UserOperation:
    values: dict[str, Any] = {
        "sender": ACCOUNT,
        "nonce": 1,
        "call_data": Data(b"\xb6\x1d\x27\xf6"),
        "call_gas_limit": 0,
        "verification_gas_limit": 0,
        "pre_verification_gas": 0,
        "max_fee_per_gas": 2,
        "max_priority_fee_per_gas": 1,
        "signature": Data(b"\xff" * 65),
    }
    return UserOperation(**(values | changes))
