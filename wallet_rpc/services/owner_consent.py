"""Consent of an account's owner to a change of sessions: the typed data to sign, and the check of a signed change."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.session_change import LONGEST_CONSENT_SECONDS, SessionChange, SignableChange
from wallet_rpc.domain.signature import unwrap_erc6492
from wallet_rpc.errors import InvalidParams, SignatureInvalid
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, Uint256, UnixSeconds
from wallet_rpc.services.account_facts import read_account_facts
from wallet_rpc.services.signatures import verify_signature
from wallet_rpc.wire import strict_shape

OWNER_SIGNATURE = "params.ownerSignature"
"""The path of the owner's signature in a request."""
CONSENT_REASONS = ("consent_deadline", "consent_expired", "consent_used", "owner_signature_invalid")
"""Reasons of requests that carry an owner's signature of a change."""


@strict_shape
class OwnerSignature:
    """The owner's signature of the typed data that `wallet_prepareSessionChange` returns."""

    nonce: Uint256
    """Nonce of the signed change, any number that was not used for the account yet."""
    deadline: Annotated[UnixSeconds, Field(ge=1)]
    """Last second in which the change may be presented, at most a day from now."""
    signature: Data
    """Signature: 65 bytes r | s | v, or what a contract that owns the account accepts (ERC-1271, ERC-6492)."""


def build_signable_change(ports: Ports, change: SessionChange, *, deadline: UnixSeconds) -> SignableChange:
    """Return a change for its owner to sign, with a new random nonce. Raises: InvalidParams (consent_deadline)."""
    _check_deadline(ports, change, deadline, at="params.deadline")
    nonce = int.from_bytes(ports.entropy.random_bytes(16), "big")
    return SignableChange(change=change, nonce=nonce, deadline=deadline)


async def require_consent(
    ports: Ports,
    chain: ChainPorts,
    given: OwnerSignature,
    change: SessionChange,
    *,
    also: tuple[Address, ...] = (),
    at: str = OWNER_SIGNATURE,
) -> Address:
    """Check that the account's owner, or one of the signers `also`, signed this change, and use up its nonce.

    Return the signer. The nonce is used up only by a valid signature, and before the change is made: a change that
    fails afterwards has to be signed anew.

    Raises: SignatureInvalid for another signature; InvalidParams for a change that was used, has expired, or has a
    deadline that is too far away.
    """
    _check_deadline(ports, change, given.deadline, at=f"{at}.deadline")
    facts = await read_account_facts(ports, chain, change.account, at=at)
    signable = SignableChange(change=change, nonce=given.nonce, deadline=given.deadline)
    wrapped = unwrap_erc6492(given.signature, field=f"{at}.signature")
    bare = given.signature if wrapped is None else wrapped.signature
    for signer in (facts.owner, *also):
        if await verify_signature(chain, signer, signable.digest, bare) is not None:
            break
    else:
        raise SignatureInvalid(
            f"expected a signature of this change by the account's owner {facts.owner}, got another; sign the typed "
            "data of wallet_prepareSessionChange",
            reason="owner_signature_invalid",
            field=at,
        )
    is_first = await ports.store.stops.use_nonce(
        change.account, change.chain_id, given.nonce, until=given.deadline + LONGEST_CONSENT_SECONDS
    )
    if not is_first:
        raise InvalidParams(
            "the signed change was presented before, which is possible once; sign it with another nonce",
            reason="consent_used",
            field=f"{at}.nonce",
        )
    return signer


def _check_deadline(ports: Ports, change: SessionChange, deadline: UnixSeconds, *, at: str) -> None:
    now = ports.now_on(change.chain_id)
    if deadline < now:
        raise InvalidParams(
            f"expected a deadline that has not passed, got {deadline}; now is {now}", reason="consent_expired", field=at
        )
    if deadline > now + LONGEST_CONSENT_SECONDS:
        raise InvalidParams(
            f"expected a deadline of at most {now + LONGEST_CONSENT_SECONDS}, a day from now, got {deadline}",
            reason="consent_deadline",
            field=at,
        )
