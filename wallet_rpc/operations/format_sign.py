"""`wallet_formatSign`: the owner's signature in the form that a verifier of the account takes.

A contract's: ERC-1271. Of an account that is not deployed: the same with what deploys it (ERC-6492). Of an externally
owned account that is not delegated: the bare signature.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.domain.access import READ_ACCESS
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.prepared import Signature
from wallet_rpc.domain.signature import (
    SignerKind,
    WrappedSignature,
    contract_signature,
    normalize_key_signature,
    wrap_erc6492,
)
from wallet_rpc.errors import InvalidParams, UnsupportedChain
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ChainId, Data, NonZeroAddress, preview
from wallet_rpc.services.accounts import AccountFacts, chain_of, read_account_facts
from wallet_rpc.services.signable_messages import SigningCapabilities, refuse_sessions
from wallet_rpc.wire import shape


@shape
class FormatSign:
    """The signature of what `wallet_prepareSign` answered."""

    chain_id: ChainId
    from_: Annotated[NonZeroAddress, Field(alias="from")]
    signature: Signature
    capabilities: SigningCapabilities | None = None


@shape
class FormattedSign:
    """The account's signature of the message."""

    signature: Data


async def run(ports: Ports, request: FormatSign) -> FormattedSign:
    """Whether the signature is right cannot be seen here: the message is not told again."""
    refuse_sessions(request.capabilities)
    chain = chain_of(ports, request.chain_id)
    facts = await read_account_facts(ports, chain, request.from_, at="params.from")
    signature = request.signature.raw
    if await _is_key(chain, facts):
        signature = _read_key_signature(signature)
        kind = SignerKind.KEY
    else:
        kind = SignerKind.CONTRACT
    if facts.needs_delegation:
        return FormattedSign(signature=Data(signature))
    answered = contract_signature(signature, kind=kind)
    if facts.factory is not None:
        answered = wrap_erc6492(WrappedSignature(facts.factory.address, facts.factory.data, answered))
    return FormattedSign(signature=answered)


async def _is_key(chain: ChainPorts, facts: AccountFacts) -> bool:
    """Whether the owner signs by a key, and not by a contract's word."""
    if facts.owner == facts.address:
        return True
    code = await chain.node.code(facts.owner)
    return not code or delegate_of(code) is not None


def _read_key_signature(signature: bytes) -> bytes:
    """r | s | v with v 27 or 28, as contracts take it. Raises: InvalidParams (signature_malformed)."""
    made = normalize_key_signature(signature)
    if made is None:
        at = "params.signature.data"
        raise InvalidParams(
            f"{at}: expected 65 bytes r, s and v, with v 27 or 28, got {preview(Data(signature).hex0x())}",
            field=at,
            reason="signature_malformed",
        )
    return made


OPERATION: Operation[Ports, FormatSign, FormattedSign] = Operation(
    "wallet_formatSign",
    FormatSign,
    FormattedSign,
    run,
    "Make the account's signature of the signature of its owner.",
    (UnsupportedChain,),
    need=READ_ACCESS,
)
