"""`wallet_requestAccount`: find or create the smart account of a signer; nothing is sent to the chain.

A request selects an account by `id`, else by the hint's type and salt. Without a hint it is the first account that the
signer chose, or else the `sma-b` account at salt 0. A `7702` account is the signer's own address, delegated; a signer
has at most one.
"""

from __future__ import annotations

from functools import partial
from typing import Literal
from uuid import UUID

from pydantic import UUID4

from wallet_rpc.domain.access import RequiredAccess, Scope
from wallet_rpc.domain.account import semi_modular_deployment
from wallet_rpc.domain.contracts import ACCOUNT_FACTORY, SEMI_MODULAR_ACCOUNT_7702
from wallet_rpc.domain.records import Account, AccountKind
from wallet_rpc.errors import InvalidParams, Unavailable
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.ports.storage import SignerAccounts
from wallet_rpc.primitives import Address, Data, NonZeroAddress, Uint256, preview
from wallet_rpc.services.account_facts import (
    build_delegated_account,
    confirm,
    default_account,
    find_or_add_account,
    new_id,
)
from wallet_rpc.wire import shape, strict_shape


@strict_shape
class CreationHint:
    """Parameters of the account: type (`sma-b`, `7702`) and salt. `createAdditional` requests an additional account."""

    account_type: str | None = None
    """Kind of account: `sma-b`, a semi-modular account contract, or `7702`, the signer's own address, delegated.
    Default: any kind."""
    salt: Uint256 | None = None
    """Number, default 0, from which the factory derives the address of an `sma-b` account."""
    create_additional: Literal[True] | None = None
    """True: add another account at the signer's lowest unused salt, instead of returning an existing one."""
    initial_owners: tuple[Address, ...] | None = None
    """Owners, for account types with several owners; no such type is supported."""

    @property
    def kind(self) -> AccountKind | None:
        """The requested kind; None: any.

        Raises: InvalidParams (account_type_not_supported) for an unsupported type.
        """
        if self.account_type is not None and self.account_type not in set(AccountKind):
            raise InvalidParams(
                f"expected 'sma-b' or '7702', got {preview(self.account_type)}; other account types are not supported",
                field="params.creationHint.accountType",
                reason="account_type_not_supported",
            )
        if self.initial_owners is not None:
            at = "params.creationHint.initialOwners"
            raise InvalidParams(
                "expected none, because the signer is the only owner of an account",
                field=at,
                reason="account_type_not_supported",
            )
        return None if self.account_type is None else AccountKind(self.account_type)


@shape
class RequestAccount:
    """An account request: the signer that owns the account, or the address of an account that was requested earlier."""

    signer_address: NonZeroAddress | None = None
    """Owner of the account: a key's address, or a contract that accepts ERC-1271 signatures. Required without
    `accountAddress`."""
    account_address: NonZeroAddress | None = None
    """Address of an account that was requested here before. Ignored if `signerAddress` is given."""
    id: UUID4 | None = None
    """Version 4 UUID that selects an account of the signer, or becomes the id of the account that is added."""
    creation_hint: CreationHint | None = None
    """Kind and salt of the account to find or to add. Default: the account that the signer requested first."""
    include_counterfactual_info: bool = False
    """True: also return the factory call that deploys an `sma-b` account."""


@shape
class CounterfactualInfo:
    """The factory call that deploys the account: call `factoryAddress` with `factoryData`."""

    factory_type: Literal["MAv2.0.0-sma-b"] = "MAv2.0.0-sma-b"
    """Version and kind of the account that the factory deploys."""
    factory_address: Address = ACCOUNT_FACTORY
    """Contract that deploys the account with CREATE2."""
    factory_data: Data
    """Call data for the factory. Calling it a second time has no effect."""


@shape
class RequestedAccount:
    """The account's address, and the id that distinguishes it from the signer's other accounts.

    A semi-modular account has `counterfactualInfo` if that was requested. A delegated account has `delegation`, the
    implementation to delegate to.
    """

    account_address: Address
    """Address of the account, which has no code before its first user operation."""
    id: UUID
    """UUID that distinguishes the account from other accounts of the same signer."""
    counterfactual_info: CounterfactualInfo | None = None
    """Factory call that deploys the account, if the request includes it."""
    delegation: Address | None = None
    """Implementation that an EIP-7702 account delegates to; absent for an account contract."""


async def run(ports: Ports, request: RequestAccount) -> RequestedAccount:
    """Find the account, or derive and record it; idempotent, also for concurrent requests."""
    account = await _find(ports, request)
    if account.kind is AccountKind.DELEGATED:
        return RequestedAccount(account_address=account.address, id=account.id, delegation=SEMI_MODULAR_ACCOUNT_7702)
    info = None
    if request.include_counterfactual_info:
        info = CounterfactualInfo(factory_data=semi_modular_deployment(account.signer, account.salt).factory.data)
    return RequestedAccount(account_address=account.address, id=account.id, counterfactual_info=info)


async def _find(ports: Ports, request: RequestAccount) -> Account:
    if request.signer_address is None:
        if request.account_address is None:
            raise InvalidParams(
                "Must provide either 'signerAddress' (with optional 'id', 'creationHint', "
                "'includeCounterfactualInfo') or 'accountAddress' (with optional 'includeCounterfactualInfo')",
                field="params",
            )
        return await _find_recorded(ports, request.account_address)
    hint = request.creation_hint or CreationHint()
    salt = 0 if hint.salt is None else hint.salt
    find_by_signer = ports.store.accounts.find_by_signer
    account = await find_or_add_account(
        ports,
        read=partial(find_by_signer, request.signer_address, account_id=request.id, salt=salt),
        choose=lambda accounts: _choose_recorded(ports, accounts, request, hint),
        build=lambda accounts: _build_account(ports, accounts, request, hint),
    )
    if account is None:
        raise Unavailable(
            "params.signerAddress: concurrent requests keep adding accounts of this signer; try again", reason="busy"
        )
    if not ports.caller.is_anonymous:
        await confirm(ports, account)
    return account


async def _find_recorded(ports: Ports, address: Address) -> Account:
    account = await ports.store.accounts.find_by_address(address)
    if account is None:
        raise InvalidParams(
            f"expected an account that was requested here before, got {address}; send signerAddress instead",
            field="params.accountAddress",
            reason="unknown_account",
        )
    return account


def _choose_recorded(
    ports: Ports, accounts: SignerAccounts, request: RequestAccount, hint: CreationHint
) -> Account | None:
    """Return the recorded account that the request selects: by id, else by type and salt, else the default one."""
    kind = hint.kind
    if accounts.by_id is not None:
        return accounts.by_id
    if kind is AccountKind.DELEGATED:
        return accounts.delegated
    if hint.salt is not None:
        return accounts.by_salt
    if request.id is not None or hint.create_additional:
        return None
    return default_account(ports, accounts, is_contract=kind is not None)


def _build_account(ports: Ports, accounts: SignerAccounts, request: RequestAccount, hint: CreationHint) -> Account:
    """Build the account to add: at the requested salt, else at the signer's lowest unused salt.

    Without id and hint the salt is 0: once that account is recorded, `_choose_recorded` finds it.
    """
    assert request.signer_address is not None  # noqa: S101  # checked by the caller
    if hint.kind is AccountKind.DELEGATED:
        return build_delegated_account(ports, request.signer_address, tag=request.id)
    salt = accounts.free_salt if hint.salt is None else hint.salt
    return Account(
        id=request.id if request.id is not None else new_id(ports),
        signer=request.signer_address,
        address=semi_modular_deployment(request.signer_address, salt).address,
        salt=salt,
    )


def _wallets(request: RequestAccount) -> tuple[Address, ...]:
    """Return all addresses of the request, also an account address over which the signer's takes precedence."""
    return tuple(address for address in (request.signer_address, request.account_address) if address is not None)


OPERATION: Operation[Ports, RequestAccount, RequestedAccount] = Operation(
    "wallet_requestAccount",
    RequestAccount,
    RequestedAccount,
    run,
    "Get the smart account of a signer, creating it on first use; the same signer gets the same account.",
    need=RequiredAccess(writes=False, scopes=(Scope.WALLET_READ,)),
    wallets=_wallets,
    reasons=("account_type_not_supported", "unknown_account"),
    description=(
        "Select the account by `id`, by the hint's kind and salt, or as the signer's first one; add it if it is "
        "unknown. Nothing is sent to the chain: the account is deployed by its first user operation."
    ),
)
