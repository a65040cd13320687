"""Who acts for an account: its owner, or the holder of a session; and the form their user operations take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import assert_never

from wallet_rpc.domain.capabilities import BySession, PermissionsCapability
from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, parse_context
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction, authorization_of
from wallet_rpc.domain.nonce import OWNER_ENTITY, NonceKey, owner_key, split_nonce
from wallet_rpc.domain.records import Session
from wallet_rpc.domain.signature import with_kind
from wallet_rpc.domain.validation import ValidationInstall, installed_signer, parse_install
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    ValidationData,
    read_address,
    read_validation_data,
    signer_question,
    validation_data_question,
)
from wallet_rpc.errors import InvalidParams, SessionEnded, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data
from wallet_rpc.services.accounts import AccountFacts, account_facts, delegated_facts
from wallet_rpc.services.sessions import is_forgotten, keep_signed, words_of_forgotten
from wallet_rpc.services.signatures import owner_signature

PERMISSIONS = "params.capabilities.permissions"
"""Where the caller's authority stands in a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The validation that answers for an operation, and who must sign the operation."""

    account: AccountFacts
    signer: Address
    nonce_key: NonceKey
    """Of the validation's plain operations, parallel key 0."""
    wraps: bool = False
    """Execution hooks are installed: call data needs the executeUserOp prefix."""
    grant: SignedDeferredAction | None = None
    """The owner's signed grant while it is not installed: the first operation carries it and has its nonce."""
    install: ValidationInstall | None = None
    """What the session installs, where the server knows it: tells which permission a denial is about."""
    session: Session | None = None

    @property
    def deferred(self) -> bytes:
        """What stands before the signer's own signature in a user operation."""
        return b"" if self.grant is None else self.grant.in_user_operation

    @property
    def is_owners(self) -> bool:
        """The owner's word is needed for the operation: the owner signs it, or has signed the grant it carries."""
        return self.grant is not None or self.nonce_key.entity_id == OWNER_ENTITY


async def authority_of(
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
            facts = await account_facts(ports, chain, account, at=at)
            return Authority(account=facts, signer=facts.owner, nonce_key=owner_key())
        case BySession():
            return await _of_session(ports, chain, account, permissions, at=at)
        case _:
            context = parse_context(permissions.context, field=f"{PERMISSIONS}.context")
    match context:
        case RemoteContext():
            named = BySession(session_id=context.session_id, signature=context.signature)
            return await _of_session(ports, chain, account, named, at=at)
        case LocalContext():
            return await _of_blob(ports, chain, account, context, at=at)
        case InstalledContext():
            return await _of_installed(ports, chain, account, context, at=at)
        case _:
            assert_never(context)


async def _of_session(ports: Ports, chain: ChainPorts, account: Address, named: BySession, *, at: str) -> Authority:
    """A session that the server keeps; its owner's signature comes with the request, unless it was registered."""
    signature = await _owner_signature(ports, named)
    facts, session = await asyncio.gather(
        delegated_facts(ports, chain, account, at=at),
        ports.store.sessions.get(account, chain.chain_id, named.session_id),
    )
    if session is None:
        if await is_forgotten(ports, account, chain.chain_id, named.session_id):
            raise _refused(words_of_forgotten(named.session_id), "session_forgotten")
        raise _refused(
            f"no session {named.session_id} of account {account} on chain {chain.chain_id:#x}", "session_not_found"
        )
    action, install = session.action, parse_install(session.call)
    await _refuse_expired(ports, chain, facts, action, install)
    grant = SignedDeferredAction(
        action=action,
        has_execution_hooks=session.has_execution_hooks,
        authorization=authorization_of(signature),
    )
    authority = await _of_grant(ports, chain, facts, grant, install, session.key.address)
    await keep_signed(ports, session)
    return replace(authority, session=session)


async def _owner_signature(ports: Ports, named: BySession) -> Data:
    """The signature of the request, or that of the registration when an API key of the same organisation asks.

    Raises: InvalidParams when there is neither. A session token brings the signature: it is let do less than its key.
    """
    if named.signature is not None:
        return named.signature
    by_key = not ports.caller.is_open and ports.caller.token is None
    group = await ports.store.groups.of_session(named.session_id) if by_key else None
    if group is None:
        raise InvalidParams(f"{PERMISSIONS}.signature: required, but absent", field=f"{PERMISSIONS}.signature")
    return group.install_of(named.session_id).signature


async def _of_blob(ports: Ports, chain: ChainPorts, account: Address, context: LocalContext, *, at: str) -> Authority:
    """A grant that the client keeps: everything is in the context, and nothing of it is believed unchecked."""
    grant = context.deferred(field=f"{PERMISSIONS}.context")
    if grant.authorizer.entity_id != 0 or not grant.authorizer.is_global:
        raise _refused("a grant is authorized by the account's owner, entity id 0", "authorizer_not_owner")
    try:
        install = parse_install(grant.action.call)
        signer = installed_signer(install)
        key, _ = split_nonce(grant.action.nonce)
    except ValueError:
        raise _refused(
            "a grant's call is installValidation of a single signer, and its nonce one that installs it",
            "context_malformed",
        ) from None
    if not key.is_deferred or key.entity_id != install.entity_id or key.is_global != install.is_global:
        raise _refused("a grant's nonce names the validation that it installs", "context_malformed")
    if grant.has_execution_hooks != install.has_execution_hooks or install.module != SINGLE_SIGNER_MODULE:
        raise _refused(
            "a grant installs a single signer, and says rightly whether it has execution hooks", "context_malformed"
        )
    facts = await delegated_facts(ports, chain, account, at=at)
    await _refuse_expired(ports, chain, facts, grant.action, install)
    return await _of_grant(ports, chain, facts, grant, install, signer)


async def _of_grant(
    ports: Ports,
    chain: ChainPorts,
    facts: AccountFacts,
    grant: SignedDeferredAction,
    install: ValidationInstall,
    granted: Address,
) -> Authority:
    """Whether the grant is still to be installed, is installed, or was used up by something else, the chain says.

    While it is to be installed the owner's signature is checked, and the key that it was `granted` to acts. Then the
    chain says who acts, as for a context 02, and the owner may be another one meanwhile.
    """
    key, _ = split_nonce(grant.action.nonce)
    next_nonce, (installed, signer), ended = await asyncio.gather(
        chain.chain.user_operation_nonce(facts.address, key.key),
        _installed(chain, facts, install.entity_id),
        _ended(ports, chain, facts.address, install.entity_id),
    )
    if ended is not None:
        raise ended
    if next_nonce < grant.action.nonce:
        raise _refused("the grant's nonce is ahead of the chain", "grant_nonce_ahead")
    if next_nonce > grant.action.nonce and not installed.is_installed:
        # the parallel reads may straddle the block that installs; read after the nonce, the rest is certain
        facts = await account_facts(ports, chain, facts.address, at="params")
        installed, signer = await _installed(chain, facts, install.entity_id)
        if not installed.is_installed:
            raise _refused(
                "the session is no longer on the chain: it was uninstalled, or its grant was burned",
                "session_not_on_chain",
            )
    is_pending = next_nonce == grant.action.nonce
    return Authority(
        account=facts,
        signer=granted if is_pending else signer,
        nonce_key=NonceKey(entity_id=install.entity_id, is_global=install.is_global),
        wraps=grant.has_execution_hooks or bool(installed.execution_hooks),
        grant=await _authorized(chain, facts, grant) if is_pending else None,
        install=install,
    )


async def _of_installed(
    ports: Ports, chain: ChainPorts, account: Address, context: InstalledContext, *, at: str
) -> Authority:
    """A validation that the account already has, made here or elsewhere."""
    facts, ended = await asyncio.gather(
        delegated_facts(ports, chain, account, at=at), _ended(ports, chain, account, context.entity_id)
    )
    if ended is not None:
        raise ended
    installed, signer = await _installed(chain, facts, context.entity_id)
    if not installed.is_installed:
        raise _refused(
            f"no session with entity id {context.entity_id} is installed on account {account}", "session_not_on_chain"
        )
    return Authority(
        account=facts,
        signer=signer,
        nonce_key=NonceKey(entity_id=context.entity_id, is_global=context.is_global),
        wraps=bool(installed.execution_hooks),
    )


async def _installed(chain: ChainPorts, facts: AccountFacts, entity_id: int) -> tuple[ValidationData, Address]:
    """What the account has under an entity id, and who signs for it."""
    if facts.factory is not None:
        return NOT_INSTALLED, ZERO_ADDRESS
    validation, signer = await asyncio.gather(
        chain.chain.call(facts.address, validation_data_question(entity_id)),
        chain.chain.call(SINGLE_SIGNER_MODULE, signer_question(entity_id, facts.address)),
    )
    return read_validation_data(validation), read_address(signer)


async def _authorized(chain: ChainPorts, facts: AccountFacts, grant: SignedDeferredAction) -> SignedDeferredAction:
    """The grant as an operation carries it; what its signature says about its signer is not believed.

    Raises: SignatureInvalid when the account's owner did not sign it.
    """
    checked = await owner_signature(chain, facts, grant.action, grant.authorization[1:])
    if checked is None:
        raise SignatureInvalid(
            f"{PERMISSIONS}: the session's signature is not by the account's owner {facts.owner}",
            reason="session_signature_invalid",
            field=PERMISSIONS,
        )
    return replace(grant, authorization=with_kind(checked.kind, checked.value))


async def _ended(ports: Ports, chain: ChainPorts, account: Address, entity_id: int) -> SessionEnded | None:
    """The error of a session that was revoked, or whose registered end has come; None while it may be used."""
    sessions = ports.store.sessions
    is_revoked, end = await asyncio.gather(
        sessions.is_revoked(account, chain.chain_id, entity_id), sessions.end_of(account, chain.chain_id, entity_id)
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
    if action.has_passed(ports.clock.now()):
        ended = await _ended(ports, chain, facts.address, install.entity_id)
        raise _refused(f"the session expired at {action.deadline}", "session_expired") if ended is None else ended


def _refused(text: str, reason: str) -> InvalidParams:
    return InvalidParams(f"{PERMISSIONS}: {text}", field=PERMISSIONS, reason=reason)
