"""`wallet-rpc doctor`: all that `serve` checks at its start, and what an operator should watch besides.

The checks are those of `serve` itself. Each runs, also after others have failed, and nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Literal

import httpx2
import uvloop

from wallet_rpc.adapters.http_post import HttpClient, PostClient
from wallet_rpc.adapters.redis_store import RedisStore
from wallet_rpc.adapters.sponsorship.paymaster import Sponsor
from wallet_rpc.adapters.system import SystemClock
from wallet_rpc.auth_options import load_auth_options
from wallet_rpc.chain_clients import ChainClients, build_chain_clients, open_pools
from wallet_rpc.cli.chain_checks import ChainExamination
from wallet_rpc.cli.clock_checks import add_skew, measure_skew
from wallet_rpc.cli.findings import CheckState, Findings, format_json, format_table
from wallet_rpc.config.settings import SettingError, Settings, load, variable
from wallet_rpc.edge import log_lines
from wallet_rpc.edge.listener import bind_socket, host_url
from wallet_rpc.observability import observe_server
from wallet_rpc.payer_opening import check_paymasters, sponsor_of
from wallet_rpc.store_opening import check_durability, format_missing_replicas, open_store

_FULL, _ALMOST_FULL = 0.95, 0.8
"""Used shares of Redis's memory at which its state is failed and a warning."""
_OPEN_REDIS = f"start Redis, or correct {variable('redis_url')} (specs/redis.md)"
_NO_REDIS = "Redis is not usable"


def run_doctor_command(environ: Mapping[str, str], *, as_json: bool, print_line: Callable[[str], None]) -> int:
    """Run all checks, print their findings, and return the exit status: 1 if a check failed, else 0."""
    findings = Findings()
    log_lines.configure(json=False, level="error")
    try:
        settings = load(environ)
    except SettingError as error:
        findings.add("settings", CheckState.FAILED, str(error), "correct the variable; then the other checks can run")
    else:
        findings.add_ok("settings", "all values are valid")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_examine(findings, settings, environ))
    print_line(format_json(findings.rows) if as_json else format_table(findings.rows))
    return 1 if findings.have_failure else 0


async def _examine(findings: Findings, settings: Settings, environ: Mapping[str, str]) -> None:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(HttpClient())
        await _check_addresses(findings, settings)
        _check_secrets(findings, settings)
        observing = observe_server(environ, log_level=settings.log_level)
        await findings.attempt("traces", partial(stack.enter_async_context, observing), "correct the variable")
        store = await _check_redis(findings, settings, stack)
        sponsor = None
        if store is None:
            findings.skip(("callers", "policies"), _NO_REDIS)
        else:
            await _check_callers(findings, settings, store)
            sponsor = await _check_policies(findings, settings, store, http)
        await _check_chains(findings, settings, stack, http, sponsor)


async def _check_addresses(findings: Findings, settings: Settings) -> None:
    """Check that the addresses can be bound, unless a server of wallet-rpc runs there."""
    if await _is_running(settings):
        findings.add_ok("address", f"a server runs at {host_url(settings.host, settings.port)}")
        return
    _check_address(findings, settings, "", lambda: bind_socket(settings).close())
    if settings.metrics_port is not None:
        from wallet_rpc.metrics.opening import open_metrics  # noqa: PLC0415  # imports their library

        def open_and_close() -> None:
            with open_metrics(settings):
                pass

        _check_address(findings, settings, "metrics_", open_and_close)


def _check_address(
    findings: Findings, settings: Settings, prefix: Literal["", "metrics_"], open_and_close: Callable[[], None]
) -> None:
    part, host, port = f"{prefix.replace('_', ' ')}address", f"{prefix}host", f"{prefix}port"
    try:
        open_and_close()
    except SettingError as error:
        action = f"choose a free address of this machine: {variable(host)} and {variable(port)}"
        findings.add(part, CheckState.FAILED, str(error), action)
    else:
        findings.add_ok(part, f"{getattr(settings, host)} port {getattr(settings, port)} is free")


async def _is_running(settings: Settings) -> bool:
    with suppress(httpx2.HTTPError, ValueError):
        async with httpx2.AsyncClient(timeout=2) as http:
            response = await http.get(f"{host_url(settings.host, settings.port)}/ready")
        return "parts" in response.json()
    return False


async def _check_redis(findings: Findings, settings: Settings, stack: AsyncExitStack) -> RedisStore | None:
    """Open the store, and check durability, memory and clock of each master."""

    async def open_it() -> RedisStore:
        opening = open_store(settings.require("redis_url"), replicas=settings.redis_replicas)
        return await stack.enter_async_context(opening)

    opened = await findings.attempt("redis", open_it, _OPEN_REDIS)
    facts = None if opened is None else await findings.attempt("redis", opened[0].verify, _OPEN_REDIS)
    if opened is None or facts is None:
        findings.skip(("redis durability", "redis memory", "redis clock"), _NO_REDIS)
        return None
    (store,) = opened
    masters = facts[0]
    software = ", ".join(dict.fromkeys(f"{each.software} ({each.mode})" for each in masters))
    number = "" if len(masters) == 1 else f"{len(masters)} masters of "
    findings.add_ok("redis", f"{number}{software}, writes accepted at {settings.redis_url}")
    await _check_durability(findings, settings, store)
    await _check_memory(findings, store)
    times = await findings.attempt("redis clock", lambda: measure_skew(store.read_time), _OPEN_REDIS)
    if times is not None:
        add_skew(findings, "redis clock", times[0])
    return store


async def _check_durability(findings: Findings, settings: Settings, store: RedisStore) -> None:
    part, action = "redis durability", "change redis.conf (specs/redis.md)"
    found = await findings.attempt(part, lambda: check_durability(store, settings), action)
    if found is None:
        return
    texts = dict.fromkeys(text for each in found[0] for text in each.warnings)
    missing = [each for each in found[0] if each.replicas < settings.redis_replicas]
    texts |= dict.fromkeys(format_missing_replicas(each, settings.redis_replicas) for each in missing)
    if texts:
        findings.add(part, CheckState.WARNING, "; ".join(texts), action)
        return
    kinds = dict.fromkeys(f"persistence {each.persistence.value}, eviction {each.eviction}" for each in found[0])
    findings.add_ok(part, "; ".join(kinds))


async def _check_memory(findings: Findings, store: RedisStore) -> None:
    """Compare the memory of each master with its `maxmemory`, else with the memory of its machine."""
    part, action = "redis memory", "give Redis more memory: a full one rejects writes"
    found = await findings.attempt(part, store.read_memory, "allow the user of Redis INFO", state=CheckState.WARNING)
    for number, each in enumerate(() if found is None else found[0], 1):
        name = part if found is None or len(found[0]) == 1 else f"{part} {number}"
        if each.limit is None:
            findings.add(name, CheckState.WARNING, f"{each.used >> 20} MiB used, of an unknown limit", "set maxmemory")
            continue
        share = each.used / each.limit
        state = CheckState.FAILED if share > _FULL else CheckState.WARNING if share > _ALMOST_FULL else CheckState.OK
        text = f"{each.used >> 20} of {each.limit >> 20} MiB used ({share:.0%})"
        findings.add(name, state, text, "" if state is CheckState.OK else action)


async def _check_callers(findings: Findings, settings: Settings, store: RedisStore) -> None:
    part, action = "callers", "`wallet-rpc org create NAME`, then `wallet-rpc key create --org ID`"
    if await findings.attempt(part, lambda: load_auth_options(settings, store, SystemClock()), action) is not None:
        if settings.is_serve_open:
            text = f"no API key is needed ({variable('open')}=yes)"
            findings.add(part, CheckState.WARNING, text, "require keys where others than this machine's users connect")
        else:
            findings.add_ok(part, "an API key is active")


def _check_secrets(findings: Findings, settings: Settings) -> None:
    if not settings.token_secrets:
        text = f"{variable('token_secrets')} is not set: no session tokens are issued"
        findings.skip(["session tokens"], text, "set it if web pages call this server")
    else:
        findings.add_ok("session tokens", f"{len(settings.token_secrets)} of at most 2 secrets are set")


async def _check_policies(
    findings: Findings, settings: Settings, store: RedisStore, http: PostClient
) -> Sponsor | None:
    async def read() -> Sponsor | None:
        return sponsor_of(settings, store, http=http, clock=SystemClock(), key=settings.paymaster_key)

    found = await findings.attempt("policies", read, "correct the file (specs/policies.md)")
    if found is not None and found[0] is None:
        findings.skip(["policies"], f"{variable('policies')} is not set")
    elif found is not None and found[0] is not None:
        findings.add_ok("policies", f"policies in {settings.policies}: {len(found[0].policies)}")
    return None if found is None else found[0]


async def _check_chains(
    findings: Findings, settings: Settings, stack: AsyncExitStack, http: PostClient, sponsor: Sponsor | None
) -> None:
    async def read() -> object:
        return settings.require("chains")

    if await findings.attempt("chains", read, "name the chains (specs/production.md)") is None:
        return
    clients: dict[int, ChainClients] = {}
    for chain in settings.chains:
        clients[chain.chain_id] = build_chain_clients(chain, http, pools=await open_pools(stack), sponsor=sponsor)
    nodes = {chain_id: each.node for chain_id, each in clients.items()}
    of_chains = [Findings() for _ in settings.chains]
    examinations = [
        ChainExamination(own, settings, chain, clients[chain.chain_id])
        for own, chain in zip(of_chains, settings.chains, strict=True)
    ]
    await asyncio.gather(*(each.run() for each in examinations))
    for own in of_chains:
        findings.rows += own.rows
    if sponsor is not None:
        part, action = "paymasters of the policies", "correct the key or the address (specs/policies.md)"
        if await findings.attempt(part, lambda: check_paymasters(settings, nodes, sponsor), action) is not None:
            findings.add_ok(part, "each has the configured signer")
