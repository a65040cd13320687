"""Entity ids of new sessions, and the checks of their accounts that come before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.records import AccountKind
from wallet_rpc.domain.session_record import EntityChoice, UnsignedSession
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.views import decode_validation_data, encode_get_validation_data
from wallet_rpc.errors import ExecutionReverted, UnreadableAnswer
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.storage import RESERVED_IDS
from wallet_rpc.primitives import Address, EntityId
from wallet_rpc.services.account_facts import build_not_an_account_error, build_not_delegated_error, is_confirmed
from wallet_rpc.services.installation_trial import NO_OUTCOME, TrialOutcome, try_on_account
from wallet_rpc.services.unsigned_sessions import write_unsigned

LAST_RANDOM_START = 1 << 29
"""Bound of the random start of entity ids within an id range, for accounts with code; `RESERVED_IDS` is the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeEntity:
    """The installation of a new session under its entity id, and the installation's nonce."""

    install: ValidationInstall
    nonce: int
    trial: TrialOutcome
    """The outcome of the trial of the grant on the account; not known for an account without code."""


async def check_session_account(ports: Ports, chain: ChainPorts, account: Address, *, code: bytes, sent: int) -> None:
    """Check that an account with this code and this number of sent transactions can have sessions.

    An address without code, record or transactions counts as an undeployed contract.
    Raises: InvalidParams (account_not_delegated) for an externally owned account that runs no supported implementation.
    """
    delegate = delegate_of(code)
    is_delegated_elsewhere = delegate is not None and delegate not in DELEGATES
    if is_delegated_elsewhere or (not code and await _is_external(ports, account, sent)):
        raise build_not_delegated_error(chain, account, "params.account")


async def write_with_free_entity(
    ports: Ports,
    chain: ChainPorts,
    session: UnsignedSession,
    *,
    has_code: bool,
    compile_install: Callable[[EntityId], ValidationInstall],
) -> FreeEntity:
    """Write a session with an entity id that was never used, here or elsewhere, and try its grant on the account.

    Modules keep the allowances of an uninstalled session and would apply them to the next session with the same entity
    id. The chain does not reveal every used id, because a grant may have been installed under any parallel nonce key.
    So ids of an account with code start at random, far from other servers' ids, which count up from 1. An undeployed
    account has nothing installed and has used no nonce.

    Raises: InvalidParams (not_an_account) for another contract, and LimitExceeded.
    """
    account = session.account
    choice = EntityChoice(random_start=_pick_random_start(ports) if has_code else None)
    while True:
        entity_id = await write_unsigned(ports, session, choice)
        install = compile_install(entity_id)
        key = NonceKey(entity_id=entity_id, is_global=install.is_global, is_deferred=True)
        if not has_code:
            return FreeEntity(install=install, nonce=key.nonce(0), trial=NO_OUTCOME)
        try:
            validation, nonce, trial = await asyncio.gather(
                chain.node.call(account, encode_get_validation_data(entity_id)),
                chain.node.user_operation_nonce(account, key.key),
                try_on_account(chain, account, install),
            )
            is_installed = decode_validation_data(validation).is_installed
        except (ExecutionReverted, UnreadableAnswer):
            raise build_not_an_account_error(account, "params.account") from None
        if not is_installed and nonce == key.nonce(0):
            return FreeEntity(install=install, nonce=nonce, trial=trial)
        choice = replace(choice, at_least=EntityId(entity_id + 1))


async def _is_external(ports: Ports, account: Address, sent: int) -> bool:
    """Return True when an address without code is an externally owned account, by its record or `sent` transactions.

    Such an account may have had sessions while it was delegated, and its state outlives the delegation. An undeployed
    contract has sent no transaction. A record that any caller could have created is not trusted: its address may be
    another signer's undeployed contract.
    """
    record = await ports.store.accounts.find_by_address(account)
    if record is not None and record.kind is AccountKind.SEMI_MODULAR:
        return False
    if record is not None and await is_confirmed(ports, record):
        return True
    return sent > 0


def _pick_random_start(ports: Ports) -> int:
    """Return a random place in an id range that leaves at least half a billion ids after it."""
    number = int.from_bytes(ports.entropy.random_bytes(8), "big")
    return RESERVED_IDS + number % (LAST_RANDOM_START - RESERVED_IDS)
