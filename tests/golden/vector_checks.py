"""Checks of vectors for addresses, authorizations, call data, contexts, nonces and user operations."""

from __future__ import annotations

import json

from tests.golden.vector_reading import Answers, Vector, address, data, number, owner_of, sign
from wallet_rpc.domain import abi
from wallet_rpc.domain.account import (
    Call,
    Deployment,
    execute_batch_call_data,
    execute_call_data,
    modular_address,
    modular_deployment,
    semi_modular_address,
    semi_modular_deployment,
    webauthn_address,
    webauthn_deployment,
    wrap_execute_user_op,
)
from wallet_rpc.domain.authorization import Authorization, designator
from wallet_rpc.domain.context import (
    Context,
    InstalledContext,
    LocalContext,
    RemoteContext,
    format_context,
    parse_context,
)
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import NonceKey, find_free_entity_id, split_nonce
from wallet_rpc.domain.signature import personal_sign_digest, recover_signer, user_operation_signature
from wallet_rpc.domain.user_operation import pack, packed_hash, user_operation_hash
from wallet_rpc.domain.user_operation_json import UserOperationJson
from wallet_rpc.primitives import Address, SessionId
from wallet_rpc.wire import decode, encode


def check_address(vector: Vector) -> None:
    """Check CREATE2 addresses: every input of the address, and the address itself."""
    v = Answers(vector, ignore=("id", "note"))
    deployment, expected_address = _deployment(v)
    v.check(
        factory=deployment.factory.address,
        implementation=deployment.implementation,
        combinedSalt=deployment.combined_salt,
        proxyInitcode=deployment.proxy_init_code,
        proxyInitcodeHash=abi.keccak(deployment.proxy_init_code),
        factoryData=deployment.factory.data,
        initCode=deployment.factory.init_code,
        address=deployment.address,
    )
    assert expected_address == deployment.address
    v.finish()


def _deployment(v: Answers) -> tuple[Deployment, Address]:
    salt = v.number("salt")
    match v.take("type"):
        case "SMA":
            owner = v.address("owner")
            return semi_modular_deployment(owner, salt), semi_modular_address(owner, salt)
        case "MA":
            owner, entity_id = v.address("owner"), v.number("entityId")
            return modular_deployment(owner, salt, entity_id), modular_address(owner, salt, entity_id)
        case "WebAuthn":
            x = v.number("ownerX")
            y = v.number("ownerY")
            entity_id = v.number("entityId")
            deployment = webauthn_deployment(x, y, salt=salt, entity_id=entity_id)
            return deployment, webauthn_address(x, y, salt=salt, entity_id=entity_id)
        case other:
            raise ValueError(f"unknown account type {other}")


def check_authorization(vector: Vector) -> None:
    """Check EIP-7702: preimage, hash, signature, authority, and the code afterwards."""
    v = Answers(vector, ignore=("id", "note", "label"))
    unsigned = Authorization(v.number("chainId"), v.address("address"), v.number("nonce"))
    signed = unsigned.add_signature(sign(v.take("signerKey"), unsigned.digest))
    v.check(
        preimage=unsigned.preimage,
        hash=unsigned.digest,
        r=signed.r.to_bytes(32, "big"),
        s=signed.s.to_bytes(32, "big"),
        yParity=signed.y_parity,
        serialized=signed.signature,
        authority=signed.authority,
        codeAfter=designator(unsigned.address),
    )
    v.finish()


def check_call_data(vector: Vector) -> None:
    """Check the call data of the account."""
    v = Answers(vector)
    v.take("entityId")  # the entity id does not change the call data
    calls = [decode(Call, {**call, "to": call["to"].lower()}) for call in v.take("calls")]
    if vector["kind"] == "batch-of-one":
        inner = execute_batch_call_data(calls)
    elif vector["kind"] in ("execute", "batch", "batch-empty", "self"):
        inner = execute_call_data(v.address("account"), calls)
    else:
        raise ValueError(f"unknown kind {vector['kind']}")
    v.take("account")
    wrapped = v.take("validationHasExecHooks")
    outer = wrap_execute_user_op(inner) if wrapped else inner
    v.check(wrappedInExecuteUserOp=wrapped, selector=bytes(outer[:4]), callData=outer)
    v.finish()


def check_context(vector: Vector) -> None:
    """Check a context in both directions: the parts give the bytes, the bytes give the parts."""
    v = Answers(vector)
    parts = Answers(v.take("decoded"), ignore=())
    context: Context
    match parts.take("contextVersion"):
        case "REMOTE_MODE_DEFERRED_ACTION":
            context = RemoteContext(session_id=SessionId(parts.data("sessionId")), signature=parts.data("signature"))
        case "LOCAL_MODE_DEFERRED_ACTION":
            context = LocalContext(blob=parts.data("deferredAction"))
        case "NON_DEFERRED_ACTION":
            context = InstalledContext(is_global=parts.take("isGlobalValidation"), entity_id=parts.number("entityId"))
        case other:
            raise ValueError(f"unknown context version {other}")
    v.check(context=format_context(context))
    assert parse_context(data(vector["context"])) == context
    parts.finish()
    v.finish()


def check_nonce(vector: Vector) -> None:
    """Check the search for a free entity id, and the nonce under it."""
    v = Answers(vector)
    used = set(v.take("usedEntityIds")) if v.take("deployed") else set()
    v.take("usedEntityIds")
    v.take("usedBySelectorsOnly")  # flags or selectors: either marks an id as used
    entity_id = find_free_entity_id(lambda candidate: candidate in used, start=v.number("startEntityId"))

    def key(entity: int) -> NonceKey:
        return NonceKey(
            parallel_key=v.number("nonceKey"),
            entity_id=entity,
            is_global=v.take("isGlobalValidation"),
            is_deferred=v.take("isDeferredAction"),
        )

    requested = key(v.number("startEntityId"))
    sequence = v.number("entryPointSeq")
    v.check(
        fullNonceKeyAsked=requested.key,
        readerConstructorArgs=abi.sequence(
            abi.address(v.address("account")), abi.address(ENTRY_POINT), abi.uint(requested.key, 192)
        ),
        entityId=entity_id,
        nonce=key(entity_id).nonce(sequence),
    )
    assert split_nonce(number(vector["nonce"])) == (key(entity_id), sequence)
    v.finish()


def check_user_operation(vector: Vector) -> None:
    """Check packing, both hashes, the signed digest and the envelope, from the JSON form."""
    v = Answers(vector, ignore=("id", "accountKind"))
    written = dict(v.take("userOp"))
    if v.has("eip7702Auth"):
        written["eip7702Auth"] = v.take("eip7702Auth")
    form = decode(UserOperationJson, written)
    op = form.to_domain()
    back = encode(UserOperationJson, UserOperationJson.from_domain(op, include_signature=False))
    assert json.dumps(back, sort_keys=True).lower() == json.dumps(written, sort_keys=True).lower()
    parts = Answers(v.take("nonceParts"), ignore=())
    nonce_key = NonceKey(
        parallel_key=parts.number("nonceKey"),
        entity_id=parts.number("entityId"),
        is_global=parts.take("isGlobalValidation"),
        is_deferred=parts.take("hasDeferredAction"),
    )
    assert nonce_key.nonce(parts.number("seq")) == op.nonce
    parts.finish()
    packed, entry_point = pack(op), v.address("entryPoint")
    digest = user_operation_hash(op, v.number("chainId"), entry_point)
    to_sign = personal_sign_digest(digest)
    signature = sign(v.take("signerKey"), to_sign)
    assert recover_signer(to_sign, signature) == owner_of(vector["signerKey"])
    v.check(
        packed={
            "initCode": packed.init_code,
            "accountGasLimits": packed.account_gas_limits,
            "gasFees": packed.gas_fees,
            "paymasterAndData": packed.paymaster_and_data,
        },
        packedHash=packed_hash(op),
        userOpHash=digest,
        personalSignDigest=to_sign,
        rawSignature=signature,
        signature=user_operation_signature(signature),
    )
    assert entry_point == address(ENTRY_POINT.hex0x())
    v.finish()
