"""Reservation of entity ids for new sessions."""

from __future__ import annotations

import asyncio

from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY, NonceKey
from wallet_rpc.domain.records import Account, AccountKind
from wallet_rpc.domain.views import decode_validation_data, encode_get_validation_data
from wallet_rpc.errors import ExecutionReverted, LimitExceeded, UnreadableAnswer
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.storage import ENTITY_RANGE_SIZE
from wallet_rpc.primitives import Address, EntityId
from wallet_rpc.services.account_facts import build_not_an_account_error, build_not_delegated_error, is_confirmed

FIRST_RANDOM_START, LAST_RANDOM_START = 1 << 16, 1 << 29
"""Bounds of the random start of entity ids within an id range, for accounts with code."""


async def reserve_free_entity(
    ports: Ports, chain: ChainPorts, account: Address, *, is_global: bool
) -> tuple[EntityId, int]:
    """Reserve an entity id that was never used, here or elsewhere; return it with the nonce of its installation.

    Modules keep the allowances of an uninstalled session and would apply them to the next session with the same entity
    id. The chain does not reveal every used id, because a grant may have been installed under any parallel nonce key.
    So ids of an account with code start at random, far from other servers' ids, which count up from 1. An undeployed
    account has nothing installed and has used no nonce.

    Raises: InvalidParams (account_not_delegated) for an externally owned account that runs no supported implementation.
    An address without code, record or transactions counts as an undeployed contract.
    """
    code, record, entity_id = await asyncio.gather(
        chain.node.code(account),
        ports.store.accounts.find_by_address(account),
        _reserve(ports, chain, account, FIRST_SESSION_ENTITY),
    )
    delegate = delegate_of(code)
    is_delegated_elsewhere = delegate is not None and delegate not in DELEGATES
    if is_delegated_elsewhere or (not code and await _is_external(ports, chain, account, record)):
        raise build_not_delegated_error(chain, account, "params.account")
    if code and entity_id % ENTITY_RANGE_SIZE < FIRST_RANDOM_START:
        entity_id = await _reserve(ports, chain, account, _pick_random_start(ports, entity_id))
    while True:
        key = NonceKey(entity_id=entity_id, is_global=is_global, is_deferred=True)
        if not code:
            return entity_id, key.nonce(0)
        try:
            validation, nonce = await asyncio.gather(
                chain.node.call(account, encode_get_validation_data(entity_id)),
                chain.node.user_operation_nonce(account, key.key),
            )
            is_installed = decode_validation_data(validation).is_installed
        except (ExecutionReverted, UnreadableAnswer):
            raise build_not_an_account_error(account, "params.account") from None
        if not is_installed and nonce == key.nonce(0):
            return entity_id, nonce
        entity_id = await _reserve(ports, chain, account, EntityId(entity_id + 1))


async def _is_external(ports: Ports, chain: ChainPorts, account: Address, record: Account | None) -> bool:
    """Return True when an address without code is an externally owned account, by its record or its transactions.

    Such an account may have had sessions while it was delegated, and its state outlives the delegation. An undeployed
    contract has sent no transaction. A record that any caller could have created is not trusted: its address may be
    another signer's undeployed contract.
    """
    if record is not None and record.kind is AccountKind.SEMI_MODULAR:
        return False
    if record is not None and await is_confirmed(ports, record):
        return True
    return await chain.node.transaction_count(account) > 0


def _pick_random_start(ports: Ports, entity_id: EntityId) -> EntityId:
    """Return a random id in the id range of `entity_id` that leaves at least half a billion ids after it."""
    range_start = entity_id - entity_id % ENTITY_RANGE_SIZE
    number = int.from_bytes(ports.entropy.random_bytes(8), "big")
    return EntityId(range_start + FIRST_RANDOM_START + number % (LAST_RANDOM_START - FIRST_RANDOM_START))


async def _reserve(ports: Ports, chain: ChainPorts, account: Address, at_least: EntityId) -> EntityId:
    """Reserve the next id of the range open to all callers, or of the trusted callers' range when that is used up."""
    sessions = ports.store.sessions
    try:
        return await sessions.reserve_entity(account, chain.chain_id, at_least=at_least, trusted=False)
    except LimitExceeded:
        if not await sessions.is_trusted(account, chain.chain_id, ports.caller.holder):
            raise
        return await sessions.reserve_entity(account, chain.chain_id, at_least=at_least, trusted=True)
