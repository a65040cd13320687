"""The signature of a user operation: its check, and the operation as the bundler gets it."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.nonce import NonceKey, split_nonce
from wallet_rpc.domain.signature import personal_sign_digest, user_operation_signature
from wallet_rpc.domain.user_operation import UserOperation, user_operation_hash
from wallet_rpc.errors import InvalidParams, SessionNotInstalled, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Hash32
from wallet_rpc.services.authority import Authority
from wallet_rpc.services.authorizations import find_carried_authorization
from wallet_rpc.services.root_causes import build_nonce_used_error
from wallet_rpc.services.session_stops import PERMISSIONS
from wallet_rpc.services.signatures import VerifiedSignature, verify_signature
from wallet_rpc.services.signed_calls import SignedDelegation
from wallet_rpc.services.submission import refuse_while_installing

NONCE_FIELD = "params.data.nonce"
"""The path of the user operation's nonce in a request."""


async def build_signed_operation(
    ports: Ports,
    chain: ChainPorts,
    authority: Authority,
    operation: UserOperation,
    signature: bytes,
    delegation: SignedDelegation | None,
) -> UserOperation:
    """Return the operation as the bundler gets it: with its signature, and the grant or authorization it carries."""
    key = _check_nonce_key(authority, operation)
    operation_hash = user_operation_hash(operation, chain.chain_id, ENTRY_POINT)
    verified = await _verify_call_signature(chain, authority, operation_hash, signature)
    authorization = await find_carried_authorization(chain, authority.account, delegation)
    deferred = await _read_signature_prefix(ports, chain, authority, key, operation)
    return replace(
        operation,
        signature=user_operation_signature(verified.value, kind=verified.kind, deferred=deferred),
        authorization=authorization,
    )


def _check_nonce_key(authority: Authority, operation: UserOperation) -> NonceKey:
    """Return the nonce key, which must name the validation of the authority. Raises: InvalidParams (nonce_mismatch)."""
    try:
        key, _ = split_nonce(operation.nonce)
    except ValueError as error:
        raise InvalidParams(str(error), field=NONCE_FIELD, reason="nonce_mismatch") from None
    expected = authority.nonce_key
    if (key.entity_id, key.is_global) != (expected.entity_id, expected.is_global):
        hint = "; send capabilities.permissions as for wallet_prepareCalls" if expected.entity_id == 0 else ""
        raise InvalidParams(
            f"expected a nonce of the validation with entity id {expected.entity_id}, under which the call is sent, "
            f"got one of entity id {key.entity_id}{hint}",
            field=NONCE_FIELD,
            reason="nonce_mismatch",
        )
    return key


async def _verify_call_signature(
    chain: ChainPorts, authority: Authority, operation_hash: Hash32, signature: bytes
) -> VerifiedSignature:
    """Verify that the authority's signer signed exactly this operation. Raises: SignatureInvalid otherwise."""
    verified = await verify_signature(chain, authority.signer, personal_sign_digest(operation_hash), signature)
    if verified is None:
        signer = "the session key" if authority.nonce_key.entity_id else "the owner"
        raise SignatureInvalid(
            f"invalid account signature: params.signature is not by {signer} {authority.signer} over the user "
            f"operation {operation_hash}; send the signed operation exactly as it was prepared",
            field="params.signature",
            verbatim=True,
        )
    return verified


async def _read_signature_prefix(
    ports: Ports, chain: ChainPorts, authority: Authority, key: NonceKey, operation: UserOperation
) -> bytes:
    """Return the encoded grant that precedes the signature, or empty bytes for an operation that installs no session.

    Raises: StaleNonce when the session was installed since the operation was prepared; SessionNotInstalled when the
    operation needs a session that is not installed; InstallPending while another operation is installing the session,
    unless this operation outbids that one.
    """
    if not key.is_deferred:
        if authority.grant is not None:
            raise SessionNotInstalled(
                "the session is not installed, but the calls were prepared as if it were; prepare the calls again",
                field=PERMISSIONS,
            )
        return b""
    if authority.grant is None:
        raise build_nonce_used_error(operation)
    if operation.nonce != authority.grant.action.nonce:
        raise InvalidParams(
            f"expected {authority.grant.action.nonce:#x}, the nonce of the session's grant, got {operation.nonce:#x}; "
            "prepare the calls again",
            field=NONCE_FIELD,
            reason="nonce_mismatch",
        )
    await refuse_while_installing(ports, chain, account=operation.sender, nonce=operation.nonce, by=operation)
    return authority.signature_prefix
