"""Whether a signer really signed: by its key, or by its contract's own word (ERC-1271)."""

from __future__ import annotations

from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.deferred_action import DeferredAction
from wallet_rpc.domain.signature import SignerKind, recover, unwrap_undeployed
from wallet_rpc.domain.views import is_valid_signature_question, says_valid
from wallet_rpc.errors import ExecutionReverted
from wallet_rpc.operations._accounts import AccountFacts
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address, Hash32


async def is_contract(chain: ChainPorts, signer: Address) -> bool:
    """Whether a signer can only answer by its code; a delegated account still has its key (EIP-7702)."""
    code = await chain.chain.code(signer)
    return bool(code) and delegate_of(code) is None


async def signer_kind(chain: ChainPorts, signer: Address, digest: Hash32, signature: bytes) -> SignerKind | None:
    """How `signer` signed `digest` with `signature`; None when it did not.

    An ECDSA signature is recovered here; only when it is not the signer's, and the signer is a contract, is the
    contract asked. A contract that reverts has not signed.
    """
    if recover(digest, signature) == signer:
        return SignerKind.KEY
    if not await is_contract(chain, signer):
        return None
    try:
        answer = await chain.chain.call(signer, is_valid_signature_question(digest, signature))
    except ExecutionReverted:
        return None
    return SignerKind.CONTRACT if says_valid(answer) else None


async def grant_kind(
    chain: ChainPorts, account: AccountFacts, action: DeferredAction, signature: bytes
) -> SignerKind | None:
    """How the account's owner signed a grant, in an ERC-6492 wrapper or not; None when the owner did not.

    Raises: InvalidParams (signature_malformed) for a broken wrapper.
    """
    wrapped = unwrap_undeployed(signature)
    bare = signature if wrapped is None else wrapped.signature
    digest = action.digest(account=account.address, chain_id=chain.chain_id)
    return await signer_kind(chain, account.owner, digest, bare)
