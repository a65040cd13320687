"""`wallet-rpc paymaster deploy | deposit | status | …`: the operator's `VerifyingPaymaster` contract.

Keys come from the environment and are never on a command line or in any output. `deploy` leaves an existing contract
unchanged, and a stake command repeats no finished step, so all can be repeated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.http_post import HttpClient, PostClient
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.paymaster_contract import PaymasterContract, creation_code, derive_address
from wallet_rpc.adapters.transactions import signer_of
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.genesis import GenesisMissing, load_genesis
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.errors import Rejected, WalletError
from wallet_rpc.primitives import Address, ChainId


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One action on one chain."""

    options: argparse.Namespace
    settings: Settings
    chain_id: ChainId
    configured: Address | None
    contract: PaymasterContract
    print_line: Callable[[str], None]


async def run_paymaster_command(
    options: argparse.Namespace, settings: Settings, *, print_line: Callable[[str], None]
) -> int:
    """Run the action on each chain, print its report and return the exit status: 0 for success on all.

    Raises: SettingError when a setting or option that all chains need is missing.
    """
    action = _ACTIONS[options.action]
    failures = 0
    async with HttpClient() as http:
        for job in await _jobs(options, settings, http, print_line):
            try:
                await job.contract.check()
                await action(job)
            except WalletError as error:
                sys.stderr.write(f"wallet-rpc: chain {job.chain_id}: {error.message}\n")
                failures += 1
    return 1 if failures else 0


async def _jobs(
    options: argparse.Namespace, settings: Settings, http: PostClient, print_line: Callable[[str], None]
) -> list[_Job]:
    """Return a job for each selected chain: the chain of `--node`, or the configured chains, filtered by `--chain`."""
    nodes: dict[ChainId, tuple[Rpc, Address | None]]
    if options.node is not None:
        node = _node(http, (options.node,))
        nodes = {await _chain_of(node): (node, None)}
    else:
        if not settings.chains:
            raise SettingError(f"{variable('chains')}: not set; set it, or name a node with --node")
        nodes = {one.chain_id: (_node(http, one.node_urls), one.verifying_paymaster) for one in settings.chains}
    for chain_id in options.chain or ():
        if chain_id not in nodes:
            raise SettingError(f"--chain: expected one of {', '.join(map(str, nodes))}, got {chain_id}")
    return [
        _Job(
            options=options,
            settings=settings,
            chain_id=chain_id,
            configured=configured,
            contract=PaymasterContract(node, chain_id),
            print_line=print_line,
        )
        for chain_id, (node, configured) in nodes.items()
        if not options.chain or chain_id in options.chain
    ]


def _node(http: PostClient, urls: tuple[str, ...]) -> Rpc:
    return build_rpc(http, urls, part="node")


async def _chain_of(node: Rpc) -> ChainId:
    kind: Any = ChainId
    try:
        return int(node.decode_result(kind, await node.read("eth_chainId", [])))
    except WalletError as error:
        raise SettingError(f"--node: {error.message}") from None


async def _deploy(job: _Job) -> None:
    creation = _creation(job.options, job.settings)
    address = derive_address(creation)
    if await job.contract.is_deployed(address):
        job.print_line(f"chain {job.chain_id}: the paymaster is already deployed at {address}")
    else:
        key = _deployer_key(job.settings)
        job.print_line(f"chain {job.chain_id}: deploying the paymaster to {address}")
        await job.contract.deploy(creation, key=key)
    await _show(job, address)
    job.print_line(f'Add this to the chain\'s table of {variable("chains")}: verifying_paymaster = "{address}"')


async def _deposit(job: _Job) -> None:
    options = job.options
    key = _deployer_key(job.settings)
    address = _address_of(job)
    if not options.wei and not options.stake:
        raise SettingError("paymaster deposit: expected an amount in wei with --wei or --stake (10^18 wei are 1 ether)")
    await job.contract.read_status(address)  # a deposit for an address without a paymaster would be lost
    if options.wei:
        job.print_line(f"chain {job.chain_id}: depositing {_format_wei(options.wei)} for {address}")
        await job.contract.deposit(address, wei=options.wei, key=key)
    if options.stake:
        job.print_line(f"chain {job.chain_id}: staking {_format_wei(options.stake)} for {address}")
        await job.contract.stake(address, wei=options.stake, unstake_delay_seconds=options.unstake_delay, key=key)
    await _show(job, address)


async def _status(job: _Job) -> None:
    await _show(job, _address_of(job))


async def _unlock_stake(job: _Job) -> None:
    address = _address_of(job)
    status = await job.contract.read_status(address)
    if status.stake == 0:
        raise Rejected(f"the paymaster {address} has no stake")
    if status.stake_free_at is None:
        key = _deployer_key(job.settings)
        job.print_line(f"chain {job.chain_id}: unlocking the stake of {address}")
        await job.contract.unlock_stake(address, key=key)
    await _show(job, address)


async def _withdraw_stake(job: _Job) -> None:
    address = _address_of(job)
    status = await job.contract.read_status(address)
    if status.stake != 0 and status.stake_free_at is None:
        raise Rejected(f"the stake of {address} is locked: unlock it with `wallet-rpc paymaster unlock-stake`")
    if status.stake_free_at is not None:
        key = _deployer_key(job.settings)
        to = _recipient(job, key)
        since = _time(status.stake_free_at)
        amount = _format_wei(status.stake)
        job.print_line(f"chain {job.chain_id}: withdrawing {amount} to {to}, withdrawable since {since}")
        await job.contract.withdraw_stake(address, to=to, key=key)
    await _show(job, address)


async def _withdraw(job: _Job) -> None:
    wei = job.options.wei
    key = _deployer_key(job.settings)
    address = _address_of(job)
    to = _recipient(job, key)
    await job.contract.read_status(address)
    job.print_line(f"chain {job.chain_id}: withdrawing {_format_wei(wei)} of the deposit to {to}")
    await job.contract.withdraw(address, to=to, wei=wei, key=key)
    await _show(job, address)


_ACTIONS = {
    "deploy": _deploy,
    "deposit": _deposit,
    "status": _status,
    "withdraw": _withdraw,
    "unlock-stake": _unlock_stake,
    "withdraw-stake": _withdraw_stake,
}


async def _show(job: _Job, address: Address) -> None:
    status = await job.contract.read_status(address)
    key = job.settings.paymaster_key
    match = ""
    if key is not None:
        is_configured = signer_of(key) == status.signer
        match = f" (of {variable('paymaster_key')})" if is_configured else f" (NOT of {variable('paymaster_key')})"
    unlocked = ""
    if status.stake_free_at is not None:
        unlocked = f", unlocked, withdrawable from {_time(status.stake_free_at)}"
    job.print_line(
        f"chain {job.chain_id}: paymaster {address}\n"
        f"  deposit {_format_wei(status.deposit)}\n"
        f"  stake   {_format_wei(status.stake)}, unstake delay {status.unstake_delay_seconds} s{unlocked}\n"
        f"  owner   {status.owner}\n"
        f"  signer  {status.signer}{match}"
    )


def _address_of(job: _Job) -> Address:
    """Return the paymaster's address: `--at`, else the configured address, else the address that `deploy` uses.

    Raises: SettingError that asks for owner and signer addresses, from which the address is derived.
    """
    address: Address | None = job.options.at
    if address is not None:
        return address
    return job.configured or derive_address(
        _creation(job.options, job.settings, instead="name the paymaster itself with --at ADDRESS")
    )


def _recipient(job: _Job, key: bytes) -> Address:
    """Return the recipient of a withdrawal: `--to`, or the address that pays for the transaction."""
    recipient: Address | None = job.options.to
    return signer_of(key) if recipient is None else recipient


def _creation(options: argparse.Namespace, settings: Settings, *, instead: str = "") -> bytes:
    """Build the creation code with the owner and the signer of the options, else those of the configured keys."""
    owner = _party(options.owner, settings.deployer_key, role="owner", key="deployer_key", instead=instead)
    signer = _party(options.signer, settings.paymaster_key, role="signer", key="paymaster_key", instead=instead)
    try:
        runtime = load_genesis()[dev_constants.PAYMASTER].code
    except GenesisMissing as error:
        raise SettingError(str(error)) from None
    return creation_code(runtime, owner=owner, signer=signer)


def _party(address: Address | None, secret: bytes | None, *, role: str, key: str, instead: str) -> Address:
    if address is not None:
        return address
    if secret is None:
        if not instead:
            raise SettingError(f"{variable(key)}: not set; it is the key of the paymaster's {role} (or use --{role})")
        text = f"address required, since {variable(key)} is not set and the paymaster's address depends on its {role}"
        raise SettingError(f"--{role}: {text}; or {instead}")
    return signer_of(secret)


def _deployer_key(settings: Settings) -> bytes:
    if settings.deployer_key is None:
        raise SettingError(
            f"{variable('deployer_key')}: not set; it is the key of the owner, which pays for transactions"
        )
    return settings.deployer_key


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _format_wei(wei: int) -> str:
    return f"{format_ether(wei)} ether ({wei} wei)"
