"""Who acts for an account: its owner, or the holder of a session; and the form their user operations take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import assert_never

from wallet_rpc.domain.capabilities import PermissionsCapability, SessionPermissions
from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, parse_context
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction, encode_deferred_authorization
from wallet_rpc.domain.nonce import OWNER_ENTITY, NonceKey, owner_nonce_key, split_nonce
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.signature import prefix_signer_kind
from wallet_rpc.domain.validation import ValidationInstall, installed_signer, parse_install
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    ValidationData,
    decode_address,
    decode_validation_data,
    encode_get_validation_data,
    encode_signers,
)
from wallet_rpc.errors import InvalidParams, SessionEnded, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data
from wallet_rpc.services.accounts import AccountFacts, read_account_facts, read_delegated_facts
from wallet_rpc.services.sessions import activate_session, describe_forgotten, is_forgotten
from wallet_rpc.services.signatures import verify_owner_signature

PERMISSIONS = "params.capabilities.permissions"
"""Where the caller's authority stands in a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The validation that answers for an operation, and who must sign the operation."""

    account: AccountFacts
    signer: Address
    nonce_key: NonceKey
    """Of the validation's plain operations, parallel key 0."""
    has_execution_hooks: bool = False
    """Execution hooks are installed: call data needs the executeUserOp prefix."""
    grant: SignedDeferredAction | None = None
    """The owner's signed grant while it is not installed: the first operation carries it and has its nonce."""
    install: ValidationInstall | None = None
    """What the session installs, where the server knows it: tells which permission a denial is about."""
    session: Session | None = None

    @property
    def signature_prefix(self) -> bytes:
        """What stands before the signer's own signature in a user operation."""
        return b"" if self.grant is None else self.grant.signature_prefix

    @property
    def has_owner_signature(self) -> bool:
        """The owner's word is needed for the operation: the owner signs it, or has signed the grant it carries."""
        return self.grant is not None or self.nonce_key.entity_id == OWNER_ENTITY


async def resolve_authority(
    ports: Ports, chain: ChainPorts, account: Address, permissions: PermissionsCapability | None, *, at: str
) -> Authority:
    """The authority that a request claims, checked as far as it can be before anything is signed.

    Raises: InvalidParams for an account that is none of ours or cannot have sessions yet (field `at`), and for a
    session that is unknown, expired or another account's; SessionEnded for one that was revoked, or is past the end it
    was registered with, in whatever form it is named; SignatureInvalid for a grant that is still to be installed and
    that the owner did not sign. Once it is installed the session key's own signature counts, also under a new owner.
    """
    match permissions:
        case None:
            facts = await read_account_facts(ports, chain, account, at=at)
            return Authority(account=facts, signer=facts.owner, nonce_key=owner_nonce_key())
        case SessionPermissions():
            return await _resolve_session(ports, chain, account, permissions, at=at)
        case _:
            context = parse_context(permissions.context, field=f"{PERMISSIONS}.context")
    match context:
        case RemoteContext():
            named = SessionPermissions(session_id=context.session_id, signature=context.signature)
            return await _resolve_session(ports, chain, account, named, at=at)
        case LocalContext():
            return await _resolve_local_context(ports, chain, account, context, at=at)
        case InstalledContext():
            return await _resolve_installed_context(ports, chain, account, context, at=at)
        case _:
            assert_never(context)


async def _resolve_session(
    ports: Ports, chain: ChainPorts, account: Address, named: SessionPermissions, *, at: str
) -> Authority:
    """A session that the server keeps; its owner's signature comes with the request, unless it was registered."""
    signature = await _find_owner_signature(ports, named)
    facts, session = await asyncio.gather(
        read_delegated_facts(ports, chain, account, at=at),
        ports.store.sessions.get(account, chain.chain_id, named.session_id),
    )
    if session is None:
        if await is_forgotten(ports, account, chain.chain_id, named.session_id):
            raise _build_error(describe_forgotten(named.session_id), "session_forgotten")
        raise _build_error(
            f"no session {named.session_id} of account {account} on chain {chain.chain_id:#x}", "session_not_found"
        )
    action, install = session.action, parse_install(session.call)
    await _refuse_expired(ports, chain, facts, action, install)
    grant = SignedDeferredAction(
        action=action,
        has_execution_hooks=session.has_execution_hooks,
        authorization=encode_deferred_authorization(signature),
    )
    authority = await _resolve_grant(ports, chain, facts, grant, install, session.key.address)
    await activate_session(ports, session)
    return replace(authority, session=session)


async def _find_owner_signature(ports: Ports, named: SessionPermissions) -> Data:
    """The signature of the request, or that of the registration when an API key of the same organisation asks.

    Raises: InvalidParams when there is neither. A session token brings the signature: it is let do less than its key.
    """
    if named.signature is not None:
        return named.signature
    by_key = not ports.caller.is_anonymous and ports.caller.token is None
    group = await ports.store.groups.find_by_session(named.session_id) if by_key else None
    if group is None:
        raise InvalidParams(f"{PERMISSIONS}.signature: required, but absent", field=f"{PERMISSIONS}.signature")
    return group.install_of(named.session_id).signature


async def _resolve_local_context(
    ports: Ports, chain: ChainPorts, account: Address, context: LocalContext, *, at: str
) -> Authority:
    """A grant that the client keeps: everything is in the context, and nothing of it is believed unchecked."""
    grant = context.parse_deferred_action(field=f"{PERMISSIONS}.context")
    if grant.authorizer.entity_id != 0 or not grant.authorizer.is_global:
        raise _build_error("a grant is authorized by the account's owner, entity id 0", "authorizer_not_owner")
    try:
        install = parse_install(grant.action.call)
        signer = installed_signer(install)
        key, _ = split_nonce(grant.action.nonce)
    except ValueError:
        raise _build_error(
            "a grant's call is installValidation of a single signer, and its nonce one that installs it",
            "context_malformed",
        ) from None
    if not key.is_deferred or key.entity_id != install.entity_id or key.is_global != install.is_global:
        raise _build_error("a grant's nonce names the validation that it installs", "context_malformed")
    if grant.has_execution_hooks != install.has_execution_hooks or install.module != SINGLE_SIGNER_MODULE:
        raise _build_error(
            "a grant installs a single signer, and says rightly whether it has execution hooks", "context_malformed"
        )
    facts = await read_delegated_facts(ports, chain, account, at=at)
    await _refuse_expired(ports, chain, facts, grant.action, install)
    return await _resolve_grant(ports, chain, facts, grant, install, signer)


async def _resolve_grant(
    ports: Ports,
    chain: ChainPorts,
    facts: AccountFacts,
    grant: SignedDeferredAction,
    install: ValidationInstall,
    granted_key: Address,
) -> Authority:
    """Whether the grant is still to be installed, is installed, or was used up by something else, the chain says.

    While it is to be installed the owner's signature is checked, and the key that it was `granted` to acts. Then the
    chain says who acts, as for a context 02, and the owner may be another one meanwhile.
    """
    key, _ = split_nonce(grant.action.nonce)
    next_nonce, (installed, signer), ended = await asyncio.gather(
        chain.node.user_operation_nonce(facts.address, key.key),
        _read_validation(chain, facts, install.entity_id),
        _find_end_error(ports, chain, facts.address, install.entity_id),
    )
    if ended is not None:
        raise ended
    if next_nonce < grant.action.nonce:
        raise _build_error("the grant's nonce is ahead of the chain", "grant_nonce_ahead")
    if next_nonce > grant.action.nonce and not installed.is_installed:
        # the parallel reads may straddle the block that installs; read after the nonce, the rest is certain
        facts = await read_account_facts(ports, chain, facts.address, at="params")
        installed, signer = await _read_validation(chain, facts, install.entity_id)
        if not installed.is_installed:
            raise _build_error(
                "the session is no longer on the chain: it was uninstalled, or its grant was burned",
                "session_not_on_chain",
            )
    is_pending = next_nonce == grant.action.nonce
    return Authority(
        account=facts,
        signer=granted_key if is_pending else signer,
        nonce_key=NonceKey(entity_id=install.entity_id, is_global=install.is_global),
        has_execution_hooks=grant.has_execution_hooks or bool(installed.execution_hooks),
        grant=await _verify_grant(chain, facts, grant) if is_pending else None,
        install=install,
    )


async def _resolve_installed_context(
    ports: Ports, chain: ChainPorts, account: Address, context: InstalledContext, *, at: str
) -> Authority:
    """A validation that the account already has, made here or elsewhere."""
    facts, ended = await asyncio.gather(
        read_delegated_facts(ports, chain, account, at=at), _find_end_error(ports, chain, account, context.entity_id)
    )
    if ended is not None:
        raise ended
    installed, signer = await _read_validation(chain, facts, context.entity_id)
    if not installed.is_installed:
        raise _build_error(
            f"no session with entity id {context.entity_id} is installed on account {account}", "session_not_on_chain"
        )
    return Authority(
        account=facts,
        signer=signer,
        nonce_key=NonceKey(entity_id=context.entity_id, is_global=context.is_global),
        has_execution_hooks=bool(installed.execution_hooks),
    )


async def _read_validation(chain: ChainPorts, facts: AccountFacts, entity_id: int) -> tuple[ValidationData, Address]:
    """What the account has under an entity id, and who signs for it."""
    if facts.factory is not None:
        return NOT_INSTALLED, ZERO_ADDRESS
    validation, signer = await asyncio.gather(
        chain.node.call(facts.address, encode_get_validation_data(entity_id)),
        chain.node.call(SINGLE_SIGNER_MODULE, encode_signers(entity_id, facts.address)),
    )
    return decode_validation_data(validation), decode_address(signer)


async def _verify_grant(chain: ChainPorts, facts: AccountFacts, grant: SignedDeferredAction) -> SignedDeferredAction:
    """The grant as an operation carries it; what its signature says about its signer is not believed.

    Raises: SignatureInvalid when the account's owner did not sign it.
    """
    checked = await verify_owner_signature(chain, facts, grant.action, grant.authorization[1:])
    if checked is None:
        raise SignatureInvalid(
            f"{PERMISSIONS}: the session's signature is not by the account's owner {facts.owner}",
            reason="session_signature_invalid",
            field=PERMISSIONS,
        )
    return replace(grant, authorization=prefix_signer_kind(checked.kind, checked.value))


async def _find_end_error(ports: Ports, chain: ChainPorts, account: Address, entity_id: int) -> SessionEnded | None:
    """The error of a session that was revoked, or whose registered end has come; None while it may be used."""
    sessions = ports.store.sessions
    is_revoked, end = await asyncio.gather(
        sessions.is_revoked(account, chain.chain_id, entity_id), sessions.get_expiry(account, chain.chain_id, entity_id)
    )
    if is_revoked:
        return SessionEnded("Session revoked", reason="session_revoked", field=PERMISSIONS)
    if end is not None and end <= ports.clock.now():
        return SessionEnded("Session expired", reason="session_expired", field=PERMISSIONS)
    return None


async def _refuse_expired(
    ports: Ports, chain: ChainPorts, facts: AccountFacts, action: DeferredAction, install: ValidationInstall
) -> None:
    """Raises: InvalidParams when the grant's deadline is past; SessionEnded when it also was registered, or revoked."""
    if action.is_expired(ports.clock.now()):
        ended = await _find_end_error(ports, chain, facts.address, install.entity_id)
        raise _build_error(f"the session expired at {action.deadline}", "session_expired") if ended is None else ended


def _build_error(text: str, reason: str) -> InvalidParams:
    return InvalidParams(f"{PERMISSIONS}: {text}", field=PERMISSIONS, reason=reason)
