"""Permits: what an account signs so that a paymaster may take tokens, and whether it did.

The account signs as a contract (ERC-1271), whether it has code yet or not: where a permit is used, in the paymaster's
validation, the entry point has already deployed the account, or its delegation holds. So no ERC-6492 is needed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain.permit import (
    DOMAIN_SEPARATOR,
    NAME,
    VERSION,
    Permit,
    TokenDomain,
    nonce_question,
    read_amount,
    read_text,
)
from wallet_rpc.domain.prepared import PreparedPermit, Signature, SignTyped
from wallet_rpc.domain.signature import contract_signature, replay_safe_digest, replay_safe_typed_data
from wallet_rpc.domain.token_gas import ERC20, PERMIT_SECONDS, AutoPermit, PermitContext, PermitDetails
from wallet_rpc.errors import ExecutionReverted, InvalidParams, Rejected, SignatureInvalid, UnsupportedCapability
from wallet_rpc.primitives import Address
from wallet_rpc.services.signatures import checked_signature
from wallet_rpc.services.user_operation_builder import Task

SIGNATURE = "params.paymasterPermitSignature"
"""Where a permit's signature stands in a request."""
_LATEST_DEADLINE = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class PermitNeeded:
    """The account has to sign a permit before its calls can be prepared."""

    details: PermitDetails
    permit: Permit
    domain: TokenDomain

    def prepared(self, task: Task, modified_request: dict[str, Any]) -> PreparedPermit:
        """What to sign, and what to ask then."""
        digest, chain_id = self.permit.digest(self.domain), task.chain.chain_id
        return PreparedPermit(
            modified_request=modified_request,
            data=self.permit.typed_data(self.domain),
            signature_request=SignTyped(
                data=replay_safe_typed_data(digest, account=task.account, chain_id=chain_id),
                raw_payload=replay_safe_digest(digest, account=task.account, chain_id=chain_id),
            ),
        )


async def needed_permit(task: Task, token: Address, spender: Address, asked: AutoPermit) -> PermitNeeded:
    """Raises: InvalidParams (session_cannot_permit): a session key's signature is not the account's."""
    if task.authority.nonce_key.entity_id != 0:
        at = f"{ERC20}.preOpSettings.autoPermit"
        raise InvalidParams(
            f"{at}: the allowance is below {asked.below}, and a session cannot sign a permit for its account; the "
            "owner has to raise the allowance",
            field=at,
            reason="session_cannot_permit",
        )
    seconds = PERMIT_SECONDS if asked.duration_seconds is None else asked.duration_seconds
    deadline = min(task.ports.clock.now() + seconds, _LATEST_DEADLINE)
    details = PermitDetails(deadline=deadline, value=asked.amount)
    permit, domain = await _next_permit(task, token, spender, details)
    return PermitNeeded(details, permit, domain)


async def signed_permit(
    task: Task, token: Address, spender: Address, details: PermitDetails, signature: Signature | None
) -> PermitContext:
    """The permit as the paymaster takes it. Raises: InvalidParams, SignatureInvalid, Rejected (permit_expired)."""
    if signature is None:
        raise InvalidParams(
            f"{SIGNATURE}: required by permitDetails, but absent", field=SIGNATURE, reason="permit_signature_missing"
        )
    if details.deadline < task.ports.clock.now():
        raise Rejected(f"{ERC20}: the permit's deadline {details.deadline} is over", reason="permit_expired")
    permit, domain = await _next_permit(task, token, spender, details)
    digest = replay_safe_digest(permit.digest(domain), account=task.account, chain_id=task.chain.chain_id)
    owner = task.authority.account.owner
    checked = await checked_signature(task.chain, owner, digest, signature.raw_at(SIGNATURE))
    if checked is None:
        raise SignatureInvalid(
            f"{SIGNATURE}: it is not by the account's owner {owner} over the permit of this request; ask for the "
            "permit again, and send modifiedRequest unchanged",
            reason="permit_signature_invalid",
            field=SIGNATURE,
        )
    made = contract_signature(checked.value, kind=checked.kind)
    return PermitContext(value=details.value, deadline=details.deadline, signature=made)


async def _next_permit(
    task: Task, token: Address, spender: Address, details: PermitDetails
) -> tuple[Permit, TokenDomain]:
    """The permit with the nonce that is the account's next. Raises: UnsupportedCapability for a token without any."""
    name, version, separator, nonce = await asyncio.gather(
        _answer(task, token, NAME),
        _answer(task, token, VERSION),
        _answer(task, token, DOMAIN_SEPARATOR),
        _answer(task, token, nonce_question(task.account)),
    )
    domain = TokenDomain(
        token=token, chain_id=task.chain.chain_id, name=read_text(name) or "", version=read_text(version) or "1"
    )
    number = read_amount(nonce)
    if number is None or separator != domain.separator:
        at = f"{ERC20}.preOpSettings"
        raise UnsupportedCapability(
            f"{at}: {token} has no permit that can be read here (EIP-2612); use postOpSettings",
            capability="paymasterService.erc20.preOpSettings",
            field=at,
        )
    permit = Permit(owner=task.account, spender=spender, value=details.value, nonce=number, deadline=details.deadline)
    return permit, domain


async def _answer(task: Task, token: Address, question: bytes) -> bytes:
    """What the token answers; nothing when it does not know the question."""
    try:
        return await task.chain.chain.call(token, question)
    except ExecutionReverted:
        return b""
