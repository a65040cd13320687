"""Access control of operations.

Checks the scope before decoding parameters and wallet ownership before any lookup, so that an unauthorized caller
cannot learn what exists.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from wallet_rpc.domain.access import WalletNamespace
from wallet_rpc.domain.audit import EventKind
from wallet_rpc.errors import (
    SessionEnded,
    SessionPaused,
    SponsorshipFailed,
    Unauthorized,
    ValidationReverted,
    WalletError,
)
from wallet_rpc.operations.operation import Operation
from wallet_rpc.ports import Ports
from wallet_rpc.primitives import Address
from wallet_rpc.services.audit_log import log_event
from wallet_rpc.services.session_stops import PERMISSIONS

_Q = TypeVar("_Q")
_A = TypeVar("_A")

_DENIALS = (Unauthorized, SessionEnded, SessionPaused, SponsorshipFailed, ValidationReverted)
"""Errors recorded in the audit log as denials, in addition to every error about the field `PERMISSIONS`."""


def add_access_control(operation: Operation[Ports, _Q, _A]) -> Operation[Ports, _Q, _A]:
    """Wrap an operation in access checks; each denial is recorded in the audit log of the caller's organisation."""

    async def authorize(ports: Ports) -> None:
        try:
            operation.need.authorize(ports.caller)
        except Unauthorized as denied:
            await _log_denial(ports, operation.name, denied)
            raise

    async def run(ports: Ports, request: _Q) -> _A:
        try:
            if operation.wallets is not None and ports.caller.token is not None:
                await refuse_other_wallets(ports, operation.wallets(request))
            return await operation.run(ports, request)
        except WalletError as error:
            if isinstance(error, _DENIALS) or error.field == PERMISSIONS:
                await _log_denial(ports, operation.name, error)
            raise

    return replace(operation, authorize=authorize, run=run)


async def refuse_other_wallets(ports: Ports, addresses: tuple[Address, ...]) -> None:
    """Raise Unauthorized unless each address is the wallet of the caller's token or an account of that wallet."""
    for address in addresses:
        if not await is_of_caller(ports, address):
            raise Unauthorized("Wallet mismatch", reason="wallet_mismatch")


async def is_of_caller(ports: Ports, address: Address) -> bool:
    """Return True when the token's wallet is the address, or the recorded owner of the account at the address.

    A caller without a token always passes.
    """
    token = ports.caller.token
    if token is None:
        return True
    if token.wallet.namespace is not WalletNamespace.EVM:
        return False
    wallet = Address.parse(token.wallet.address)
    if address == wallet:
        return True
    return (await ports.store.accounts.find_by_signer(wallet, address=address)).by_address is not None


async def _log_denial(ports: Ports, operation: str, error: WalletError) -> None:
    await log_event(ports, EventKind.DENIED, operation=operation, code=error.code, reason=error.reason)
