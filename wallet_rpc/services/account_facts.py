"""Account lookups that several operations share: chain, owner, code, factory call and account records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from wallet_rpc.domain.access import OPEN_ORGANIZATION
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.contracts import DELEGATES
from wallet_rpc.domain.records import Account, AccountKind
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.domain.views import decode_address, encode_get_fallback_signer_data
from wallet_rpc.errors import ExecutionReverted, InvalidParams, UnreadableAnswer, UnsupportedChain
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.ports.storage import SignerAccounts
from wallet_rpc.primitives import ZERO_ADDRESS, Address, ChainId

_ATTEMPTS = 16
"""Maximum number of attempts to find or create an account while concurrent requests add accounts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """The state of an account on one chain."""

    address: Address
    owner: Address
    factory: Factory | None = None
    """The factory call that deploys the account; None once it has code, and for an externally owned account."""
    is_external: bool = False
    """True for an externally owned account: it has no code, or a delegation (EIP-7702)."""
    delegate: Address | None = None
    """The implementation that an externally owned account is delegated to now."""

    @property
    def needs_delegation(self) -> bool:
        """True for an externally owned account that is not delegated to a supported implementation."""
        return self.is_external and self.delegate not in DELEGATES


def chain_of(ports: Ports, chain_id: ChainId, *, at: str = "params.chainId") -> ChainPorts:
    """Return the ports of a configured chain. Raises: UnsupportedChain that lists the configured chains."""
    chain = ports.chains.get(chain_id)
    if chain is None:
        configured = ", ".join(hex(configured_id) for configured_id in ports.chains)
        raise UnsupportedChain(
            f"expected a configured chain, one of {configured}, got {chain_id:#x}",
            field=at,
        )
    return chain


async def read_account_facts(ports: Ports, chain: ChainPorts, address: Address, *, at: str) -> AccountFacts:
    """Read the account with its owner: from the chain, or before deployment from the `wallet_requestAccount` record.

    An address is an externally owned account if it has neither code nor a record, or if its code is a delegation.
    Raises: InvalidParams with field `at`: not_an_account for any other contract, zero_address for the zero address.
    """
    if address == ZERO_ADDRESS:
        raise InvalidParams("expected the address of an account, got the zero address", field=at, reason="zero_address")
    code, owner = await asyncio.gather(chain.node.code(address), _read_owner(chain, address), return_exceptions=True)
    if isinstance(code, BaseException):
        raise code
    if not code:
        return await _read_facts_without_code(ports, address)
    delegate = delegate_of(code)
    if delegate is not None and delegate not in DELEGATES:
        return AccountFacts(address=address, owner=address, is_external=True, delegate=delegate)
    if owner is None:  # the block that deploys the account may fall between the reads; a second read is certain
        owner = await _read_owner(chain, address)
    if isinstance(owner, BaseException):
        raise owner
    if owner is None:
        raise build_not_an_account_error(address, at)
    return AccountFacts(address=address, owner=owner, is_external=delegate is not None, delegate=delegate)


async def _read_owner(chain: ChainPorts, address: Address) -> Address | None:
    """Read the account's owner; None for an address that is no semi-modular account."""
    try:
        return decode_address(await chain.node.call(address, encode_get_fallback_signer_data()))
    except (ExecutionReverted, UnreadableAnswer):
        return None


def build_not_an_account_error(address: Address, at: str) -> InvalidParams:
    """Build the error for a contract that is not a semi-modular account."""
    return InvalidParams(
        f"expected an account, got {address}, which is a contract but not a semi-modular account",
        field=at,
        reason="not_an_account",
    )


async def _read_facts_without_code(ports: Ports, address: Address) -> AccountFacts:
    record = await ports.store.accounts.find_by_address(address)
    if record is None or record.kind is AccountKind.DELEGATED:
        return AccountFacts(address=address, owner=address, is_external=True)
    deployment = semi_modular_deployment(record.signer, record.salt)
    return AccountFacts(address=address, owner=record.signer, factory=deployment.factory)


async def read_delegated_facts(ports: Ports, chain: ChainPorts, address: Address, *, at: str) -> AccountFacts:
    """Call `read_account_facts` for an account that must be able to have sessions.

    Raises: InvalidParams (account_not_delegated) for an externally owned account without a supported implementation.
    """
    facts = await read_account_facts(ports, chain, address, at=at)
    if facts.needs_delegation:
        raise build_not_delegated_error(chain, address, at)
    return facts


def build_not_delegated_error(chain: ChainPorts, address: Address, at: str) -> InvalidParams:
    """Build the error for a session of an externally owned account that is not delegated yet."""
    return InvalidParams(
        f"{address} is an externally owned account that is not delegated to a modular account on chain "
        f"{chain.chain_id:#x} yet; first send a call signed by its owner, which delegates it, or call "
        "wallet_requestAccount if it is meant to be a smart contract account",
        field=at,
        reason="account_not_delegated",
    )


async def find_or_add_account(
    ports: Ports,
    *,
    read: Callable[[], Awaitable[SignerAccounts]],
    choose: Callable[[SignerAccounts], Account | None],
    build: Callable[[SignerAccounts], Account],
) -> Account | None:
    """Return the chosen one of a signer's accounts, or add a new one and return it.

    Return None when concurrent requests added other accounts before each of the attempts.
    """
    for _ in range(_ATTEMPTS):
        accounts = await read()
        recorded = choose(accounts)
        if recorded is not None:
            return recorded
        account = build(accounts)
        if await ports.store.accounts.add(account, after=accounts.count):
            return account
    return None


async def record_delegated_account(ports: Ports, address: Address) -> None:
    """Record a signer's own address as one of its accounts, and confirm that the signer chose it."""
    account = await find_or_add_account(
        ports,
        read=lambda: ports.store.accounts.find_by_signer(address),
        choose=lambda accounts: accounts.delegated,
        build=lambda _: build_delegated_account(ports, address),
    )
    if account is not None:
        await confirm(ports, account)


async def confirm(ports: Ports, account: Account) -> None:
    """Record that the signer, or a caller who acts for the signer, chose the account; see `default_account`."""
    if ports.caller.organization == OPEN_ORGANIZATION:
        await ports.store.accounts.confirm(account)


def default_account(ports: Ports, accounts: SignerAccounts, *, is_contract: bool) -> Account | None:
    """Return the first account that the signer chose, by a signature or through a caller who acts for the signer.

    Every caller of an organisation has an API key or a token. If callers without a credential are accepted, any caller
    can request accounts of any signer. Then only accounts recorded by `confirm` count, and after them
    `accounts.by_salt`.
    """
    if ports.caller.organization != OPEN_ORGANIZATION:
        return accounts.first_contract if is_contract else accounts.first
    chosen = accounts.confirmed_contract if is_contract else accounts.confirmed
    return accounts.by_salt if chosen is None else chosen


async def is_confirmed(ports: Ports, delegated: Account) -> bool:
    """Return True when an externally owned account was recorded by `confirm`, so that its record can be trusted."""
    if ports.caller.organization != OPEN_ORGANIZATION:
        return True
    return (await ports.store.accounts.find_by_signer(delegated.signer)).confirmed_delegated is not None


def build_delegated_account(ports: Ports, signer: Address, *, tag: UUID | None = None) -> Account:
    """Build the record of a signer's own address as an account; `tag` is the id that the caller chose."""
    return Account(kind=AccountKind.DELEGATED, id=new_id(ports) if tag is None else tag, signer=signer, address=signer)


def new_id(ports: Ports) -> UUID:
    """Return a new account id: a random UUID of version 4."""
    return UUID(bytes=ports.entropy.random_bytes(16), version=4)
