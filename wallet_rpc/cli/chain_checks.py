"""Checks of one chain for `wallet-rpc doctor`: its servers, contracts, clocks and payers."""

from __future__ import annotations

import time

from wallet_rpc.adapters.sponsorship.paymaster_contract import PaymasterContract, PaymasterStatus
from wallet_rpc.adapters.transactions import signer_of
from wallet_rpc.chain_clients import ChainClients
from wallet_rpc.cli.clock_checks import add_skew, measure_skew, read_date
from wallet_rpc.cli.findings import CheckState, Findings
from wallet_rpc.config.chains import ChainSetting
from wallet_rpc.config.settings import Settings, variable
from wallet_rpc.domain.contracts import REQUIRED_CONTRACTS
from wallet_rpc.domain.ether import format_ether
from wallet_rpc.domain.gas import max_fee
from wallet_rpc.errors import Unavailable
from wallet_rpc.primitives import Address

_ACTIONS = {
    "node": f"start the node, or correct its URL in {variable('chains')}",
    "bundler": f"start the bundler, or correct its URL in {variable('chains')}",
    "contracts": "deploy the contracts (specs/contracts.md), or choose another chain",
    "paymaster": f"start the paymaster service, or correct its URL in {variable('chains')}",
}
_OLD_SECONDS = 120
_AHEAD_SECONDS = 15
_OPERATION_GAS = 1_000_000
"""Gas of an operation that deploys an account and installs a session, roughly."""
_REMOVAL_GAS = 100_000
"""Gas of the removal of a delegation, roughly."""
_FEW_OPERATIONS = 20


class ChainExamination:
    """The checks of one chain, which add rows to the findings."""

    def __init__(self, findings: Findings, settings: Settings, chain: ChainSetting, clients: ChainClients) -> None:
        self._findings = findings
        self._settings = settings
        self._chain = chain
        self._clients = clients
        self._title = f"chain {chain.chain_id}"

    async def run(self) -> None:
        """Run all checks; those that need the node are skipped without it."""
        is_reachable = await self._check_start()
        await self._check_servers()
        later = [f"{self._title} {part}" for part in ("clock of the chain", "paymaster deposit", "relayer")]
        if not is_reachable:
            self._findings.skip(later, "the node is not usable")
        else:
            await self._check_block_time(later[0])
            await self._check_paymaster(later[1])
            await self._check_relayer(later[2])
        await self._check_dates()

    async def _check_start(self) -> bool:
        """Run the checks of a start, and return True if the node passed its own."""
        is_reachable = True
        for part, check in self._clients.start_checks.items():
            name = f"{self._title} {part}"
            needs_node = part == "contracts" or not self._clients.has_bundler
            if needs_node and not is_reachable:
                self._findings.skip([name], "the node is not usable")
            elif await self._findings.attempt(name, check, self._choose_action(part), where=self._where(part)):
                self._findings.add_ok(name, self._describe(part))
            elif part == "node":
                is_reachable = False
        return is_reachable

    def _choose_action(self, part: str) -> str:
        if part == "bundler" and not self._clients.has_bundler:
            return f"name a bundler in {variable('chains')}"
        return _ACTIONS[part]

    def _describe(self, part: str) -> str:
        if part == "contracts":
            return f"all {len(REQUIRED_CONTRACTS)} required contracts have code"
        if part == "bundler" and not self._clients.has_bundler:
            return f"no bundler is configured, and the node serves its requests, at {self._where('node')}"
        return f"serves the chain, at {self._where(part)}"

    def _where(self, part: str) -> str:
        """List the configured URLs of a kind of server; empty for another part."""
        urls = {"node": self._chain.node_urls, "bundler": self._chain.bundler_urls}.get(part, ())
        return " or ".join(urls)

    async def _check_servers(self) -> None:
        """Ask each server of a kind that has several, and the paymaster service, which no start asks."""
        urls = {
            f"{self._title} {kind} {number}": (kind, each.url)
            for kind, rpc in self._clients.rpcs.items()
            for number, each in enumerate(rpc.servers, 1)
            if len(rpc.servers) > 1 or kind == "paymaster"
        }
        for server in self._clients.probed_servers():
            if server.name not in urls:
                continue
            kind, url = urls[server.name]
            state = CheckState.FAILED if kind == "paymaster" else CheckState.WARNING
            found = await self._findings.attempt(server.name, server.ask, _ACTIONS[kind], state=state, where=url)
            if found is not None:
                self._findings.add_ok(server.name, f"responds, at {url}")

    async def _check_block_time(self, part: str) -> None:
        node = self._clients.node

        async def read_time() -> float:
            head = await node.block_head(await node.block_number())
            if head is None:
                raise Unavailable("the node does not have its latest block", part="node")
            return float(head.timestamp)

        found = await self._findings.attempt(part, lambda: measure_skew(read_time), _ACTIONS["node"])
        if found is None:
            return
        (skew,) = found
        if skew > _AHEAD_SECONDS:
            text = f"the latest block is {skew:.0f} s ahead of this machine"
            self._findings.add(
                part, CheckState.WARNING, text, "synchronize this clock; on a devnet, expiries follow the chain"
            )
        elif skew < -_OLD_SECONDS:
            text = f"the latest block is {-skew:.0f} s old"
            self._findings.add(
                part, CheckState.WARNING, text, "check that the node is in sync; a devnet may mine on demand"
            )
        else:
            self._findings.add_ok(part, f"the latest block is {max(0.0, -skew):.0f} s old")

    async def _check_dates(self) -> None:
        """Compare the clocks of bundler and paymaster, where they send a `Date` header."""
        bundlers = self._chain.bundler_urls
        urls = {f"bundler {number}" if len(bundlers) > 1 else "bundler": url for number, url in enumerate(bundlers, 1)}
        if self._chain.paymaster_url is not None:
            urls["paymaster"] = self._chain.paymaster_url
        for kind, url in urls.items():
            before = time.time()
            date = await read_date(url)
            if date is not None:  # whole seconds, rounded down
                add_skew(self._findings, f"{self._title} clock of the {kind}", date + 0.5 - (before + time.time()) / 2)

    async def _check_paymaster(self, part: str) -> None:
        address = self._chain.verifying_paymaster
        if address is None:
            self._findings.skip([part], "no verifying_paymaster is configured")
            return
        contract = PaymasterContract(self._clients.rpcs["node"], self._chain.chain_id)
        action = "deploy it with `wallet-rpc paymaster deploy`, or correct verifying_paymaster"
        status = await self._findings.attempt(part, lambda: contract.read_status(address), action)
        cost = await self._findings.attempt(part, lambda: self._cost_of(_OPERATION_GAS), _ACTIONS["node"])
        if status is not None and cost is not None:
            self._add_deposit(part, address, status[0], cost[0])
            self._add_stake(f"{self._title} paymaster stake", status[0])

    def _add_deposit(self, part: str, address: Address, status: PaymasterStatus, cost: int) -> None:
        operations = status.deposit // cost
        state = (
            CheckState.OK
            if operations >= _FEW_OPERATIONS
            else CheckState.WARNING
            if operations > 0
            else CheckState.FAILED
        )
        text = f"{address} has {format_ether(status.deposit)} ETH, enough for {operations} operations at today's fees"
        self._findings.add(
            part, state, text, "" if state is CheckState.OK else "`wallet-rpc paymaster deposit --wei N`"
        )

    def _add_stake(self, part: str, status: PaymasterStatus) -> None:
        delay = f"{format_ether(status.stake)} ETH, unstake delay {status.unstake_delay_seconds} s"
        if status.stake == 0:
            action = "`wallet-rpc paymaster deposit --stake N`: public bundlers reject an unstaked paymaster (ERC-7562)"
            self._findings.add(part, CheckState.WARNING, "no stake", action)
        elif status.stake_free_at is not None:
            text = f"{delay}, unlocked: it no longer counts"
            self._findings.add(
                part, CheckState.WARNING, text, "`wallet-rpc paymaster deposit --stake N` locks it again"
            )
        else:
            self._findings.add_ok(part, delay)

    async def _check_relayer(self, part: str) -> None:
        key = self._settings.relayer_key
        if key is None:
            self._findings.skip([part], f"{variable('relayer_key')} is not set: delegations cannot be removed")
            return
        address, action = signer_of(key), f"check {variable('relayer_key')} and the node"
        found = await self._findings.attempt(part, lambda: self._clients.node.balance(address), action)
        cost = await self._findings.attempt(part, lambda: self._cost_of(_REMOVAL_GAS), _ACTIONS["node"])
        if found is None or cost is None:
            return
        removals = found[0] // cost[0]
        state = (
            CheckState.OK if removals >= _FEW_OPERATIONS else CheckState.WARNING if removals > 0 else CheckState.FAILED
        )
        text = f"{address} has {format_ether(found[0])} ETH, enough for {removals} removals at today's fees"
        self._findings.add(part, state, text, "" if state is CheckState.OK else f"send native currency to {address}")

    async def _cost_of(self, gas: int) -> int:
        fees = await self._clients.node.fees()
        return max(1, gas * max_fee(fees.base_fee_per_gas, fees.max_priority_fee_per_gas))
