"""The authority to act for an account, its owner's or a session's, and the form of the resulting user operations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from wallet_rpc.domain.capabilities import PermissionsCapability, SessionPermissions
from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, parse_context
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.deferred_action import SignedDeferredAction, encode_deferred_authorization
from wallet_rpc.domain.nonce import OWNER_ENTITY, NonceKey, owner_nonce_key, split_nonce
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.session_reference import SessionReference
from wallet_rpc.domain.session_stop import PresentedGrant
from wallet_rpc.domain.signature import prefix_signer_kind
from wallet_rpc.domain.validation import ValidationInstall, installed_signer, parse_install
from wallet_rpc.errors import InvalidParams, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, EntityId, SessionId
from wallet_rpc.services.account_facts import AccountFacts, read_account_facts, read_delegated_facts
from wallet_rpc.services.account_validation import read_account_with_validation
from wallet_rpc.services.session_stops import PERMISSIONS, check_stops, record_control
from wallet_rpc.services.signatures import verify_owner_signature
from wallet_rpc.services.unsigned_sessions import activate_session, describe_forgotten, is_forgotten

ReadAlong: TypeAlias = Callable[[NonceKey, Address | None], Awaitable[None]]
"""Reads what else a request needs, in the same request to the node as the account; it raises nothing.

It gets the nonce key of the validation, with parallel key 0, and the signer, if it is expected to be this one.
"""


async def _read_nothing(_key: NonceKey, _signer: Address | None) -> None:
    """Read nothing along with the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The validation that authorizes an operation, and the address that must sign it."""

    account: AccountFacts
    signer: Address
    nonce_key: NonceKey
    """The nonce key, with parallel key 0, of the validation's operations that install nothing."""
    has_execution_hooks: bool = False
    """True if execution hooks are installed; the call data then needs the executeUserOp prefix."""
    grant: SignedDeferredAction | None = None
    """The owner's signed grant, if not installed yet; the first operation carries the grant and uses its nonce."""
    install: ValidationInstall | None = None
    """The installation of the session, if the server knows it."""
    session: Session | None = None

    @property
    def signature_prefix(self) -> bytes:
        """The bytes before the signer's own signature in a user operation."""
        return b"" if self.grant is None else self.grant.signature_prefix

    @property
    def has_owner_signature(self) -> bool:
        """True if the owner signs the operation, or signed the grant that it carries."""
        return self.grant is not None or self.nonce_key.entity_id == OWNER_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A request that claims to act for an account."""

    ports: Ports
    chain: ChainPorts
    account: Address
    at: str
    """The field with the account."""
    along: ReadAlong


async def resolve_authority(
    ports: Ports,
    chain: ChainPorts,
    account: Address,
    permissions: PermissionsCapability | None,
    *,
    at: str,
    along: ReadAlong = _read_nothing,
) -> Authority:
    """Resolve the authority that a request claims, with every check that is possible before the signature.

    `along` is called once, when the validation is known and the account is read. Once a session is installed, only the
    session key's signature counts, also if the account has a new owner.

    Raises: InvalidParams for an account that is unsupported or cannot have sessions yet (field `at`), and for a session
    that is unknown, expired or another account's; SessionEnded for a session, named in any form, that was revoked or is
    past its registered expiry; SessionPaused for a paused one; SignatureInvalid for a grant that is not installed yet
    and not signed by the owner.
    """
    claim = _Claim(ports=ports, chain=chain, account=account, at=at, along=along)
    match permissions:
        case None:
            key = owner_nonce_key()
            facts, _ = await asyncio.gather(read_account_facts(ports, chain, account, at=at), along(key, None))
            return Authority(account=facts, signer=facts.owner, nonce_key=key)
        case SessionPermissions():
            return await _resolve_session(claim, permissions)
        case _:
            context = parse_context(permissions.context, field=f"{PERMISSIONS}.context")
    match context:
        case RemoteContext():
            registered = None if context.signature else await _find_registered_signature(ports, context.session_id)
            signature = context.signature if registered is None else registered
            session_permissions = SessionPermissions(session_id=context.session_id, signature=signature)
            return await _resolve_session(claim, session_permissions)
        case LocalContext():
            return await _resolve_local_context(claim, context)
        case InstalledContext():
            return await _resolve_installed_context(claim, context)
        case _:
            assert_never(context)


async def _resolve_session(claim: _Claim, permissions: SessionPermissions) -> Authority:
    """Resolve a stored session; the owner's signature comes with the request, or from the session's registration."""
    ports, chain, account = claim.ports, claim.chain, claim.account
    signature = await _find_owner_signature(ports, permissions)
    session = await ports.store.sessions.get(account, chain.chain_id, permissions.session_id)
    if session is None:
        await read_delegated_facts(ports, chain, account, at=claim.at)  # an error of the account comes first
        if await is_forgotten(ports, account, chain.chain_id, permissions.session_id):
            raise _build_error(describe_forgotten(permissions.session_id), "session_forgotten")
        raise _build_error(
            f"no session {permissions.session_id} of account {account} on chain {chain.chain_id:#x}",
            "session_not_found",
        )
    grant = SignedDeferredAction(
        action=session.action,
        has_execution_hooks=session.has_execution_hooks,
        authorization=encode_deferred_authorization(signature, field=PERMISSIONS),
    )
    authority = await _resolve_grant(claim, grant, session_id=session.id)
    await activate_session(ports, session)
    return replace(authority, session=session)


async def _find_owner_signature(ports: Ports, permissions: SessionPermissions) -> Data:
    """Return the signature in the request, or, for an API key of the same organisation, the registered signature.

    A session token always has to bring the signature, because it has fewer rights than its key.

    Raises: InvalidParams when there is neither.
    """
    if permissions.signature is not None:
        return permissions.signature
    registered = await _find_registered_signature(ports, permissions.session_id)
    if registered is None:
        raise InvalidParams("required, but absent", field=f"{PERMISSIONS}.signature")
    return registered


async def _find_registered_signature(ports: Ports, session_id: SessionId) -> Data | None:
    """Return the owner's signature of a session that the caller's organisation registered, for callers with a key."""
    by_key = not ports.caller.is_anonymous and ports.caller.token is None
    group = await ports.store.groups.find_by_session(session_id) if by_key else None
    return None if group is None else group.install_of(session_id).signature


async def _resolve_local_context(claim: _Claim, context: LocalContext) -> Authority:
    """Resolve a grant that the client stores: the context contains all of it, and every part is checked."""
    grant = context.parse_deferred_action(field=f"{PERMISSIONS}.context")
    if grant.authorizer.entity_id != 0 or not grant.authorizer.is_global:
        raise _build_error(
            "expected a grant authorized by the account's owner, entity id 0, got one by entity id "
            f"{grant.authorizer.entity_id}",
            "authorizer_not_owner",
        )
    try:
        install = parse_install(grant.action.call)
        installed_signer(install)  # raises for other install data
        key, _ = split_nonce(grant.action.nonce)
    except ValueError:
        raise _build_error(
            "expected a grant whose call is installValidation of a single signer, with a nonce that installs it",
            "context_malformed",
        ) from None
    if not key.is_deferred or key.entity_id != install.entity_id or key.is_global != install.is_global:
        raise _build_error(
            "expected a grant whose nonce names the validation that the grant installs", "context_malformed"
        )
    if grant.has_execution_hooks != install.has_execution_hooks or install.module != SINGLE_SIGNER_MODULE:
        raise _build_error(
            "expected a grant that installs the single signer module, with a correct flag for execution hooks",
            "context_malformed",
        )
    return await _resolve_grant(claim, grant)


async def _resolve_grant(
    claim: _Claim, grant: SignedDeferredAction, *, session_id: SessionId | None = None
) -> Authority:
    """Resolve a grant by its state on chain: not installed yet, installed, or used up without an installation.

    Before the installation, the owner's signature is checked and the granted key is the signer. Afterwards the signer
    is read from the chain, as for an installed context (version 02), and the account may have a new owner.
    """
    ports, chain, account = claim.ports, claim.chain, claim.account
    install = parse_install(grant.action.call)
    session = SessionReference(account=account, chain_id=chain.chain_id, entity_id=EntityId(install.entity_id))
    key, _ = split_nonce(grant.action.nonce)
    granted = installed_signer(install)
    presented = PresentedGrant(action=grant.action, key=granted)
    installed_key = NonceKey(entity_id=install.entity_id, is_global=install.is_global)
    (facts, validation, signer), next_nonce, check, _ = await asyncio.gather(
        read_account_with_validation(ports, chain, account, install.entity_id, at=claim.at),
        chain.node.user_operation_nonce(account, key.key),
        check_stops(ports, chain, session, grant=presented, session_id=session_id),
        claim.along(installed_key, granted),
    )
    if check.error is not None:
        raise check.error
    if grant.action.is_expired(ports.now_on(chain.chain_id)):
        raise _build_error(f"the session expired at {grant.action.deadline}", "session_expired")
    if next_nonce < grant.action.nonce:
        text = f"expected a grant whose nonce is at most {next_nonce:#x}, the next one on chain"
        raise _build_error(f"{text}, got {grant.action.nonce:#x}", "grant_nonce_ahead")
    if next_nonce > grant.action.nonce and not validation.is_installed:
        # the block that installs may fall between the parallel reads; a second read, after the nonce, is certain
        facts, validation, signer = await read_account_with_validation(
            ports, chain, account, install.entity_id, at=claim.at
        )
        if not validation.is_installed:
            text = "it was uninstalled, or its grant's nonce was used otherwise; create a new session"
            raise _build_error(f"the session is no longer on chain: {text}", "session_not_on_chain")
    is_pending = next_nonce == grant.action.nonce
    verified = await _verify_grant(chain, facts, grant) if is_pending else None
    if verified is not None and check.needs_record(ports):
        await record_control(ports, session, key=granted, session_id=session_id, grant=presented)
    return Authority(
        account=facts,
        signer=granted if is_pending else signer,
        nonce_key=installed_key,
        has_execution_hooks=grant.has_execution_hooks or bool(validation.execution_hooks),
        grant=verified,
        install=install,
    )


async def _resolve_installed_context(claim: _Claim, context: InstalledContext) -> Authority:
    """Resolve a validation that is installed on the account, created here or elsewhere."""
    ports, chain, account = claim.ports, claim.chain, claim.account
    session = SessionReference(account=account, chain_id=chain.chain_id, entity_id=EntityId(context.entity_id))
    key = NonceKey(entity_id=context.entity_id, is_global=context.is_global)
    (facts, validation, signer), check, _ = await asyncio.gather(
        read_account_with_validation(ports, chain, account, context.entity_id, at=claim.at),
        check_stops(ports, chain, session),
        claim.along(key, None),
    )
    if check.error is not None:
        raise check.error
    if not validation.is_installed:
        raise _build_error(
            f"no session with entity id {context.entity_id} is installed on account {account}", "session_not_on_chain"
        )
    return Authority(
        account=facts,
        signer=signer,
        nonce_key=key,
        has_execution_hooks=bool(validation.execution_hooks),
    )


async def _verify_grant(chain: ChainPorts, facts: AccountFacts, grant: SignedDeferredAction) -> SignedDeferredAction:
    """Verify the owner's signature and return the grant in the form that an operation carries.

    The signer kind in the first byte of its signature is not trusted; it is replaced by the verified kind.

    Raises: SignatureInvalid when the account's owner did not sign it.
    """
    verified = await verify_owner_signature(chain, facts, grant.action, grant.authorization[1:], at=PERMISSIONS)
    if verified is None:
        raise SignatureInvalid(
            f"expected a signature of the session by the account's owner {facts.owner}, got another",
            reason="session_signature_invalid",
            field=PERMISSIONS,
        )
    return replace(grant, authorization=prefix_signer_kind(verified.kind, verified.value))


def _build_error(text: str, reason: str) -> InvalidParams:
    return InvalidParams(text, field=PERMISSIONS, reason=reason)
