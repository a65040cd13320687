"""Permits (EIP-2612): build the permit that lets a paymaster charge an account's tokens, and verify its signature.

The account signs as a contract (ERC-1271), even before it has code. The permit is used in the paymaster's validation,
when the entry point has already deployed the account or its delegation is in effect. So ERC-6492 is not needed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain.permit import (
    DOMAIN_SEPARATOR_SELECTOR,
    NAME_SELECTOR,
    VERSION_SELECTOR,
    Erc20Domain,
    Permit,
    decode_string,
    decode_uint,
    encode_nonces,
)
from wallet_rpc.domain.prepared import PreparedPermit, Signature, SignTyped
from wallet_rpc.domain.signature import contract_signature, replay_safe_digest, replay_safe_typed_data
from wallet_rpc.domain.token_gas import ERC20_PATH, PERMIT_SECONDS, AutoPermit, PermitContext, PermitDetails
from wallet_rpc.errors import ExecutionReverted, InvalidParams, Rejected, SignatureInvalid, UnsupportedCapability
from wallet_rpc.primitives import Address
from wallet_rpc.services.signatures import verify_signature
from wallet_rpc.services.user_operation_builder import Preparation

PERMIT_SIGNATURE = "params.paymasterPermitSignature"
"""The path of a permit's signature in a request."""
_LATEST_DEADLINE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class RequiredPermit:
    """A permit that the account must sign before its calls can be prepared."""

    details: PermitDetails
    permit: Permit
    domain: Erc20Domain

    def to_prepared_permit(self, preparation: Preparation, modified_request: dict[str, Any]) -> PreparedPermit:
        """Return the signature request, and the modified request to send with the signature."""
        digest = self.permit.digest(self.domain)
        chain_id = preparation.chain.chain_id
        return PreparedPermit(
            modified_request=modified_request,
            data=self.permit.typed_data(self.domain),
            signature_request=SignTyped(
                data=replay_safe_typed_data(digest, account=preparation.account, chain_id=chain_id),
                raw_payload=replay_safe_digest(digest, account=preparation.account, chain_id=chain_id),
            ),
        )


async def build_required_permit(
    preparation: Preparation, token: Address, spender: Address, request: AutoPermit
) -> RequiredPermit:
    """Build the permit for the owner to sign.

    Raises: InvalidParams (session_cannot_permit) for a session, whose key cannot sign for the account.
    """
    if preparation.authority.nonce_key.entity_id != 0:
        at = f"{ERC20_PATH}.preOpSettings.autoPermit"
        raise InvalidParams(
            f"the allowance is below {request.below}, but a session cannot sign a permit for its account; the owner "
            "has to raise the allowance",
            field=at,
            reason="session_cannot_permit",
        )
    seconds = PERMIT_SECONDS if request.duration_seconds is None else request.duration_seconds
    deadline = min(preparation.ports.now_on(preparation.chain.chain_id) + seconds, _LATEST_DEADLINE)
    details = PermitDetails(deadline=deadline, value=request.amount)
    permit, domain = await _read_next_permit(preparation, token, spender, details)
    return RequiredPermit(details, permit, domain)


async def verify_permit(
    preparation: Preparation, token: Address, spender: Address, details: PermitDetails, signature: Signature | None
) -> PermitContext:
    """Verify a signed permit and return it in the form of the paymaster service.

    Raises: InvalidParams, SignatureInvalid, Rejected (permit_expired).
    """
    if signature is None:
        raise InvalidParams(
            "required with permitDetails, but absent",
            field=PERMIT_SIGNATURE,
            reason="permit_signature_missing",
        )
    if details.deadline < preparation.ports.now_on(preparation.chain.chain_id):
        raise Rejected(
            f"{ERC20_PATH}: the permit expired at its deadline {details.deadline}; request a new permit",
            reason="permit_expired",
        )
    permit, domain = await _read_next_permit(preparation, token, spender, details)
    digest = replay_safe_digest(permit.digest(domain), account=preparation.account, chain_id=preparation.chain.chain_id)
    owner = preparation.authority.account.owner
    verified = await verify_signature(preparation.chain, owner, digest, signature.raw_at(PERMIT_SIGNATURE))
    if verified is None:
        raise SignatureInvalid(
            f"expected a signature of this request's permit by the account's owner {owner}, got another; request the "
            "permit again, and send modifiedRequest unchanged",
            reason="permit_signature_invalid",
            field=PERMIT_SIGNATURE,
        )
    return PermitContext(
        value=details.value,
        deadline=details.deadline,
        signature=contract_signature(verified.value, kind=verified.kind),
    )


async def _read_next_permit(
    preparation: Preparation, token: Address, spender: Address, details: PermitDetails
) -> tuple[Permit, Erc20Domain]:
    """Build the permit with the account's next nonce. Raises: UnsupportedCapability for a token without permits."""
    name, version, separator, nonce = await asyncio.gather(
        _call_token(preparation, token, NAME_SELECTOR),
        _call_token(preparation, token, VERSION_SELECTOR),
        _call_token(preparation, token, DOMAIN_SEPARATOR_SELECTOR),
        _call_token(preparation, token, encode_nonces(preparation.account)),
    )
    domain = Erc20Domain(
        token=token,
        chain_id=preparation.chain.chain_id,
        name=decode_string(name) or "",
        version=decode_string(version) or "1",
    )
    number = decode_uint(nonce)
    if number is None or separator != domain.separator:
        at = f"{ERC20_PATH}.preOpSettings"
        raise UnsupportedCapability(
            f"the token {token} does not support EIP-2612 permits; use postOpSettings",
            capability="paymasterService.erc20.preOpSettings",
            field=at,
        )
    permit = Permit(
        owner=preparation.account, spender=spender, value=details.value, nonce=number, deadline=details.deadline
    )
    return permit, domain


async def _call_token(preparation: Preparation, token: Address, call_data: bytes) -> bytes:
    """Call the token and return its return data; empty when it reverts, as for an unknown function."""
    try:
        return await preparation.chain.node.call(token, call_data)
    except ExecutionReverted:
        return b""
