"""Ports of the operations: node, bundler, paymaster, relayer, quote provider, clock, entropy and token signer.

Every call has a deadline. An upstream that does not respond raises `Unavailable`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wallet_rpc.domain.access import Caller, Claims, Rules
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.domain.gas import GasEstimate
from wallet_rpc.domain.quote import QuotedSwap, Swap, SwapOutcome
from wallet_rpc.domain.ticket import Ticket
from wallet_rpc.domain.token_gas import Erc20PaymentTerms
from wallet_rpc.domain.user_operation import UserOperation
from wallet_rpc.ports.storage import OrganizationStore
from wallet_rpc.primitives import Address, ChainId, Data, Hash32, UnixSeconds, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """Fees for the next block, in wei for one unit of gas."""

    base_fee_per_gas: int
    max_priority_fee_per_gas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log entry of a receipt."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationReceipt:
    """The receipt of an included user operation (ERC-7769 `eth_getUserOperationReceipt`)."""

    success: bool
    revert_reason: bytes
    """Raw revert data of the execution; empty if it succeeded or reverted without data."""
    logs: tuple[Log, ...]
    """The logs of the operation, without those of other operations in its transaction."""
    transaction_hash: Hash32
    block_hash: Hash32
    block_number: int
    gas_used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingOperation:
    """A user operation in the bundler's mempool or in a block (ERC-7769 `eth_getUserOperationByHash`)."""

    operation: UserOperation
    transaction_hash: Hash32 | None
    block_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHead:
    """A block's number, hash and timestamp."""

    number: int
    hash: Hash32
    timestamp: UnixSeconds


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceUse:
    """The operation that used a nonce: its cost in wei, its block, and True if a paymaster paid it."""

    operation_hash: Hash32
    cost: int
    block_number: int
    is_sponsored: bool


NO_LOGS = "node_without_logs"
"""Reason of the error of a node that answers, but does not search its logs."""


class Node(Protocol):
    """Reads from a node, at the latest block or at that of the number `block`."""

    async def code(self, address: Address, *, block: int | None = None) -> bytes:
        """Read the code at `address`; empty without a contract."""

    async def balance(self, address: Address) -> int:
        """Read the balance of `address` in wei."""

    async def storage(self, address: Address, slot: Word) -> bytes:
        """Read the 32-byte word in a slot of a contract's storage."""

    async def transaction_count(self, address: Address) -> int:
        """Read the nonce of `address` for transactions and EIP-7702 authorizations."""

    async def call(self, to: Address, data: bytes) -> bytes:
        """Call a contract and return its data. Raises: ExecutionReverted with the raw revert data as fact `revert`."""

    async def user_operation_nonce(self, account: Address, key: int, *, block: int | None = None) -> int:
        """Read the full 256-bit nonce from EntryPoint v0.7 `getNonce(account, key)`."""

    async def fees(self) -> Fees:
        """Read the current fees."""

    async def block_number(self) -> int:
        """Read the number of the latest block."""

    async def block_head(self, number: int) -> BlockHead | None:
        """Read a block; None when the node does not have it, or not yet."""

    async def find_operation(
        self, operation_hash: Hash32, blocks: range, *, to_latest: bool = False
    ) -> OperationReceipt | None:
        """Find an operation by EntryPoint's event in these blocks, and return its receipt.

        `to_latest` says that the last of the blocks is the node's latest one.
        Raises: Unavailable, with reason `NO_LOGS` from a node that does not search its logs.
        """

    async def read_operation(self, operation_hash: Hash32, *, transaction: Hash32) -> OperationReceipt | None:
        """Return the operation's receipt if `transaction` is in a block and has EntryPoint's event of it."""

    async def find_nonce_use(
        self, account: Address, nonce: int, blocks: range, *, to_latest: bool = False
    ) -> NonceUse | None:
        """Find the operation that used a full 256-bit nonce, in these blocks. Raises: as `find_operation`."""


class Delivery(Protocol):
    """A way to get a signed user operation into a block: a bundler."""

    async def send(self, operation: UserOperation) -> Hash32:
        """Submit the operation and return its hash. The adapter never retries this call.

        Raises: AlreadyKnown; OutcomeUnknown when it may have been received; Unavailable when it was not received;
        another `WalletError` when it was refused.
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


class Clock(Protocol):
    """A clock."""

    def now(self) -> UnixSeconds:
        """Return the seconds since 1970-01-01 UTC."""


class Entropy(Protocol):
    """A source of cryptographically secure random bytes."""

    def random_bytes(self, size: int) -> bytes:
        """Return `size` random bytes."""


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
    rules: Rules = field(default_factory=Rules)
    background: set[asyncio.Task[Any]] = field(default_factory=set)
    """Running tasks that outlive their request; the server waits for them before it ends."""
