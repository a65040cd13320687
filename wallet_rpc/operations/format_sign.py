"""`wallet_formatSign`: convert the owner's signature to the form that verifiers of the account accept.

- Deployed contract account: ERC-1271.
- Account that is not deployed: ERC-1271, wrapped together with its factory call (ERC-6492).
- Externally owned account that is not delegated: the bare signature.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.prepared import Signature
from wallet_rpc.domain.signature import (
    SignerKind,
    WrappedSignature,
    contract_signature,
    normalize_key_signature,
    wrap_erc6492,
)
from wallet_rpc.errors import InvalidParams, LimitExceeded, UnreadableAnswer, UnsupportedChain
from wallet_rpc.operations import reasons
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import ChainId, Data, NonZeroAddress
from wallet_rpc.services.account_facts import chain_of, read_account_facts
from wallet_rpc.services.signable_messages import SigningCapabilities, refuse_sessions
from wallet_rpc.services.signatures import is_contract
from wallet_rpc.wire import shape


@shape
class FormatSign:
    """The owner's signature of a request that `wallet_prepareSign` returned."""

    chain_id: ChainId
    """Chain on which the account's signature will be verified."""
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    """Account in whose name the message is signed."""
    signature: Signature
    """Owner's signature of the payload that `wallet_prepareSign` returned."""
    capabilities: SigningCapabilities | None = None
    """Accepted for clients that send capabilities with every request."""


@shape
class FormattedSign:
    """The account's signature of the message."""

    signature: Data
    """Bytes for ERC-1271 verifiers; wrapped by ERC-6492 while the account has no code."""


async def run(ports: Ports, request: FormatSign) -> FormattedSign:
    """Return the account's signature. It is not verified, because the request does not repeat the message."""
    refuse_sessions(request.capabilities)
    chain = chain_of(ports, request.chain_id)
    facts = await read_account_facts(ports, chain, request.from_, at="params.from")
    signature = request.signature.raw
    if facts.owner == facts.address or not await is_contract(chain, facts.owner):
        signature = _read_key_signature(signature)
        kind = SignerKind.KEY
    else:
        kind = SignerKind.CONTRACT
    if facts.needs_delegation:
        return FormattedSign(signature=Data(signature))
    formatted = contract_signature(signature, kind=kind)
    if facts.factory is not None:
        formatted = wrap_erc6492(WrappedSignature(facts.factory.address, facts.factory.data, formatted))
    return FormattedSign(signature=formatted)


def _read_key_signature(signature: bytes) -> bytes:
    """Return r | s | v with v 27 or 28, the form that contracts accept. Raises: InvalidParams (signature_malformed)."""
    normalized = normalize_key_signature(signature)
    if normalized is None:
        at = "params.signature.data"
        raise InvalidParams(
            field=at,
            expected="65 bytes r, s and v, with v 27 or 28",
            given=Data(signature).hex0x(),
            reason="signature_malformed",
        )
    return normalized


OPERATION: Operation[Ports, FormatSign, FormattedSign] = Operation(
    "wallet_formatSign",
    FormatSign,
    FormattedSign,
    run,
    "Convert the owner's signature to the account's signature (ERC-1271, ERC-6492).",
    (UnsupportedChain, UnreadableAnswer, LimitExceeded),
    need=READ_ACCESS,
    reasons=reasons.MESSAGE,
    description=(
        "Wrap the signature for ERC-1271 verifiers, and by ERC-6492 while the account has no code. The signature is "
        "not verified, because the request does not repeat the message."
    ),
)
