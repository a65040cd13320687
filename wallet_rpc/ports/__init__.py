"""Ports of the operations: bundler, paymaster, relayer, quote provider, clock, entropy and token signer.

Every call has a deadline. An upstream that does not respond raises `Unavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wallet_rpc.domain.access import Caller, Claims, Rules
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.quote import QuotedSwap, Swap, SwapOutcome
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.ports.events import Subscriber
from wallet_rpc.ports.faults import FaultControls
from wallet_rpc.ports.node import NO_LOGS as NO_LOGS
from wallet_rpc.ports.node import BlockHead as BlockHead
from wallet_rpc.ports.node import Fees as Fees
from wallet_rpc.ports.node import Log as Log
from wallet_rpc.ports.node import Node as Node
from wallet_rpc.ports.node import NonceUse as NonceUse
from wallet_rpc.ports.node import OperationReceipt as OperationReceipt
from wallet_rpc.ports.storage import OrganizationStore
from wallet_rpc.primitives import Address, ChainId, Data, Hash32, UnixSeconds

LOOK_SECONDS = 2
"""Maximum time between two looks if a time has come on a chain with a clock of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOperation:
    """A user operation in the bundler's mempool or in a block (ERC-7769 `eth_getUserOperationByHash`)."""

    operation: UserOperation
    transaction_hash: Hash32 | None
    block_number: int | None


class Delivery(Protocol):
    """A way to get a signed user operation into a block: a bundler."""

    async def send(self, operation: UserOperation) -> Hash32:
        """Submit the operation and return its hash. The adapter never retries this call.

        Raises: AlreadyKnown; OutcomeUnknown when it may have been received; Unavailable when not; others when refused.
        """

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        """Return the operation; None when the receiver does not have it, or no longer has it."""


class Bundler(Delivery, Protocol):
    """A bundler (ERC-7769). A rejection raises the `WalletError` of its code."""

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        """Estimate the gas limits of `operation`, whose signature may be a placeholder of the right length."""

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        """Return the receipt; None until the operation is in a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsorship:
    """The paymaster fields of an operation (ERC-7677); a limit is None if the gas estimate determines it."""

    paymaster: Address
    data: bytes
    verification_gas_limit: int | None = None
    post_op_gas_limit: int | None = None
    is_final: bool = False
    """True for a stub that needs no second call."""
    token: Erc20PaymentTerms | None = None
    """The terms of payment if the paymaster charges the account in an ERC-20."""


class Paymaster(Protocol):
    """A paymaster service (ERC-7677)."""

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Return a sponsorship of the right length for gas estimation."""

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """Sponsor the operation with its final gas limits. Raises: PaymasterRejected, InvalidParams."""

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Report the submission of an operation with a paymaster. Raises: Unavailable, which callers may ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReceipt:
    """The receipt of a transaction."""

    success: bool
    logs: tuple[Log, ...]
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: int
    gas_used: int


class Relayer(Protocol):
    """A payer of transactions that carry an authorization without a user operation, as to remove a delegation."""

    async def check(self, authorization: SignedAuthorization) -> None:
        """Check that the relayer would pay for the transaction now. Raises: Rejected; Unavailable."""

    async def send(self, authorization: SignedAuthorization) -> Hash32:
        """Submit a type 4 transaction and return its hash.

        Raises: Rejected when the relayer cannot pay now; Unavailable; OutcomeUnknown when the outcome is open.
        """

    async def receipt(self, transaction_hash: Hash32) -> TransactionReceipt | None:
        """Return the receipt; None until the transaction is in a block."""

    async def has_transaction(self, transaction_hash: Hash32) -> bool:
        """Return True if the node has the transaction, in a block or pending. Raises: Unavailable."""


class Clock(Protocol):
    """A clock."""

    def now(self) -> UnixSeconds:
        """Return the seconds since 1970-01-01 UTC."""


class ChainClock(Clock, Protocol):
    """The clock of a chain whose time is its own: it may stop, jump and go back."""

    @property
    def moves(self) -> int:
        """The number of times that the clock was moved, or more: it changes with each move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPorts:
    """The ports of one chain."""

    chain_id: ChainId
    node: Node
    bundler: Bundler
    paymaster: Paymaster | None
    confirmations: int = 1
    """The number of blocks that make a call final, including the block of the call."""
    relayer: Relayer | None = None
    verifying_paymaster: Address | None = None
    """The chain's `VerifyingPaymaster`, whose sponsorships say until when they are valid."""
    single_bundlers: tuple[Delivery, ...] = ()
    """The bundlers one by one, in order of preference, where there are several; `bundler` fails over between them."""
    clock: ChainClock | None = None
    """The clock of a chain whose time is its own; None if the chain goes by the server's clock."""

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """All ways to deliver an operation, in order of preference."""
        return self.single_bundlers or (self.bundler,)


class Quotes(Protocol):
    """A quote provider for swaps."""

    async def quote(self, swap: Swap) -> QuotedSwap:
        """Return the price of a swap and its calls. Raises: InvalidParams, Rejected (no_quote), Unavailable."""

    async def outcome(self, call_id: Data) -> SwapOutcome:
        """Return the status of a swap. Raises: UnknownBundle, Unavailable."""


class Entropy(Protocol):
    """A source of cryptographically secure random bytes."""

    def random_bytes(self, size: int) -> bytes:
        """Return `size` random bytes."""


@dataclass(frozen=True, slots=True)
class RandomSources:
    """The random bytes of each request, of request ids, and of the server's work in the background."""

    for_request: Callable[[], Entropy]
    request_ids: Entropy
    background: Entropy


class TokenSigner(Protocol):
    """A signer and verifier of session tokens and submission tickets."""

    def sign_token(self, claims: Claims) -> str:
        """Sign a session token with these claims."""

    def verify_token(self, token: str, *, now: UnixSeconds) -> Claims:
        """Verify a session token and return its claims. Raises: Unauthorized when it is invalid or expired."""

    def sign_ticket(self, ticket: Ticket) -> str:
        """Sign a submission ticket."""

    def read_ticket(self, text: str) -> Ticket:
        """Verify the signature of a submission ticket, which may be expired. Raises: Forbidden when it is invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The context of an operation for one caller; a new one is built for every request."""

    chains: Mapping[ChainId, ChainPorts]
    store: OrganizationStore
    """The storage of the caller's organisation."""
    clock: Clock
    entropy: Entropy
    caller: Caller
    request_id: str | None = None
    """The id of the caller's request in the log."""
    quotes: Quotes | None = None
    token_signer: TokenSigner | None = None
    """None if this server issues no session tokens."""
    subscriber: Subscriber | None = None
    rules: Rules = field(default_factory=Rules)
    faults: FaultControls | None = None
    """The faults that a test asks for; None but for a development server."""
    background: set[asyncio.Task[Any]] = field(default_factory=set)
    """Running tasks that outlive their request; the server waits for them before it ends."""

    def now_on(self, chain_id: ChainId) -> UnixSeconds:
        """Return the time on a chain, by which its sessions and deadlines end; the server's time by default."""
        chain = self.chains.get(chain_id)
        return (self.clock if chain is None or chain.clock is None else chain.clock).now()

    def look_at(self, chain_id: ChainId, end: UnixSeconds) -> UnixSeconds:
        """Return the server's time at which to look if a time has come on a chain, whose clock may move by then."""
        chain, left = self.chains.get(chain_id), max(end - self.now_on(chain_id), 1)
        return self.clock.now() + (left if chain is None or chain.clock is None else min(left, LOOK_SECONDS))
