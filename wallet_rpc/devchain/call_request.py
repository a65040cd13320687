"""JSON parameters of a call and of state overrides, and their conversion to the chain's own types."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import Field

from wallet_rpc.devchain.admission import BLOB_TYPE, check_authorizations, check_init_code, unsupported_type
from wallet_rpc.devchain.chain import Blockchain
from wallet_rpc.devchain.evm import MessageCall
from wallet_rpc.devchain.execution import NO_BLOCK_OVERRIDE, BlockOverride, Override
from wallet_rpc.devchain.node_errors import NodeRejection
from wallet_rpc.domain.authorization import SignedAuthorization
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ZERO_ADDRESS, Address, BlockNumber, Data, Hash32, TransactionCount, Uint256, Wei
from wallet_rpc.wire import shape, strict_shape

_T = TypeVar("_T")


@shape
class AccessItem:
    """An account, and storage slots of it, that are warm from the start (EIP-2930)."""

    address: Address
    storage_keys: tuple[Hash32, ...]


@shape
class AuthorizationItem:
    """A signed EIP-7702 authorization; it is skipped if its nonce or chain id does not match, as in a transaction."""

    chain_id: Uint256
    address: Address
    nonce: TransactionCount
    r: Uint256
    s: Uint256
    y_parity: Uint256

    def to_domain(self) -> SignedAuthorization:
        """Convert to the domain's authorization. Raises: InvalidParams when yParity is neither 0 nor 1."""
        if self.y_parity > 1:
            text = f"expected a yParity of 0x0 or 0x1, got {self.y_parity:#x}"
            raise InvalidParams(text, field="params.transaction.authorizationList")
        return SignedAuthorization(
            chain_id=self.chain_id,
            address=self.address,
            nonce=self.nonce,
            r=self.r,
            s=self.s,
            y_parity=self.y_parity,
        )


@shape
class CallRequest:
    """A call, or an unsigned transaction. `input` and `data` are synonyms; both may be given when they are equal."""

    type: Uint256 | None = None
    chain_id: Uint256 | None = None
    sender: Annotated[Address | None, Field(alias="from")] = None
    to: Address | None = None
    gas: Uint256 | None = None
    gas_price: Wei | None = None
    max_fee_per_gas: Wei | None = None
    max_priority_fee_per_gas: Wei | None = None
    value: Wei | None = None
    data: Data | None = None
    input: Data | None = None
    nonce: TransactionCount | None = None
    access_list: tuple[AccessItem, ...] | None = None
    authorization_list: tuple[AuthorizationItem, ...] | None = None
    max_fee_per_blob_gas: Any = None
    blob_versioned_hashes: Any = None
    blobs: Any = None
    sidecars: Any = None

    @property
    def call_data(self) -> bytes:
        """The call data. Raises: InvalidParams when `data` and `input` differ."""
        if self.data is not None and self.input is not None and self.data != self.input:
            raise InvalidParams('"data" and "input" are both set and differ', field="params.transaction")
        if self.input is not None:
            return self.input
        return b"" if self.data is None else self.data

    @property
    def fee(self) -> int | None:
        """The maximum price in wei per gas; None when the request has none, or zero."""
        fee = self.gas_price if self.max_fee_per_gas is None else self.max_fee_per_gas
        return fee if fee else None

    @property
    def access_entries(self) -> list[tuple[bytes, list[int]]] | None:
        """The access list, as (account, slots) pairs."""
        if self.access_list is None:
            return None
        return [
            (bytes(item.address), [int.from_bytes(slot) for slot in item.storage_keys]) for item in self.access_list
        ]

    def check_call(self) -> None:
        """Check the fees of a call. Raises: NodeRejection for a tip without a fee, allowed only in a transaction."""
        if self.gas_price is None and self.max_fee_per_gas is None and self.max_priority_fee_per_gas:
            raise _tip_too_high_error(self.max_priority_fee_per_gas, 0)

    def check(self, chain_id: int) -> None:
        """Check that the request can be a transaction of this chain.

        Raises: NodeRejection for a wrong chain id, blobs, an invalid authorization list, too much init code or a tip
        above the fee; InvalidParams when `data` and `input` differ.
        """
        if self.chain_id is not None and self.chain_id != chain_id:
            text = f"invalid chain id for signer: have {self.chain_id} want {chain_id}"
            raise NodeRejection(text, reason="wrong_chain")
        blobs = (self.max_fee_per_blob_gas, self.blob_versioned_hashes, self.blobs, self.sidecars)
        if self.type == BLOB_TYPE or any(part is not None for part in blobs):
            raise unsupported_type(BLOB_TYPE)
        check_authorizations(self.to, None if self.authorization_list is None else len(self.authorization_list))
        check_init_code(self.to, self.call_data)
        tip = self.max_priority_fee_per_gas or 0
        if self.max_fee_per_gas is not None and tip > self.max_fee_per_gas:
            raise _tip_too_high_error(tip, self.max_fee_per_gas)


def _tip_too_high_error(tip: int, fee: int) -> NodeRejection:
    text = f"maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    return NodeRejection(f"max priority fee per gas higher than max fee per gas: {text}", reason="fee_too_low")


@strict_shape
class AccountOverride:
    """Changes to an account for one call; `state` replaces all of its storage, `stateDiff` some slots."""

    balance: Wei | None = None
    nonce: TransactionCount | None = None
    code: Data | None = None
    state: dict[Hash32, Hash32] | None = None
    state_diff: dict[Hash32, Hash32] | None = None

    def to_domain(self) -> Override:
        """Convert to the chain's override. Raises: InvalidParams when both `state` and `stateDiff` are given."""
        if self.state is not None and self.state_diff is not None:
            raise InvalidParams("expected state or stateDiff, got both", field="params.overrides")
        return Override(
            balance=self.balance,
            nonce=self.nonce,
            code=self.code,
            state=None if self.state is None else _words(self.state),
            state_diff=_words(self.state_diff or {}),
        )


@strict_shape
class BlockOverrides:
    """Changes to the block for one call; each field has geth's name and the name in a block object."""

    number: BlockNumber | None = None
    time: BlockNumber | None = None
    timestamp: BlockNumber | None = None
    gas_limit: BlockNumber | None = None
    base_fee: Wei | None = None
    base_fee_per_gas: Wei | None = None
    fee_recipient: Address | None = None
    coinbase: Address | None = None
    prev_randao: Hash32 | None = None
    random: Hash32 | None = None
    difficulty: Uint256 | None = None
    """Ignored: without effect since the merge."""

    def to_domain(self) -> BlockOverride:
        """Convert to the chain's override."""
        return BlockOverride(
            number=self.number,
            timestamp=_first(self.time, self.timestamp),
            gas_limit=self.gas_limit,
            base_fee=_first(self.base_fee, self.base_fee_per_gas),
            coinbase=_first(self.fee_recipient, self.coinbase),
            prev_randao=_first(self.prev_randao, self.random),
        )


def _first(one: _T | None, other: _T | None) -> _T | None:
    return other if one is None else one


Overrides = dict[Address, AccountOverride]


def overrides_of(given: Overrides | None) -> dict[bytes, Override]:
    """Convert state overrides to the chain's own, by account."""
    return {bytes(address): override.to_domain() for address, override in (given or {}).items()}


def call_of(
    chain: Blockchain, request: CallRequest, *, gas: int | None = None, block: BlockOverride = NO_BLOCK_OVERRIDE
) -> MessageCall:
    """Build the call to run, with `gas`, the request's gas or a whole block's."""
    limit = chain.gas_limit if block.gas_limit is None else block.gas_limit
    base_fee = chain.base_fee if block.base_fee is None else block.base_fee
    requested = request.gas if gas is None else gas
    return MessageCall(
        sender=ZERO_ADDRESS if request.sender is None else request.sender,
        to=request.to,
        data=request.call_data,
        value=0 if request.value is None else request.value,
        gas=limit if requested is None else min(requested, limit),
        gas_price=_price(request, base_fee),
        access_list=request.access_entries or (),
        authorizations=[one.to_domain() for one in request.authorization_list or ()],
    )


def _price(request: CallRequest, base_fee: int) -> int:
    """Return the price, in wei per gas, that a transaction with these fees would pay; zero without fees.

    A fee without a tip is paid in full, as in anvil.
    """
    fee, tip = request.fee or 0, request.max_priority_fee_per_gas
    if request.max_fee_per_gas is None or tip is None:
        return fee
    return min(fee, base_fee + tip)


def _words(storage: dict[Hash32, Hash32]) -> dict[int, int]:
    return {int.from_bytes(slot): int.from_bytes(word) for slot, word in storage.items()}
