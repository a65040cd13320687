"""Reads of the node for the draft of an operation, in one request with those of its account and validation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from wallet_rpc.domain.capabilities import Capabilities, StateOverride
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.domain.funds import deposit_slot
from wallet_rpc.domain.nonce import MAX_PARALLEL_KEY, NonceKey
from wallet_rpc.domain.permit import decode_uint, encode_balance_of
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import ChainPorts
from wallet_rpc.ports.node import Fees
from wallet_rpc.primitives import Address
from wallet_rpc.services.signatures import is_contract

NONCE_KEY = "params.capabilities.nonceOverride.nonceKey"
"""The field with the nonce key of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """Balances of an account on its chain, in wei."""

    balance: int
    deposit: int
    """Its deposit in the entry point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftReads:
    """Answers of the node for the draft of an operation."""

    fees: Fees
    next_nonce: int
    """The next nonce of the validation's operations that install nothing."""
    balances: Balances | None
    """None if they were not needed."""
    signer: Address | None
    """The signer that was expected; None if it was not known yet."""
    is_contract_signer: bool


def read_parallel_key(capabilities: Capabilities) -> int:
    """Return the parallel key of the nonce that the caller chose, 0 by default. Raises: InvalidParams above 2^152."""
    override = capabilities.nonce_override
    parallel_key = 0 if override is None else override.nonce_key
    if parallel_key > MAX_PARALLEL_KEY:
        raise InvalidParams(f"expected a number below 2^152, got {parallel_key:#x}", field=NONCE_KEY)
    return parallel_key


class DraftReader:
    """`ReadAlong` for `resolve_authority`: reads what a draft needs. Its errors come after those of the authority."""

    def __init__(
        self,
        chain: ChainPorts,
        account: Address,
        capabilities: Capabilities,
        *,
        needs_balances: bool,
    ) -> None:
        self._chain = chain
        self._account = account
        self._parallel_key = read_parallel_key(capabilities)
        self._overrides = capabilities.state_override
        self._needs_balances = needs_balances
        self._reads: DraftReads | Exception | None = None

    async def __call__(self, key: NonceKey, signer: Address | None) -> None:
        """Read for a validation with this nonce key, whose signer is expected to be `signer`, if given."""
        try:
            self._reads = await self._read(replace(key, parallel_key=self._parallel_key), signer)
        except Exception as error:  # kept for `reads`, since errors of the authority come first
            self._reads = error

    async def _read(self, key: NonceKey, signer: Address | None) -> DraftReads:
        node = self._chain.node
        fees, nonce, balances, is_contract_signer = await asyncio.gather(
            node.fees(),
            node.user_operation_nonce(self._account, key.key),
            self._read_balances(),
            _is_contract(self._chain, signer),
        )
        return DraftReads(
            fees=fees, next_nonce=nonce, balances=balances, signer=signer, is_contract_signer=is_contract_signer
        )

    async def _read_balances(self) -> Balances | None:
        return await read_balances(self._chain, self._account, self._overrides) if self._needs_balances else None

    @property
    def reads(self) -> DraftReads:
        """The answers of the node. Raises: the error of a read that failed."""
        if isinstance(self._reads, Exception):
            raise self._reads
        if self._reads is None:
            raise RuntimeError("nothing was read along with the authority")
        return self._reads


async def _is_contract(chain: ChainPorts, signer: Address | None) -> bool:
    return signer is not None and await is_contract(chain, signer)


async def read_balances(
    chain: ChainPorts, account: Address, overrides: dict[Address, StateOverride] | None
) -> Balances:
    """Read balance and deposit from the chain, or from the caller's `stateOverride` where that sets them."""
    stated = overrides or {}
    balance, deposit = await asyncio.gather(
        _read_balance(chain, account, stated.get(account)), _read_deposit(chain, account, stated.get(ENTRY_POINT))
    )
    return Balances(balance=balance, deposit=deposit)


async def _read_balance(chain: ChainPorts, account: Address, override: StateOverride | None) -> int:
    if override is not None and override.balance is not None:
        return override.balance
    return await chain.node.balance(account)


async def _read_deposit(chain: ChainPorts, account: Address, override: StateOverride | None) -> int:
    slot = deposit_slot(account)
    if override is not None and override.state is not None:
        return int.from_bytes(override.state.get(slot, b""), "big")
    if override is not None and override.state_diff is not None and slot in override.state_diff:
        return int.from_bytes(override.state_diff[slot], "big")
    return decode_uint(await chain.node.call(ENTRY_POINT, encode_balance_of(account))) or 0
