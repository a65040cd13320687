"""The payers of a starting server: relayer, sponsor of the configured policies, and checks of the paymasters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from wallet_rpc.adapters.http_post import PostClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.relayer_budget import DailyWei, RelayerBudget
from wallet_rpc.adapters.relayer_turn import RelayerTurn
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.sponsorship.setup import check_signer, read_sponsor
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.domain.policy_file import PolicyFileError
from wallet_rpc.edge.request_context import current_caller
from wallet_rpc.ports import Clock
from wallet_rpc.store_opening import require_available


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerOptions:
    """The relayer that pays for authorizations without a user operation: its 32-byte private key, budget and turn."""

    key: bytes = field(repr=False)
    budget: RelayerBudget
    turn: RelayerTurn


@dataclass(frozen=True, slots=True, kw_only=True)
class Payers:
    """The payers of a server: its sponsor and its relayer, None without one."""

    sponsor: Sponsor | None
    relayer: RelayerOptions | None


def build_relayer_options(
    settings: Settings, store: RedisStore, clock: Clock, *, key: bytes | None
) -> RelayerOptions | None:
    """Build the options of the relayer with this key; None without a key."""
    if key is None:
        return None
    total, account = settings.relayer_daily_wei
    budget = store.relayer_budget(DailyWei(total=total, account=account), clock)
    return RelayerOptions(key=key, budget=budget, turn=store.relayer_turn())


def sponsor_of(
    settings: Settings, store: RedisStore, *, http: PostClient, clock: Clock, key: bytes | None
) -> Sponsor | None:
    """Build the sponsor of the configured policies; None without policies. Raises: SettingError."""
    if settings.policies is None:
        return None
    if key is None and any(chain.verifying_paymaster is not None for chain in settings.chains):
        text = f"required by {variable('policies')} where a chain has a verifying_paymaster, but not set"
        raise SettingError(f"{variable('paymaster_key')}: {text}")
    try:
        sponsor = read_sponsor(settings.policies, key=key, budgets=store.budgets, clock=clock, http=http)
    except PolicyFileError as error:
        raise SettingError(f"{variable('policies')}: {error}") from None
    return replace(sponsor, caller=current_caller)


async def check_paymasters(settings: Settings, nodes: Mapping[int, NodeChain], sponsor: Sponsor) -> None:
    """Check that a chain has a paymaster, and that each VerifyingPaymaster has the configured key's address as signer.

    Raises: SettingError when a check fails.
    """
    addresses = {chain.chain_id: chain.verifying_paymaster for chain in settings.chains if chain.verifying_paymaster}
    if not addresses and all(chain.paymaster_url is None for chain in settings.chains):
        text = f"no chain has a paymaster or a verifying_paymaster in {variable('chains')}"
        raise SettingError(f"{variable('policies')}: {text}")
    for chain_id, node in nodes.items():
        address = addresses.get(chain_id)
        if address is not None and sponsor.key is not None:
            subject = f"{variable('chains')}: chain {chain_id}: verifying_paymaster"
            await require_available(subject, partial(check_signer, node, address, sponsor.key))
