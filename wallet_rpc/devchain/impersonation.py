"""Control methods of impersonation: transactions from accounts without their keys."""

from __future__ import annotations

from dataclasses import replace

from wallet_rpc.devchain.answers import JsonValue
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.mining_controls import Enabled
from wallet_rpc.errors import InvalidParams
from wallet_rpc.operations.operation import Operation
from wallet_rpc.primitives import Address
from wallet_rpc.wire import shape

MAX_IMPERSONATED = 1_000
"""The maximum number of accounts that are impersonated at one time."""


@shape
class ImpersonatedAccount:
    """An account to impersonate, or not any more."""

    address: Address


async def impersonate(context: DevChain, request: ImpersonatedAccount) -> JsonValue:
    """`anvil_impersonateAccount`: `eth_sendTransaction` from the account then needs no key."""
    settings = context.chain.settings
    accounts = settings.impersonated | {bytes(request.address)}
    if len(accounts) > MAX_IMPERSONATED:
        text = f"expected at most {MAX_IMPERSONATED} impersonated accounts; stop impersonating some"
        raise InvalidParams(text, reason="too_many_impersonated", field="params.address")
    context.chain.change_settings(replace(settings, impersonated=accounts))


async def stop_impersonating(context: DevChain, request: ImpersonatedAccount) -> JsonValue:
    """`anvil_stopImpersonatingAccount`."""
    settings = context.chain.settings
    accounts = settings.impersonated - {bytes(request.address)}
    context.chain.change_settings(replace(settings, impersonated=accounts))


async def impersonate_all(context: DevChain, request: Enabled) -> JsonValue:
    """`anvil_autoImpersonateAccount`: impersonates every account, or only the chosen ones again."""
    context.chain.change_settings(replace(context.chain.settings, impersonates_all=request.enabled))


OPERATIONS = tuple(
    operation
    for maker in ("anvil", "hardhat")
    for operation in (
        Operation(f"{maker}_impersonateAccount", ImpersonatedAccount, JsonValue, impersonate, positional=True),
        Operation(
            f"{maker}_stopImpersonatingAccount", ImpersonatedAccount, JsonValue, stop_impersonating, positional=True
        ),
        Operation(f"{maker}_autoImpersonateAccount", Enabled, JsonValue, impersonate_all, positional=True),
    )
)
"""The control methods of impersonation."""
