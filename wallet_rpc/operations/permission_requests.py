"""Grants as ERC-7715 (draft) asks for them, made by `wallet_createSession`.

A server cannot sign for the owner. So the answer is not a grant yet: it says what the owner must sign, and a context
that becomes one when the owner's signature is appended. Unknown keys are refused, since they may be limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain.asked_permission import Erc7715Permission, translate_permissions
from wallet_rpc.domain.context import RemoteContext, format_context
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.errors import InvalidParams, LimitExceeded, UnsupportedCapability, UnsupportedChain, WalletError
from wallet_rpc.operations import create_session
from wallet_rpc.operations.create_session import CreatedSession, CreateSession
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, UnixSeconds, preview
from wallet_rpc.services.accounts import chain_of, read_delegated_facts
from wallet_rpc.services.session_keys import key_address
from wallet_rpc.wire import decode, strict_shape

GRANT_ERRORS: tuple[type[WalletError], ...] = (UnsupportedCapability, UnsupportedChain, LimitExceeded)
"""What a caller must expect beside a bad request."""


@strict_shape
class Signer:
    """Who may use the grant; `type` says what `data` holds."""

    type: str
    data: dict[str, Any] | None = None


@strict_shape
class Rule:
    """A limit on the whole grant."""

    type: str
    data: dict[str, Any]
    is_adjustment_allowed: bool | None = None


@strict_shape
class _Key:
    type: str
    public_key: Data


@strict_shape
class _Account:
    address: NonZeroAddress | None = None
    id: NonZeroAddress | None = None


@strict_shape
class _Expiry:
    timestamp: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantRequest:
    """A grant as it was asked for, in whichever draft; `at` is where the request stood."""

    chain_id: ChainId
    account: Address
    account_at: str
    key: SessionKey
    key_at: str
    expiry: UnixSeconds
    expiry_at: str
    permissions: Sequence[Erc7715Permission]
    permissions_at: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantResult:
    """What was made of it."""

    session: CreatedSession
    account: Address
    context: Data
    """Lacks the owner's signature at its end."""
    factory: Factory | None
    """What deploys the account, which the first call here does by itself."""


async def grant(ports: Ports, grant_request: GrantRequest) -> GrantResult:
    """Create the session. Raises: as `wallet_createSession`, in the words of the request."""
    chain = chain_of(ports, grant_request.chain_id)
    now = ports.clock.now()
    permissions = translate_permissions(grant_request.permissions, now=now, at=grant_request.permissions_at)
    _check_expiry(grant_request, now)
    facts = await read_delegated_facts(ports, chain, grant_request.account, at=grant_request.account_at)
    request = CreateSession(
        account=grant_request.account,
        chain_id=grant_request.chain_id,
        expiry_sec=grant_request.expiry,
        key=grant_request.key,
        permissions=permissions,
    )
    try:
        created = await create_session.run(ports, request)
    except InvalidParams as refused:
        raise _relocate_error(refused, grant_request) from refused
    context = format_context(RemoteContext(session_id=created.session_id, signature=Data()))
    return GrantResult(session=created, account=grant_request.account, context=context, factory=facts.factory)


def _check_expiry(grant_request: GrantRequest, now: UnixSeconds) -> None:
    """0 is a time long ago for the standard; for `wallet_createSession` it is no end at all."""
    at, expiry = grant_request.expiry_at, grant_request.expiry
    if expiry < now:
        raise InvalidParams(f"{at}: expected a time from {now} on, got {expiry}", field=at, reason="expired")


def _relocate_error(error: InvalidParams, grant_request: GrantRequest) -> InvalidParams:
    """A refusal of `wallet_createSession` with the place where the caller wrote what is refused."""
    field = str(error.facts.get("field", ""))
    places = {
        "params.account": grant_request.account_at,
        "params.expirySec": grant_request.expiry_at,
        "params.key.publicKey": grant_request.key_at,
        **{f"params.permissions[{i}]": place for i, place in enumerate(grant_request.permissions_at)},
    }
    for ours, theirs in places.items():
        if field == ours or field.startswith((f"{ours}.", f"{ours}[")):
            named = theirs + field.removeprefix(ours)
            message = error.message.replace(field, named, 1)
            return InvalidParams(message, reason=error.reason, **{**error.facts, "field": named})
    return error


def pick_account(first: Address | None, second: Address | None, *, at: str) -> Address:
    """The account, which the drafts name differently. Raises: InvalidParams for none, and for two."""
    account = second if first is None else first
    if account is None:
        raise InvalidParams(f"{at}: required, but absent: there is no account that a server means anyway", field=at)
    if second is not None and second != account:
        raise InvalidParams(f"{at}: expected one account, got {account} and {second}", field=at)
    return account


def session_key_of(signer: Signer | None, *, at: str) -> SessionKey:
    """The session key that a signer stands for. Raises: UnsupportedCapability that names a kind which we lack."""
    match signer:
        case Signer(type="key"):
            key = decode(_Key, signer.data, at=f"{at}.data")
            address = key_address(key.type, key.public_key, at=f"{at}.data")
            return SessionKey(type=KeyType.SECP256K1, address=address)
        case Signer(type="account"):
            account = decode(_Account, signer.data, at=f"{at}.data")
            named = account.id if account.address is None else account.address
            if named is None or (account.id is not None and account.id != named):
                raise InvalidParams(f"{at}.data.address: expected one address", field=f"{at}.data.address")
            return SessionKey(type=KeyType.CONTRACT, address=named)
        case _:
            kind = "wallet" if signer is None else signer.type
            raise UnsupportedCapability(
                f"{at}: {preview(kind)}: expected one signer of type key or account; this server keeps no keys, and a "
                "session has one",
                reason="signer_not_supported",
                field=at,
                capability=kind[:64],
            )


def expiry_of(expiry: UnixSeconds | None, rules: Sequence[Rule], *, at: str) -> tuple[UnixSeconds, str]:
    """When the grant ends, and where that stood. Raises: UnsupportedCapability for another rule than expiry."""
    found = [] if expiry is None else [(expiry, f"{at}.expiry")]
    for index, rule in enumerate(rules):
        place = f"{at}.rules[{index}]"
        if rule.type != "expiry":
            raise UnsupportedCapability(
                f"{place}.type: {preview(rule.type)}: expected expiry, the only rule that can be enforced here",
                reason="rule_not_supported",
                field=f"{place}.type",
                capability=rule.type[:64],
            )
        found.append((decode(_Expiry, rule.data, at=f"{place}.data").timestamp, f"{place}.data.timestamp"))
    if len(found) != 1:
        raise InvalidParams(
            f"{at}.expiry: expected when the grant ends, once, got {len(found)}",
            field=f"{at}.expiry",
            reason="expiry_missing" if not found else "duplicate_limit",
        )
    return found[0]
