"""Who acts for an account: its owner, or the holder of a session; and the form their user operations take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import assert_never

from wallet_rpc.domain.capabilities import BySession, PermissionsCapability
from wallet_rpc.domain.context import Context, InstalledContext, LocalContext, RemoteContext, parse_context
from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.deferred_action import DeferredAction, SignedDeferredAction, authorization_of
from wallet_rpc.domain.nonce import NonceKey, owner_key, split_nonce
from wallet_rpc.domain.records import Session, SessionState
from wallet_rpc.domain.signature import SignerKind, unwrap_undeployed
from wallet_rpc.domain.validation import ValidationInstall, parse_install
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    ValidationData,
    read_address,
    read_validation_data,
    signer_question,
    validation_data_question,
)
from wallet_rpc.errors import InvalidParams, SignatureInvalid
from wallet_rpc.operations._accounts import AccountFacts, account_facts, delegated_facts
from wallet_rpc.operations._signatures import signer_kind
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address

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


async def authority_of(
    ports: Ports, chain: ChainPorts, account: Address, permissions: PermissionsCapability | None, *, at: str
) -> Authority:
    """The authority that a request claims, checked as far as it can be before anything is signed.

    Raises: InvalidParams for an account that is none of ours or cannot have sessions yet (field `at`), and for a
    session that is unknown, expired, revoked or another account's; SignatureInvalid for a grant that the owner did not
    sign.
    """
    match permissions:
        case None:
            facts = await account_facts(ports, chain, account, at=at)
            return Authority(account=facts, signer=facts.owner, nonce_key=owner_key())
        case BySession():
            context: Context = RemoteContext(session_id=permissions.session_id, signature=permissions.signature)
        case _:
            context = parse_context(permissions.context, field=f"{PERMISSIONS}.context")
    match context:
        case RemoteContext():
            return await _of_session(ports, chain, account, context, at=at)
        case LocalContext():
            return await _of_blob(ports, chain, account, context, at=at)
        case InstalledContext():
            return await _of_installed(ports, chain, account, context, at=at)
        case _:
            assert_never(context)


async def _of_session(
    ports: Ports, chain: ChainPorts, account: Address, context: RemoteContext, *, at: str
) -> Authority:
    """A session that the server keeps; its owner's signature comes with every request."""
    facts, session = await asyncio.gather(
        delegated_facts(ports, chain, account, at=at),
        ports.store.sessions.get(account, chain.chain_id, context.session_id),
    )
    if session is None:
        raise _refused(
            f"no session {context.session_id} of account {account} on chain {chain.chain_id:#x}", "session_not_found"
        )
    if session.state is SessionState.REVOKED:
        raise _refused(f"session {session.id} is revoked", "session_revoked")
    action = DeferredAction(nonce=session.nonce, deadline=session.deadline, call=session.call)
    _refuse_expired(ports, action)
    kind = await _authorized(chain, facts, action, context.signature)
    grant = SignedDeferredAction(
        action=action,
        has_execution_hooks=session.has_execution_hooks,
        authorization=authorization_of(context.signature, kind=kind),
    )
    return await _of_grant(ports, chain, facts, grant, parse_install(session.call), session)


async def _of_blob(ports: Ports, chain: ChainPorts, account: Address, context: LocalContext, *, at: str) -> Authority:
    """A grant that the client keeps: everything is in the context, and nothing of it is believed unchecked."""
    grant = context.deferred(field=f"{PERMISSIONS}.context")
    if grant.authorizer.entity_id != 0 or not grant.authorizer.is_global:
        raise _refused("a grant is authorized by the account's owner, entity id 0", "authorizer_not_owner")
    try:
        install = parse_install(grant.action.call)
    except ValueError:
        raise _refused("a grant's call is installValidation", "context_malformed") from None
    key, _ = split_nonce(grant.action.nonce) if grant.action.nonce < 1 << 256 else (owner_key(), 0)
    if not key.is_deferred or key.entity_id != install.entity_id or key.is_global != install.is_global:
        raise _refused("a grant's nonce names the validation that it installs", "context_malformed")
    if grant.has_execution_hooks != install.has_execution_hooks or install.module != SINGLE_SIGNER_MODULE:
        raise _refused(
            "a grant installs a single signer, and says rightly whether it has execution hooks", "context_malformed"
        )
    facts = await delegated_facts(ports, chain, account, at=at)
    _refuse_expired(ports, grant.action)
    await _authorized(chain, facts, grant.action, grant.authorization[1:])
    return await _of_grant(ports, chain, facts, grant, install, None)


async def _of_grant(
    ports: Ports,
    chain: ChainPorts,
    facts: AccountFacts,
    grant: SignedDeferredAction,
    install: ValidationInstall,
    session: Session | None,
) -> Authority:
    """Whether the grant is still to be installed, is installed, or was used up by something else, the chain says."""
    key, _ = split_nonce(grant.action.nonce)
    next_nonce, installed = await asyncio.gather(
        chain.chain.user_operation_nonce(facts.address, key.key), _validation(chain, facts, install.entity_id)
    )
    if next_nonce < grant.action.nonce:
        raise _refused("the grant's nonce is ahead of the chain", "grant_nonce_ahead")
    if next_nonce > grant.action.nonce and not installed.is_installed:
        # the parallel reads may straddle the block that installs; read after the nonce, the rest is certain
        facts = await account_facts(ports, chain, facts.address, at="params")
        installed = await _validation(chain, facts, install.entity_id)
        if not installed.is_installed:
            raise _refused(
                "the session is no longer on the chain: it was uninstalled, or its grant was burned",
                "session_not_on_chain",
            )
    return Authority(
        account=facts,
        signer=Address(install.install_data[44:64]),
        nonce_key=NonceKey(entity_id=install.entity_id, is_global=install.is_global),
        wraps=grant.has_execution_hooks or bool(installed.execution_hooks),
        grant=grant if next_nonce == grant.action.nonce else None,
        install=install,
        session=session,
    )


async def _of_installed(
    ports: Ports, chain: ChainPorts, account: Address, context: InstalledContext, *, at: str
) -> Authority:
    """A validation that the account already has, made here or elsewhere."""
    facts, signer = await asyncio.gather(
        delegated_facts(ports, chain, account, at=at),
        chain.chain.call(SINGLE_SIGNER_MODULE, signer_question(context.entity_id, account)),
    )
    installed = await _validation(chain, facts, context.entity_id)
    if not installed.is_installed:
        raise _refused(
            f"no session with entity id {context.entity_id} is installed on account {account}", "session_not_on_chain"
        )
    return Authority(
        account=facts,
        signer=read_address(signer),
        nonce_key=NonceKey(entity_id=context.entity_id, is_global=context.is_global),
        wraps=bool(installed.execution_hooks),
    )


async def _validation(chain: ChainPorts, facts: AccountFacts, entity_id: int) -> ValidationData:
    if facts.factory is not None:
        return NOT_INSTALLED
    return read_validation_data(await chain.chain.call(facts.address, validation_data_question(entity_id)))


async def _authorized(chain: ChainPorts, facts: AccountFacts, action: DeferredAction, signature: bytes) -> SignerKind:
    """How the owner signed the grant. Raises: SignatureInvalid when the owner did not."""
    wrapped = unwrap_undeployed(signature)
    bare = signature if wrapped is None else wrapped.signature
    digest = action.digest(account=facts.address, chain_id=chain.chain_id)
    kind = await signer_kind(chain, facts.owner, digest, bare)
    if kind is None:
        raise SignatureInvalid(
            f"{PERMISSIONS}: the session's signature is not by the account's owner {facts.owner}",
            reason="session_signature_invalid",
            field=PERMISSIONS,
        )
    return kind


def _refuse_expired(ports: Ports, action: DeferredAction) -> None:
    if action.deadline != 0 and action.deadline < ports.clock.now():
        raise _refused(f"the session expired at {action.deadline}", "session_expired")


def _refused(text: str, reason: str) -> InvalidParams:
    return InvalidParams(f"{PERMISSIONS}: {text}", field=PERMISSIONS, reason=reason)
