"""A call as clients write it, and state overrides: from JSON to what the chain runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_rpc.devchain.chain import Chain
from wallet_rpc.devchain.evm import Call
from wallet_rpc.devchain.runs import Override
from wallet_rpc.domain.user_operation_json import AuthorizationJson
from wallet_rpc.errors import InvalidParams
from wallet_rpc.primitives import ZERO_ADDRESS, Address, Data, Hash32, TransactionCount, Uint256, Wei
from wallet_rpc.wire import shape


@shape
class AccessItem:
    """An account and words of it that are warm from the start (EIP-2930)."""

    address: Address
    storage_keys: tuple[Hash32, ...]


@shape
class CallRequest:
    """A call, or an unsigned transaction. `input` and `data` are the same; both may stand there when they are equal."""

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
    authorization_list: tuple[AuthorizationJson, ...] | None = None

    @property
    def call_data(self) -> bytes:
        """The call data. Raises: InvalidParams when `data` and `input` differ."""
        if self.data is not None and self.input is not None and self.data != self.input:
            raise InvalidParams('call: "data" and "input" are both set and differ', field="params.transaction")
        if self.input is not None:
            return self.input
        return b"" if self.data is None else self.data

    @property
    def fee(self) -> int | None:
        """The most that is paid, in wei per gas, when the request says so."""
        fee = self.gas_price if self.max_fee_per_gas is None else self.max_fee_per_gas
        return fee if fee else None


@shape
class AccountOverride:
    """What an account is made to look like for one call; `state` is all of its storage, `stateDiff` some words."""

    balance: Wei | None = None
    nonce: TransactionCount | None = None
    code: Data | None = None
    state: dict[Hash32, Hash32] | None = None
    state_diff: dict[Hash32, Hash32] | None = None

    def to_domain(self) -> Override:
        """The override. Raises: InvalidParams when both kinds of storage are given."""
        if self.state is not None and self.state_diff is not None:
            raise InvalidParams("override: expected state or stateDiff, got both", field="params.overrides")
        return Override(
            balance=self.balance,
            nonce=self.nonce,
            code=self.code,
            state=None if self.state is None else _words(self.state),
            state_diff=_words(self.state_diff or {}),
        )


Overrides = dict[Address, AccountOverride]


def overrides_of(given: Overrides | None) -> dict[bytes, Override]:
    """The overrides by account."""
    return {bytes(address): override.to_domain() for address, override in (given or {}).items()}


def call_of(chain: Chain, request: CallRequest, *, gas: int | None = None) -> Call:
    """The call to run, with the request's gas or all of a block's."""
    limit = chain.config.gas_limit
    wanted = request.gas if gas is None else gas
    authorizations = request.authorization_list or ()
    return Call(
        sender=ZERO_ADDRESS if request.sender is None else request.sender,
        to=request.to,
        data=request.call_data,
        value=0 if request.value is None else request.value,
        gas=limit if wanted is None else min(wanted, limit),
        gas_price=request.fee or 0,
        access_list=[
            (bytes(item.address), [int.from_bytes(slot) for slot in item.storage_keys])
            for item in request.access_list or ()
        ],
        delegations=delegations(chain, request.sender, authorizations),
        authorizations=len(authorizations),
    )


def delegations(
    chain: Chain, sender: Address | None, authorizations: tuple[AuthorizationJson, ...]
) -> dict[bytes, bytes]:
    """Which accounts run whose code by these authorizations; those that a chain would skip are left out.

    The sender's own authorization names the nonce after the transaction's.
    """
    taken: dict[bytes, bytes] = {}
    for authorization in authorizations:
        signed = authorization.to_domain()
        authority = signed.authority
        if authority is None or signed.chain_id not in (0, chain.config.chain_id):
            continue
        if signed.nonce == chain.nonce(authority) + (1 if authority == sender else 0):
            taken[bytes(authority)] = bytes(signed.address)
    return taken


def _words(storage: dict[Hash32, Hash32]) -> dict[int, int]:
    return {int.from_bytes(slot): int.from_bytes(word) for slot, word in storage.items()}
