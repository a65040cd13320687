"""Checks of vectors for signatures: envelopes, ERC-1271, ERC-6492, and deferred actions over two operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.golden.vector_permissions import grant_from_text
from tests.golden.vector_reading import Answers, Vector, data, owner_of, sign
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import Call, execute_call_data, wrap_execute_user_op
from wallet_rpc.domain.context import InstalledContext, LocalContext, RemoteContext, format_context
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.deferred_action import (
    DeferredAction,
    SignedDeferredAction,
    encode_deferred_authorization,
    parse_blob,
    unsigned_blob,
)
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.signature import (
    SignerKind,
    WrappedSignature,
    contract_signature,
    domain_separator,
    dummy_user_operation_signature,
    personal_sign_digest,
    prefix_signer_kind,
    recover_signer,
    replay_safe_digest,
    replay_safe_domain,
    replay_safe_struct_hash,
    replay_safe_typed_data,
    unwrap_erc6492,
    user_operation_signature,
    wrap_erc6492,
)
from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.domain.validation_install import SessionTerms, compile_raw_permissions
from wallet_rpc.primitives import Data, SessionId


def check_signature(vector: Vector) -> None:
    """Check a signature vector by its kind."""
    v = Answers(vector)
    KINDS[vector["kind"]](v)
    v.finish()


def _check_plain(v: Answers) -> None:
    _ignore(v, "chainId", "account", "entityId")  # all part of the hash already
    digest = personal_sign_digest(v.data("userOpHash"))
    signature = sign(v.take("signerKey"), digest)
    v.check(
        personalSignDigest=digest,
        rawSignature=signature,
        signature=user_operation_signature(signature),
        stub=dummy_user_operation_signature(),
    )


def _check_contract_key(v: Answers) -> None:
    _ignore(v, "chainId", "account", "entityId", "signerKey", "userOpHash")  # the inner signature is given
    inner = v.data("contractSignature")
    v.check(
        prefixed=prefix_signer_kind(SignerKind.CONTRACT, inner),
        signature=user_operation_signature(inner, kind=SignerKind.CONTRACT),
    )


def _check_erc1271(v: Answers) -> None:
    if v.has("message"):
        message = v.take("message")
        inner = personal_sign_digest(data(message["raw"]) if isinstance(message, dict) else message.encode())
    else:
        inner = typed_data_digest(v.take("typedData"))
    account, chain_id, entity_id = v.address("account"), v.number("chainId"), v.number("entityId")
    domain = replay_safe_domain(account=account, chain_id=chain_id, entity_id=entity_id)
    digest = replay_safe_digest(inner, account=account, chain_id=chain_id, entity_id=entity_id)
    written = replay_safe_typed_data(inner, account=account, chain_id=chain_id, entity_id=entity_id)
    assert typed_data_digest(written) == digest
    signature = sign(v.take("signerKey"), digest)
    domain_fields: dict[str, object] = {"chainId": chain_id, "verifyingContract": domain.verifying_contract}
    if domain.salt is not None:
        domain_fields["salt"] = domain.salt
    v.check(
        innerHash=inner,
        replaySafe={
            "domain": domain_fields,
            "domainSeparator": domain_separator(domain),
            "structHash": replay_safe_struct_hash(inner),
            "digest": digest,
        },
        rawSignature=signature,
        signature1271=contract_signature(signature, entity_id=entity_id),
    )


def _check_erc6492(v: Answers) -> None:
    _check_erc1271(v)
    wrapped = WrappedSignature(v.address("factory"), v.data("factoryData"), v.data("signature1271"))
    v.check(signature6492=wrap_erc6492(wrapped))
    assert unwrap_erc6492(v.data("signature6492")) == wrapped


def _check_by_another_validation(v: Answers) -> None:
    action = DeferredAction(nonce=v.number("nonce"), deadline=v.number("deadline"), call=v.data("call"))
    account, chain_id, entity_id = v.address("account"), v.number("chainId"), v.number("entityId")
    inner = action.digest(account=account, chain_id=chain_id)
    digest = replay_safe_digest(inner, account=account, chain_id=chain_id, entity_id=entity_id)
    signature = sign(v.take("signerKey"), digest)
    v.check(
        innerHash=inner,
        replaySafeDigest=digest,
        rawSignature=signature,
        deferredActionSig=prefix_signer_kind(SignerKind.KEY, signature),
    )


def _check_deferred(v: Answers) -> None:
    account, chain_id = v.address("account"), v.number("chainId")
    nonce_key = NonceKey(
        parallel_key=v.number("nonceKey"),
        entity_id=v.number("sessionEntityId"),
        is_global=v.take("isGlobalValidation"),
        is_deferred=True,
    )
    nonce = nonce_key.nonce(v.number("seq"))
    terms = SessionTerms(
        account=account,
        key=owner_of(v.take("sessionKey")),
        entity_id=nonce_key.entity_id,
        deadline=v.number("deadline"),
        now=0,
    )
    install = compile_raw_permissions([grant_from_text(item) for item in v.take("permissions")], terms)
    action = DeferredAction(nonce=nonce, deadline=terms.deadline, call=install.call_data)
    digest = action.digest(account=account, chain_id=chain_id)
    owner_signature = sign(v.take("signerKey"), digest)
    signed = SignedDeferredAction(
        action=action,
        has_execution_hooks=install.has_execution_hooks,
        authorization=encode_deferred_authorization(owner_signature),
    )
    v.check(
        entityId=signed.authorizer.entity_id,
        nonce=nonce,
        call=install.call_data,
        digest=digest,
        ownerSignature=owner_signature,
        hasAssociatedExecHooks=install.has_execution_hooks,
    )
    _check_blob(v, signed)
    _check_operations(v, signed)
    _check_next(v, signed, nonce_key)
    _check_contexts(v, signed, owner_signature, nonce_key)


def _check_blob(v: Answers, signed: SignedDeferredAction) -> None:
    blob = signed.blob
    unsigned = unsigned_blob(signed.action, has_execution_hooks=signed.has_execution_hooks)
    head = len(unsigned) - len(signed.action.call)
    v.check(
        deferredActionHead=Data(blob[:head]),
        deferredActionTail=Data(blob[len(unsigned) :]),
        deferredActionLength=len(blob),
        deferredActionKeccak=abi.keccak(blob),
    )
    if v.has("deferredAction"):
        v.check(deferredAction=blob)
    assert parse_blob(blob) == signed


def _operation(v: Answers, nonce: int, *, wrapped: bool) -> UserOperation:
    """Build the operation of both signatures of a vector: one call that sends 5 wei to the target."""
    call_data = execute_call_data(v.address("account"), [Call(to=v.address("target"), value=5)])
    return UserOperation(
        sender=v.address("account"),
        nonce=nonce,
        call_data=wrap_execute_user_op(call_data) if wrapped else call_data,
        call_gas_limit=100_000,
        verification_gas_limit=500_000,
        pre_verification_gas=60_000,
        max_fee_per_gas=10**9,
        max_priority_fee_per_gas=10**6,
    )


def _check_operations(v: Answers, signed: SignedDeferredAction) -> None:
    """Check the first operation, which carries the deferred action."""
    op = _operation(v, signed.action.nonce, wrapped=signed.has_execution_hooks)
    op_hash = user_operation_hash(op, v.number("chainId"), ENTRY_POINT)
    digest = personal_sign_digest(op_hash)
    signature = sign(v.take("sessionKey"), digest)
    assert recover_signer(digest, signature) == owner_of(v.take("sessionKey"))
    whole = user_operation_signature(signature, deferred=signed.signature_prefix)
    v.check(
        callData=op.call_data,
        userOpHash=op_hash,
        rawSessionSignature=signature,
        signatureLength=len(whole),
        signatureKeccak=abi.keccak(whole),
        signatureTail=user_operation_signature(signature),
        stubKeccak=abi.keccak(dummy_user_operation_signature(deferred=signed.signature_prefix)),
    )
    if v.has("signature"):
        v.check(signature=whole)


def _check_next(v: Answers, signed: SignedDeferredAction, key: NonceKey) -> None:
    """Check the second operation: the session's first nonce without a deferred action, parallel key 0."""
    later = Answers(v.take("next"), ignore=())
    op = _operation(v, replace(key, is_deferred=False, parallel_key=0).nonce(0), wrapped=signed.has_execution_hooks)
    op_hash = user_operation_hash(op, v.number("chainId"), ENTRY_POINT)
    signature = sign(v.take("sessionKey"), personal_sign_digest(op_hash))
    later.check(nonce=op.nonce, userOpHash=op_hash, signature=user_operation_signature(signature))
    later.finish()


def _check_contexts(v: Answers, signed: SignedDeferredAction, owner_signature: Data, key: NonceKey) -> None:
    contexts = Answers(v.take("contexts"), ignore=())
    session_id = SessionId(contexts.data("sessionId"))
    installed = InstalledContext(is_global=key.is_global, entity_id=key.entity_id)
    contexts.check(
        remote=format_context(RemoteContext(session_id=session_id, signature=owner_signature)),
        localKeccak=abi.keccak(format_context(LocalContext(blob=signed.blob))),
        installed=format_context(installed),
    )
    contexts.finish()


def _ignore(v: Answers, *names: str) -> None:
    for name in names:
        v.take(name)


KINDS: dict[str, Callable[[Answers], None]] = {
    "userop-plain": _check_plain,
    "userop-contract-key": _check_contract_key,
    "userop-deferred": _check_deferred,
    "deferred-sig-nonowner": _check_by_another_validation,
    "1271-message": _check_erc1271,
    "1271-typed": _check_erc1271,
    "1271-6492": _check_erc6492,
}
