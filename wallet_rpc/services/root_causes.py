"""Root causes of a refused user operation: a nonce that another operation used, or an account deployed since."""

from __future__ import annotations

from wallet_rpc.domain.nonce import split_nonce
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.errors import AccountDeployed, StaleNonce, Unavailable, WalletError
from wallet_rpc.ports import ChainPorts
from wallet_rpc.services.authorizations import is_applicable
from wallet_rpc.services.delegation import AUTHORIZATION_NONCE


async def find_root_cause(chain: ChainPorts, operation: UserOperation, error: WalletError) -> WalletError:
    """Return the root cause of a rejection as the chain shows it, else `error`.

    Causes: a nonce of the account or of its authorization that is used, or an account that is deployed, by another
    operation. Raises: Unavailable.
    """
    if isinstance(error, Unavailable):
        return error
    if operation.authorization is not None and error.reason == AUTHORIZATION_NONCE:
        try:
            await is_applicable(chain, operation.authorization, operation.sender)
        except StaleNonce as cause:
            return cause
    key, _ = split_nonce(operation.nonce)
    if await chain.node.user_operation_nonce(operation.sender, key.key) > operation.nonce:
        return build_nonce_used_error(operation)
    if operation.factory is not None and await chain.node.code(operation.sender):
        return AccountDeployed(
            "the account was deployed by another call since the preparation; prepare the calls again",
            field="params.data.factory",
        )
    return error


def build_nonce_used_error(operation: UserOperation) -> StaleNonce:
    """Build the error of an operation whose nonce is used already."""
    key, sequence = split_nonce(operation.nonce)
    cause = "another call installed the session first" if key.is_deferred else "another call used it first"
    return StaleNonce(
        f"{operation.nonce:#x} is already used ({cause}); prepare the calls again and sign anew",
        field="params.data.nonce",
        entityId=key.entity_id,
        sequence=sequence,
    )
