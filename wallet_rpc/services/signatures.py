"""Verification of signatures, by a key (ECDSA) or by a contract (ERC-1271)."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.signature import SignerKind, normalize_key_signature, recover_signer, unwrap_erc6492
from wallet_rpc.domain.views import encode_is_valid_signature, is_erc1271_magic_value
from wallet_rpc.errors import ExecutionReverted
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address, Data, Hash32
from wallet_rpc.services.account_facts import AccountFacts


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A verified signature, in the form that contracts accept."""

    kind: SignerKind
    value: Data
    """For a key, 65 bytes r | s | v with v 27 or 28; for a contract, the bytes that it accepted."""


async def is_contract(chain: ChainPorts, signer: Address) -> bool:
    """Return True when a signer is a contract; a delegated account still signs with its key (EIP-7702)."""
    code = await chain.node.code(signer)
    return bool(code) and delegate_of(code) is None


async def verify_signature(
    chain: ChainPorts, signer: Address, digest: Hash32, signature: bytes
) -> VerifiedSignature | None:
    """Verify that `signer` signed `digest` and return the signature; None if the signer did not.

    An ECDSA signature, whose v may also be 0 or 1, is recovered locally. If that yields another address and the signer
    is a contract, its ERC-1271 check decides; a revert counts as a rejection.
    """
    by_key = normalize_key_signature(signature)
    if by_key is not None and recover_signer(digest, by_key) == signer:
        return VerifiedSignature(SignerKind.KEY, by_key)
    if not await is_contract(chain, signer):
        return None
    try:
        return_data = await chain.node.call(signer, encode_is_valid_signature(digest, signature))
    except ExecutionReverted:
        return None
    return VerifiedSignature(SignerKind.CONTRACT, Data(signature)) if is_erc1271_magic_value(return_data) else None


async def verify_owner_signature(
    chain: ChainPorts, account: AccountFacts, action: DeferredAction, signature: bytes, *, at: str | None = None
) -> VerifiedSignature | None:
    """Verify the owner's signature of a grant, unwrapped from ERC-6492 if needed; None when the owner did not sign.

    Raises: InvalidParams (signature_malformed) for a broken wrapper.
    """
    wrapped = unwrap_erc6492(signature, field=at)
    bare = signature if wrapped is None else wrapped.signature
    digest = action.digest(account=account.address, chain_id=chain.chain_id)
    return await verify_signature(chain, account.owner, digest, bare)
