"""Steps about accounts that several operations share: which chain, which owner, what deploys it."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.domain.authorization import delegate_of
from wallet_rpc.domain.user_operation import Factory
from wallet_rpc.domain.views import owner_question, read_address
from wallet_rpc.errors import ExecutionReverted, InvalidParams, UnsupportedChain
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """An account as it stands on one chain."""

    address: Address
    owner: Address
    factory: Factory | None
    """What deploys it; None once it has code."""


def chain_of(ports: Ports, chain_id: ChainId) -> ChainPorts:
    """The configured chain. Raises: UnsupportedChain that lists the configured ones."""
    chain = ports.chains.get(chain_id)
    if chain is None:
        known = ", ".join(hex(known) for known in ports.chains)
        raise UnsupportedChain(f"params.chainId: no chain {chain_id:#x} here; configured: {known}")
    return chain


async def account_facts(ports: Ports, chain: ChainPorts, address: Address, *, at: str) -> AccountFacts:
    """The owner as the chain knows it, or, before deployment, as `wallet_requestAccount` recorded it.

    Raises: InvalidParams (unknown_account) for an account that is neither on the chain nor recorded; at `at`.
    """
    code = await chain.chain.code(address)
    if not code:
        return await _counterfactual(ports, chain, address, at=at)
    if delegate_of(code) is not None:
        raise _no_delegation(chain, at)
    try:
        owner = read_address(await chain.chain.call(address, owner_question()))
    except ExecutionReverted:
        raise InvalidParams(
            f"{at}: {address} is a contract, but not a semi-modular account", field=at, reason="not_an_account"
        ) from None
    return AccountFacts(address=address, owner=owner, factory=None)


async def _counterfactual(ports: Ports, chain: ChainPorts, address: Address, *, at: str) -> AccountFacts:
    record = await ports.store.accounts.at(address)
    if record is None:
        raise InvalidParams(
            f"{at}: {address} has no code on chain {chain.chain_id:#x} and was not made by wallet_requestAccount; "
            "call wallet_requestAccount first",
            field=at,
            reason="unknown_account",
        )
    deployment = semi_modular_deployment(record.signer, record.salt)
    return AccountFacts(address=address, owner=record.signer, factory=deployment.factory)


def _no_delegation(chain: ChainPorts, at: str) -> InvalidParams:
    return InvalidParams(
        f"EIP-7702 is not enabled on chain {chain.chain_id:#x}. You must call wallet_requestAccount to create a smart "
        "contract account address to use on this network.",
        field=at,
        reason="delegation_not_enabled",
    )
