"""`wallet-rpc paymaster deploy | deposit | status | …`: our verifying paymaster on your chains.

The rule: keys come from the environment and are never on a command line or in any output; what is there already is
left as it is, so every command may be run again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2

from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.sponsorship.paymaster_contract import PaymasterContract, creation_code, derive_address
from wallet_rpc.adapters.sponsorship.setup import signer_of
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.devchain import dev_constants
from wallet_rpc.devchain.genesis import GenesisMissing, load_genesis
from wallet_rpc.errors import Rejected, WalletError
from wallet_rpc.primitives import Address, ChainId

_ETHER = 10**18


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One action on one chain."""

    options: argparse.Namespace
    settings: Settings
    chain_id: ChainId
    configured: Address | None
    contract: PaymasterContract
    tell: Callable[[str], None]


async def run_paymaster_command(options: argparse.Namespace, settings: Settings, *, tell: Callable[[str], None]) -> int:
    """Do the action on each chain; `tell` gets the report. The exit status is 0 when all went well.

    Raises: SettingError when something is missing that all chains need.
    """
    action = _ACTIONS[options.action]
    failures = 0
    async with httpx2.AsyncClient() as http:
        for job in await _jobs(options, settings, http, tell):
            try:
                await job.contract.check()
                await action(job)
            except WalletError as error:
                sys.stderr.write(f"wallet-rpc: chain {job.chain_id}: {error.message}\n")
                failures += 1
    return 1 if failures else 0


async def _jobs(
    options: argparse.Namespace, settings: Settings, http: httpx2.AsyncClient, tell: Callable[[str], None]
) -> list[_Job]:
    """The chains that are meant: of `--node`, or of the settings; `--chain` chooses among these."""
    nodes: dict[ChainId, tuple[Rpc, Address | None]]
    if options.node is not None:
        node = _node(http, (options.node,))
        nodes = {await _chain_of(node): (node, None)}
    else:
        if not settings.chains:
            raise SettingError(f"{variable('chains')}: name chains there, or a node by --node")
        nodes = {one.chain_id: (_node(http, one.node_urls), one.verifying_paymaster) for one in settings.chains}
    for chain_id in options.chain or ():
        if chain_id not in nodes:
            raise SettingError(f"--chain {chain_id}: not among {', '.join(map(str, nodes))}")
    return [
        _Job(
            options=options,
            settings=settings,
            chain_id=chain_id,
            configured=configured,
            contract=PaymasterContract(node, chain_id),
            tell=tell,
        )
        for chain_id, (node, configured) in nodes.items()
        if not options.chain or chain_id in options.chain
    ]


def _node(http: httpx2.AsyncClient, urls: tuple[str, ...]) -> Rpc:
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
        job.tell(f"chain {job.chain_id}: the paymaster is there already, at {address}")
    else:
        key = _deployer_key(job.settings)
        job.tell(f"chain {job.chain_id}: deploying the paymaster to {address}")
        await job.contract.deploy(creation, key=key)
    await _show(job, address)
    job.tell(f'Name it in the chain\'s table of {variable("chains")}: verifying_paymaster = "{address}"')


async def _deposit(job: _Job) -> None:
    key, options, address = _deployer_key(job.settings), job.options, _address_of(job)
    if not options.wei and not options.stake:
        raise SettingError("paymaster deposit: --wei or --stake: how much? (1 ether is 1000000000000000000 wei)")
    await job.contract.read_status(address)  # money for an address without a paymaster would be lost
    if options.wei:
        job.tell(f"chain {job.chain_id}: paying in {_format_wei(options.wei)} for {address}")
        await job.contract.deposit(address, wei=options.wei, key=key)
    if options.stake:
        job.tell(f"chain {job.chain_id}: staking {_format_wei(options.stake)} for {address}")
        await job.contract.stake(address, wei=options.stake, unstake_delay_seconds=options.unstake_delay, key=key)
    await _show(job, address)


async def _status(job: _Job) -> None:
    await _show(job, _address_of(job))


async def _unlock_stake(job: _Job) -> None:
    address = _address_of(job)
    found = await job.contract.read_status(address)
    if found.stake == 0:
        raise Rejected(f"the paymaster {address} has no stake")
    if found.stake_free_at is None:
        key = _deployer_key(job.settings)
        job.tell(f"chain {job.chain_id}: unlocking the stake of {address}")
        await job.contract.unlock_stake(address, key=key)
    await _show(job, address)


async def _withdraw_stake(job: _Job) -> None:
    address = _address_of(job)
    found = await job.contract.read_status(address)
    if found.stake != 0 and found.stake_free_at is None:
        raise Rejected(f"the stake of {address} is locked: unlock it with `wallet-rpc paymaster unlock-stake`")
    if found.stake_free_at is not None:
        key = _deployer_key(job.settings)
        to = _receiver(job, key)
        since = _time(found.stake_free_at)
        job.tell(f"chain {job.chain_id}: withdrawing {_format_wei(found.stake)} to {to}, which is free from {since} on")
        await job.contract.withdraw_stake(address, to=to, key=key)
    await _show(job, address)


async def _withdraw(job: _Job) -> None:
    key, options, address = _deployer_key(job.settings), job.options, _address_of(job)
    to = _receiver(job, key)
    await job.contract.read_status(address)
    job.tell(f"chain {job.chain_id}: withdrawing {_format_wei(options.wei)} of the deposit to {to}")
    await job.contract.withdraw(address, to=to, wei=options.wei, key=key)
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
    found = await job.contract.read_status(address)
    ours = job.settings.paymaster_key
    whose = ""
    if ours is not None:
        is_ours = signer_of(ours) == found.signer
        whose = f" (of {variable('paymaster_key')})" if is_ours else f" (NOT of {variable('paymaster_key')})"
    free = "" if found.stake_free_at is None else f", unlocked, free from {_time(found.stake_free_at)} on"
    job.tell(
        f"chain {job.chain_id}: paymaster {address}\n"
        f"  deposit {_format_wei(found.deposit)}\n"
        f"  stake   {_format_wei(found.stake)}, unstake delay {found.unstake_delay_seconds} s{free}\n"
        f"  owner   {found.owner}\n"
        f"  signer  {found.signer}{whose}"
    )


def _address_of(job: _Job) -> Address:
    """Where it is: as told, as configured, or where `deploy` puts it.

    Raises: SettingError that asks for addresses and no keys, since these are all that the place depends on.
    """
    told: Address | None = job.options.at
    if told is not None:
        return told
    return job.configured or derive_address(
        _creation(job.options, job.settings, instead="--at ADDRESS says where it is")
    )


def _receiver(job: _Job, key: bytes) -> Address:
    """Of what is taken out: as told, or who pays for the transaction."""
    told: Address | None = job.options.to
    return signer_of(key) if told is None else told


def _creation(options: argparse.Namespace, settings: Settings, *, instead: str = "") -> bytes:
    """The code that creates it, which depends on its owner and signer: as told by address, or those of the keys."""
    owner = _party(options.owner, settings.deployer_key, role="owner", key="deployer_key", instead=instead)
    signer = _party(options.signer, settings.paymaster_key, role="signer", key="paymaster_key", instead=instead)
    try:
        runtime = load_genesis()[dev_constants.PAYMASTER].code
    except GenesisMissing as error:
        raise SettingError(str(error)) from None
    return creation_code(runtime, owner=owner, signer=signer)


def _party(given: Address | None, own: bytes | None, *, role: str, key: str, instead: str) -> Address:
    if given is not None:
        return given
    if own is None:
        if not instead:
            raise SettingError(f"{variable(key)}: not set; it is the paymaster's {role} (or use --{role})")
        text = f"address required, since {variable(key)} is not set and the paymaster's place depends on its {role}"
        raise SettingError(f"--{role}: {text}; or {instead}")
    return signer_of(own)


def _deployer_key(settings: Settings) -> bytes:
    if settings.deployer_key is None:
        raise SettingError(f"{variable('deployer_key')}: not set; the paymaster's owner, who pays for its deployment")
    return settings.deployer_key


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _format_wei(wei: int) -> str:
    whole, rest = divmod(wei, _ETHER)
    fraction = f"{rest:018}".rstrip("0")
    return f"{whole}{'.' + fraction if fraction else ''} ether ({wei} wei)"
