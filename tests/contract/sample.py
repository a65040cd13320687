"""Records to keep, one of each kind, with what a test cares about as parameters."""

from __future__ import annotations

import uuid
from typing import Any

from wallet_rpc.domain.records import Account, CallRecord, CallState, KeyType, Session, SessionKey, SessionState
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.primitives import Address, Data, Hash32, SessionId

SIGNER = Address(b"\x11" * 20)
ACCOUNT = Address(b"\x22" * 20)
CHAIN = 0x66EEE
FAR_FUTURE = (1 << 33) - 1


def an_account(*, signer: Address = SIGNER, address: Address = ACCOUNT, salt: int = 0) -> Account:
    return Account(id=uuid.uuid4(), signer=signer, address=address, salt=salt)


def a_session(*, number: int = 1, state: SessionState = SessionState.PENDING, version: int = 1) -> Session:
    return Session(
        version=version,
        id=SessionId(number.to_bytes(16, "big")),
        account=ACCOUNT,
        chain_id=CHAIN,
        key=SessionKey(type=KeyType.SECP256K1, address=SIGNER),
        permissions=(),
        entity_id=number,
        is_global=True,
        has_execution_hooks=False,
        nonce=number << 64,
        deadline=0,
        call=Data(b"\x1b\xbf"),
        created_at=1_700_000_000,
        state=state,
    )


def a_call(
    *, number: int = 1, nonce: int = 7 << 64, state: CallState = CallState.SENDING, error: dict[str, Any] | None = None
) -> CallRecord:
    return CallRecord(
        chain_id=CHAIN,
        hash=Hash32(number.to_bytes(32, "big")),
        sender=ACCOUNT,
        nonce=nonce,
        max_fee_per_gas=2,
        max_priority_fee_per_gas=1,
        sent_at=1_700_000_000,
        state=state,
        error=error,
    )


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
