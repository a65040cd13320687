"""Reads of an account together with one of its validations, all in one request to the node."""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.contracts import SINGLE_SIGNER_MODULE
from wallet_rpc.domain.views import (
    NOT_INSTALLED,
    ValidationData,
    decode_address,
    decode_validation_data,
    encode_get_validation_data,
    encode_signers,
)
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import ZERO_ADDRESS, Address
from wallet_rpc.services.account_facts import AccountFacts, read_delegated_facts


async def read_account_with_validation(
    ports: Ports, chain: ChainPorts, account: Address, entity_id: int, *, at: str
) -> tuple[AccountFacts, ValidationData, Address]:
    """Read an account that can have sessions, its validation with an entity id, and the validation's signer.

    The reads do not wait for each other. An account without code has no validation, whatever the node answered.
    Raises: the error of `read_delegated_facts`, before any error of the validation.
    """
    facts, views = await asyncio.gather(
        read_delegated_facts(ports, chain, account, at=at),
        _call_views(chain, account, entity_id),
        return_exceptions=True,
    )
    if isinstance(facts, BaseException):
        raise facts
    if facts.factory is not None:
        return facts, NOT_INSTALLED, ZERO_ADDRESS
    if isinstance(views, BaseException):
        raise views
    validation, signer = views
    if not validation:  # the account was deployed after this read, and before that of its code
        validation, signer = await _call_views(chain, account, entity_id)
    return facts, decode_validation_data(validation), decode_address(signer)


async def _call_views(chain: ChainPorts, account: Address, entity_id: int) -> tuple[bytes, bytes]:
    """Return the return data of the account's `getValidationData` and of the module's `signers`."""
    return await asyncio.gather(
        chain.node.call(account, encode_get_validation_data(entity_id)),
        chain.node.call(SINGLE_SIGNER_MODULE, encode_signers(entity_id, account)),
    )
