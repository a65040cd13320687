"""The world as operations see it: chains, bundlers, paymasters, memory, time and chance.

Each port is a few methods. Every call behind them has a deadline; a part that does not answer raises `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wallet_rpc.domain.access import Caller, Claims, Rules
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.quote import QuotedSwap, Swap, SwapOutcome
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.ports.storage import OrganizationStore
from wallet_rpc.primitives import Address, ChainId, Data, Hash32, UnixSeconds, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """What the next block asks, in wei for one unit of gas."""

    base_fee_per_gas: int
    max_priority_fee_per_gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GasEstimate:
    """Gas limits that let a user operation land (ERC-7769); paymaster limits are None where there is no paymaster."""

    pre_verification_gas: int
    verification_gas_limit: int
    call_gas_limit: int
    paymaster_verification_gas_limit: int | None = None
    paymaster_post_op_gas_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log entry of a receipt."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReceipt:
    """How a user operation ended on chain (ERC-7769 `eth_getUserOperationReceipt`)."""

    success: bool
    revert_reason: bytes
    """Raw revert data of the execution; empty when it succeeded or reverted with none."""
    logs: tuple[Log, ...]
    """The operation's own logs only."""
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOperation:
    """A user operation that the bundler knows (ERC-7769 `eth_getUserOperationByHash`)."""

    operation: UserOperation
    transaction_hash: Hash32 | None
    block_number: int | None


class Node(Protocol):
    """A node's reads. Results are of the latest block."""

    async def code(self, address: Address) -> bytes:
        """The code at `address`; empty where there is none."""

    async def balance(self, address: Address) -> int:
        """In wei."""

    async def storage(self, address: Address, slot: Word) -> bytes:
        """The word in a slot of a contract's storage, 32 bytes."""

    async def transaction_count(self, address: Address) -> int:
        """The account's own nonce, as transactions and EIP-7702 authorizations use it."""

    async def call(self, to: Address, data: bytes) -> bytes:
        """What a contract answers. Raises: ExecutionReverted with the raw revert data as fact `revert`."""

    async def user_operation_nonce(self, account: Address, key: int) -> int:
        """EntryPoint v0.7 `getNonce(account, key)`: the full 256-bit nonce."""

    async def fees(self) -> Fees:
        """What to pay now."""

    async def block_number(self) -> int:
        """Of the latest block."""


class Bundler(Protocol):
    """Takes user operations to the chain (ERC-7769). Refusals raise the `WalletError` of their code."""

    async def estimate(
        self, operation: UserOperation, overrides: Mapping[Address, Mapping[str, Any]] | None = None
    ) -> GasEstimate:
        """Gas limits for `operation`, whose signature may be a dummy of the right shape."""

    async def send(self, operation: UserOperation) -> Hash32:
        """Hand over; the answer is the user operation hash. Never repeated by the adapter."""

    async def receipt(self, operation_hash: Hash32) -> OperationReceipt | None:
        """None until the operation is in a block."""

    async def lookup(self, operation_hash: Hash32) -> PendingOperation | None:
        """None when the bundler does not know the operation (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sponsorship:
    """A paymaster's part of an operation (ERC-7677); limits are None where the estimate should give them."""

    paymaster: Address
    data: bytes
    verification_gas_limit: int | None = None
    post_op_gas_limit: int | None = None
    is_final: bool = False
    """True: a stub that needs no second call."""
    token: Erc20PaymentTerms | None = None
    """What the paymaster takes of the account, where it was asked to be paid in a token."""


class Paymaster(Protocol):
    """Pays for operations (ERC-7677)."""

    async def stub(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """A sponsorship of the right size for estimation."""

    async def sponsor(self, operation: UserOperation, context: Mapping[str, Any]) -> Sponsorship:
        """The real one, over the operation's final gas limits. Raises: PaymasterRefused, InvalidParams."""

    async def report_sent(self, operation: UserOperation, operation_hash: Hash32) -> None:
        """Told when an operation that names a paymaster was handed over. Raises: Unavailable, which changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionReceipt:
    """How a transaction ended on chain."""

    success: bool
    logs: tuple[Log, ...]
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: int
    gas_used: int


class Relayer(Protocol):
    """Pays for transactions that carry an authorization and nothing else: an account without code of ours cannot."""

    async def send(self, authorization: SignedAuthorization) -> Hash32:
        """Hand over a type 4 transaction; its hash. Raises: Unavailable; OutcomeUnknown when it may have been taken."""

    async def receipt(self, transaction_hash: Hash32) -> TransactionReceipt | None:
        """None until the transaction is in a block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPorts:
    """All that is behind one chain id."""

    chain_id: ChainId
    node: Node
    bundler: Bundler
    paymaster: Paymaster | None
    confirmations: int = 1
    """How many blocks make a call final, its own included."""
    relayer: Relayer | None = None


class Quotes(Protocol):
    """Prices swaps, and knows how they end."""

    async def quote(self, swap: Swap) -> QuotedSwap:
        """The calls that make the swap at a price. Raises: InvalidParams, Rejected (no_quote), Unavailable."""

    async def outcome(self, call_id: Data) -> SwapOutcome:
        """How a swap stands. Raises: UnknownBundle, Unavailable."""


class Clock(Protocol):
    """The time."""

    def now(self) -> UnixSeconds:
        """Seconds since 1970-01-01 UTC."""

    async def sleep(self, seconds: float) -> None:
        """Let others work for so long."""


class Entropy(Protocol):
    """Chance that nobody can guess."""

    def random_bytes(self, size: int) -> bytes:
        """`size` random bytes."""


class TokenSigner(Protocol):
    """Makes and reads what only this server can have made: session tokens and submission tickets."""

    def sign_token(self, claims: Claims) -> str:
        """The session token that says so."""

    def verify_token(self, token: str, *, now: UnixSeconds) -> Claims:
        """What a token says. Raises: Unauthorized when it is not one of ours, or its time is over."""

    def sign_ticket(self, ticket: Ticket) -> str:
        """The submission ticket that says so."""

    def read_ticket(self, text: str) -> Ticket:
        """What a ticket says, also when its time is over. Raises: Forbidden when it is not one of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything an operation may touch, for one caller: made anew for every request."""

    chains: Mapping[ChainId, ChainPorts]
    store: OrganizationStore
    """The memory of the caller's organisation."""
    clock: Clock
    entropy: Entropy
    caller: Caller
    quotes: Quotes | None = None
    token_signer: TokenSigner | None = None
    """None: this server gives no session tokens."""
    rules: Rules = field(default_factory=Rules)
