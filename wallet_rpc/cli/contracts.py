"""`wallet-rpc contracts deploy`: EntryPoint, account factory, accounts and modules on a development chain.

A second run changes nothing. Other code at an address stops the command before the first change.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from wallet_rpc.adapters.failover import build_rpc
from wallet_rpc.adapters.http_post import HttpClient
from wallet_rpc.adapters.node import NodeChain
from wallet_rpc.adapters.rpc import Rpc
from wallet_rpc.adapters.transaction_sender import TransactionSender
from wallet_rpc.config.settings import SettingError, Settings, variable
from wallet_rpc.devchain.contract_names import SENDER_CREATOR, contract_name, sort_contracts
from wallet_rpc.devchain.contract_sources import ENTRY_POINT_FILE
from wallet_rpc.devchain.genesis import (
    DeploymentFailed,
    Genesis,
    GenesisMissing,
    load_deployments,
    load_genesis,
    read_creation_code,
)
from wallet_rpc.devchain.geth_alloc import build_alloc
from wallet_rpc.devchain.installation import (
    CONTROL_PREFIXES,
    CodeState,
    find_control_methods,
    read_code_states,
    set_accounts,
)
from wallet_rpc.domain.contracts import REQUIRED_CONTRACTS
from wallet_rpc.domain.secret_text import mask_credentials
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.errors import Rejected, WalletError
from wallet_rpc.primitives import Address, ChainId

_LONGEST_VERSION = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """The node that gets the contracts."""

    rpc: Rpc
    chain_id: int
    version: str
    """The node's name and version, as it reports them."""

    def __str__(self) -> str:
        return f"chain {self.chain_id} ({self.version})"


async def run_contracts_command(
    options: argparse.Namespace, settings: Settings, *, print_line: Callable[[str], None]
) -> int:
    """Install the contracts or print them as an alloc, and return the exit status: 0 when the chain has all it needs.

    Raises: SettingError when an option or a setting is missing or invalid.
    """
    genesis = _load_genesis(options)
    if options.print_genesis_alloc:
        print_line(json.dumps(build_alloc(genesis), indent=1))
        return 0
    if not is_web_url(options.rpc_url):
        raise SettingError(f"--rpc-url: expected {WEB_URL}")
    async with HttpClient() as http:
        rpc = build_rpc(http, (options.rpc_url,), part="node")
        try:
            target = await _connect(rpc)
            before = await read_code_states(NodeChain(rpc), genesis)
            changes = await _install(target, genesis, before, options, settings)
            after = await read_code_states(NodeChain(rpc), genesis)
        except WalletError as error:
            sys.stderr.write(f"wallet-rpc: --rpc-url: {error.message}\n")
            return 1
    if before[SENDER_CREATOR] is not after[SENDER_CREATOR]:
        changes.setdefault(SENDER_CREATOR, "created by EntryPoint")
    print_line(_format_table(target, after, changes))
    missing = [name for address, name in REQUIRED_CONTRACTS.items() if after[address] is CodeState.ABSENT]
    if missing:
        text = f"still missing on {target}, since no record has creation code for them: {', '.join(missing)}"
        sys.stderr.write(f"wallet-rpc: {text}; add their records to the file of --deployments\n")
    return 1 if missing else 0


def _load_genesis(options: argparse.Namespace) -> Genesis:
    try:
        genesis = load_genesis()
    except GenesisMissing as error:
        raise SettingError(str(error)) from None
    if options.deployments is None:
        return genesis
    try:
        return genesis | load_deployments(options.deployments)
    except OSError as error:
        raise SettingError(f"--deployments: {options.deployments}: {error.strerror}") from None
    except DeploymentFailed as error:
        raise SettingError(f"--deployments: {error}") from None


async def _connect(rpc: Rpc) -> _Target:
    kind: Any = ChainId
    chain_id = int(rpc.decode_result(kind, await rpc.read("eth_chainId", [])))
    try:
        version = str(await rpc.read("web3_clientVersion", []))
    except WalletError:
        version = "node of unknown version"
    shown = "".join(each for each in version if each.isprintable())[:_LONGEST_VERSION]
    return _Target(rpc=rpc, chain_id=chain_id, version=mask_credentials(shown))


async def _install(
    target: _Target,
    genesis: Genesis,
    states: Mapping[Address, CodeState],
    options: argparse.Namespace,
    settings: Settings,
) -> dict[Address, str]:
    """Install the contracts that the chain lacks, and return a description of each change.

    Raises: Rejected before the first change; SettingError; WalletError.
    """
    different = [address for address, state in states.items() if state is CodeState.DIFFERENT]
    if different and not options.replace:
        raise Rejected(
            f"{target} has other code at the addresses of {_join_names(different)}; nothing was changed. "
            "Use another chain, or overwrite the code with --replace"
        )
    needed = sort_contracts(address for address, state in states.items() if state is not CodeState.PRESENT)
    if not needed:
        return {}
    methods = await find_control_methods(target.rpc, needed[0])
    if methods is not None:
        await set_accounts(methods, genesis, needed)
        return {
            address: f"{'replaced' if address in different else 'installed'} by {methods.set_code_name}"
            for address in needed
        }
    return await _deploy_records(target, needed, different, options, settings)


async def _deploy_records(
    target: _Target,
    needed: Collection[Address],
    different: Collection[Address],
    options: argparse.Namespace,
    settings: Settings,
) -> dict[Address, str]:
    """Deploy the contracts with creation code by transactions, on a node that cannot set code."""
    names = " nor ".join(f"{prefix}_setCode" for prefix in CONTROL_PREFIXES)
    if different:
        raise Rejected(
            f"{target} accepts neither {names}, so the other code at the addresses of {_join_names(different)} cannot "
            "be replaced; nothing was changed. Use another chain"
        )
    if options.deployments is None or settings.deployer_key is None:
        raise Rejected(
            f"{target} accepts neither {names}; nothing was changed. Start its chain with the alloc that "
            "`wallet-rpc contracts deploy --print-genesis-alloc` prints, or deploy published contracts by "
            f"transactions, with --deployments FILE and {variable('deployer_key')}"
        )
    sender = TransactionSender(
        target.rpc, target.chain_id, settings.deployer_key, check="that the account has funds, and the node's gas limit"
    )
    creation_codes = read_creation_code(ENTRY_POINT_FILE) | read_creation_code(options.deployments)
    deployed = [address for address in needed if address in creation_codes]
    for address in deployed:
        await sender.deploy(creation_codes[address], at=address)
    return dict.fromkeys(deployed, "deployed by a transaction")


def _join_names(addresses: Collection[Address]) -> str:
    return ", ".join(f"{contract_name(address)} ({address})" for address in addresses)


def _format_table(target: _Target, states: Mapping[Address, CodeState], changes: Mapping[Address, str]) -> str:
    rows = [("contract", "address", "state")]
    rows += [(contract_name(each), str(each), changes.get(each, states[each].value)) for each in sort_contracts(states)]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{name:{width}}  {address:42}  {state}" for name, address, state in rows]
    return "\n".join([*lines, f"{target}: {len(changes)} changed, {len(states) - len(changes)} unchanged"])
