"""Grant requests of ERC-7715 (draft), fulfilled by `wallet_createSession`.

The server cannot sign for the owner, so the result is not a grant yet. It has the signature request for the owner, and
a context that is complete once the owner's signature is appended. Unknown keys are rejected, since they may be limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wallet_rpc.domain.context import RemoteContext, format_context
from wallet_rpc.domain.erc7715_permission import Erc7715Permission, translate_permissions
from wallet_rpc.domain.grant_warnings import GrantWarning
from wallet_rpc.domain.records import KeyType, SessionKey
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.errors import (
    InvalidParams,
    LimitExceeded,
    UnreadableAnswer,
    UnsupportedCapability,
    UnsupportedChain,
    WalletError,
)
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address, ChainId, Data, NonZeroAddress, SessionId, UnixSeconds, preview
from wallet_rpc.services.account_facts import chain_of, read_delegated_facts
from wallet_rpc.services.session_creation import NewSession, SignTypedData, create_unsigned_session
from wallet_rpc.services.session_keys import key_address
from wallet_rpc.wire import decode, strict_shape

GRANT_ERRORS: tuple[type[WalletError], ...] = (
    UnsupportedCapability,
    UnsupportedChain,
    LimitExceeded,
    UnreadableAnswer,
)
"""Errors that granting may raise, in addition to InvalidParams."""


@strict_shape
class Signer:
    """The holder of the grant, a key or an account; `type` determines the content of `data`."""

    type: str
    """`key` for a key, `account` for a contract. Other kinds are rejected."""
    data: dict[str, Any] | None = None
    """For a key its `type` and `publicKey`, for an account its `address`."""


@strict_shape
class Rule:
    """A limit that applies to the whole grant."""

    type: str
    """`expiry`; other kinds of rule are rejected."""
    data: dict[str, Any]
    """For `expiry` a `timestamp`, the last valid second as Unix time."""
    is_adjustment_allowed: bool | None = None
    """Accepted and without effect: the server never changes a rule."""


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
    """A requested grant, independent of the draft; each `…_at` is the path of its value in the request."""

    chain_id: ChainId
    account: Address
    account_at: str
    key: SessionKey
    key_at: str
    expiry: UnixSeconds
    expiry_at: str
    permissions: Sequence[Erc7715Permission]
    permissions_at: Sequence[str]
    all_permissions_at: str
    """The path of the list of permissions, or of the only permission."""
    wants_warnings: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantResult:
    """A created session, and the permission context without the owner's signature."""

    session_id: SessionId
    signature_request: SignTypedData
    warnings: tuple[GrantWarning, ...] | None
    account: Address
    context: Data
    """Complete once the owner's signature is appended."""
    factory: Factory | None
    """The factory call that deploys the account; the first call through this server includes it automatically."""


async def grant(ports: Ports, grant_request: GrantRequest) -> GrantResult:
    """Create the session. Raises: the errors of `wallet_createSession`, with the field paths of this request."""
    chain = chain_of(ports, grant_request.chain_id)
    now = ports.now_on(chain.chain_id)
    permissions = translate_permissions(grant_request.permissions, now=now, at=grant_request.permissions_at)
    _check_expiry(grant_request, now)
    facts = await read_delegated_facts(ports, chain, grant_request.account, at=grant_request.account_at)
    new = NewSession(
        account=grant_request.account,
        chain_id=grant_request.chain_id,
        deadline=grant_request.expiry,
        key=grant_request.key,
        permissions=permissions,
        wants_warnings=grant_request.wants_warnings,
    )
    try:
        created = await create_unsigned_session(ports, new)
    except InvalidParams as error:
        raise _relocate_error(error, grant_request) from error
    session, warnings = created.session, created.warnings
    context = format_context(RemoteContext(session_id=session.id, signature=Data()))
    return GrantResult(
        session_id=session.id,
        signature_request=SignTypedData.from_session(session),
        warnings=None if warnings is None else tuple(_relocate_warning(each, grant_request) for each in warnings),
        account=grant_request.account,
        context=context,
        factory=facts.factory,
    )


def _check_expiry(grant_request: GrantRequest, now: UnixSeconds) -> None:
    """Raise InvalidParams for a past expiry, 0 included, which `wallet_createSession` would read as no expiry."""
    at, expiry = grant_request.expiry_at, grant_request.expiry
    if expiry < now:
        raise InvalidParams(f"expected a Unix time of at least {now}, got {expiry}", field=at, reason="expired")


def _relocate_error(error: InvalidParams, grant_request: GrantRequest) -> InvalidParams:
    """Translate the field path in an error of `wallet_createSession` to the path in the caller's request."""
    field = "" if error.field is None else error.field
    paths = {
        "params.account": grant_request.account_at,
        "params.expirySec": grant_request.expiry_at,
        "params.key.publicKey": grant_request.key_at,
        **{f"params.permissions[{i}]": path for i, path in enumerate(grant_request.permissions_at)},
    }
    if field.partition("[")[0] == "params.permissions" and not any(field.startswith(inner) for inner in paths):
        return error.with_field(grant_request.all_permissions_at)  # all permissions, or one that the request implies
    for inner, outer in paths.items():
        if field == inner or field.startswith((f"{inner}.", f"{inner}[")):
            return error.with_field(outer + field.removeprefix(inner))
    return error


def _relocate_warning(warning: GrantWarning, grant_request: GrantRequest) -> GrantWarning:
    """Leave out the index of a permission that the request only implies."""
    is_requested = warning.permission is None or warning.permission < len(grant_request.permissions)
    return warning if is_requested else replace(warning, permission=None)


def pick_account(first: Address | None, second: Address | None, *, at: str) -> Address:
    """Return the account, given in either of the two fields of the drafts.

    Raises: InvalidParams for no account, and for two different ones.
    """
    account = second if first is None else first
    if account is None:
        raise InvalidParams("required, but absent; name the account, since a server has no default", field=at)
    if second is not None and second != account:
        raise InvalidParams(f"expected one account, got {account} and {second}", field=at)
    return account


def session_key_of(signer: Signer | None, *, at: str) -> SessionKey:
    """Return the session key that a signer describes.

    Raises: UnsupportedCapability (signer_not_supported) for a signer that is neither a key nor an account.
    """
    match signer:
        case Signer(type="key"):
            key = decode(_Key, signer.data, at=f"{at}.data")
            address = key_address(key.type, key.public_key, at=f"{at}.data")
            return SessionKey(type=KeyType.SECP256K1, address=address)
        case Signer(type="account"):
            account = decode(_Account, signer.data, at=f"{at}.data")
            account_address = account.id if account.address is None else account.address
            if account_address is None or (account.id is not None and account.id != account_address):
                got = "none" if account_address is None else f"{account_address} and {account.id}"
                raise InvalidParams(f"expected one address, got {got}", field=f"{at}.data.address")
            return SessionKey(type=KeyType.CONTRACT, address=account_address)
        case _:
            kind = "wallet" if signer is None else signer.type
            raise UnsupportedCapability(
                f"expected one signer of type key or account, got {preview(kind)}; this server keeps no keys, and a "
                "session has one key",
                reason="signer_not_supported",
                field=at,
                capability=kind[:64],
            )


def expiry_of(expiry: UnixSeconds | None, rules: Sequence[Rule], *, at: str) -> tuple[UnixSeconds, str]:
    """Return the expiry of the grant and its path in the request.

    Raises: UnsupportedCapability for a rule that is not an expiry; InvalidParams unless exactly one expiry is given.
    """
    expiries = [] if expiry is None else [(expiry, f"{at}.expiry")]
    for index, rule in enumerate(rules):
        path = f"{at}.rules[{index}]"
        if rule.type != "expiry":
            raise UnsupportedCapability(
                field=f"{path}.type",
                expected="expiry, the only supported rule",
                given=rule.type,
                reason="rule_not_supported",
                capability=rule.type[:64],
            )
        expiries.append((decode(_Expiry, rule.data, at=f"{path}.data").timestamp, f"{path}.data.timestamp"))
    if len(expiries) != 1:
        raise InvalidParams(
            f"expected one expiry, here or in a rule, got {len(expiries)}",
            field=f"{at}.expiry",
            reason="expiry_missing" if not expiries else "duplicate_limit",
        )
    return expiries[0]
