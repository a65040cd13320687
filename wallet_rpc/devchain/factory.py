"""Factory of development chains: new or from a data folder, standalone or as a fork."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from wallet_rpc.devchain import accounts, dev_constants
from wallet_rpc.devchain.bundler import DevBundler
from wallet_rpc.devchain.chain import Blockchain, ChainConfig
from wallet_rpc.devchain.chain_state import Value, balance_key, code_key
from wallet_rpc.devchain.config import SEEDED_TIME, DevChainConfig
from wallet_rpc.devchain.devchain import DevChain
from wallet_rpc.devchain.filter_store import FilterStore
from wallet_rpc.devchain.fork import ShieldedUpstream, Upstream
from wallet_rpc.devchain.genesis import Genesis, GenesisAccount, genesis_values, load_deployments, load_genesis
from wallet_rpc.devchain.paymaster import DevPaymaster
from wallet_rpc.devchain.run_limit import RunLimit
from wallet_rpc.devchain.sqlite_store import SqliteStore
from wallet_rpc.domain.contracts import ENTRY_POINT
from wallet_rpc.edge.seeded_entropy import SeededStream
from wallet_rpc.primitives import Address

_FORK_BLOCK = "fork block"
"""The fact in a data folder that records the forked block."""


def open_devchain(config: DevChainConfig) -> DevChain:
    """Open the chain. Raises: UnusableFolder, GenesisMissing, UpstreamFailed."""
    built = load_genesis()
    if config.deployments is not None:
        built |= load_deployments(config.deployments)
    upstream = None if config.fork_url is None else Upstream(config.fork_url, block=config.fork_block)
    store = _store(config)  # after every other step that may fail, so that a failed start leaves no file
    if config.fork_url is not None and upstream is not None:
        upstream = _pin_upstream(config.fork_url, upstream, store)
    values = genesis_values(built) if upstream is None else _missing_account_values(built, upstream)
    limit = RunLimit(config.run_seconds)
    has_test_token = code_key(dev_constants.TEST_TOKEN) in values
    chain = Blockchain(
        {**values, **accounts.native_balance_values(), **(accounts.test_token_values() if has_test_token else {})},
        ChainConfig(
            chain_id=config.chain_id,
            timestamp=SEEDED_TIME if config.seed is not None and config.timestamp is None else config.timestamp,
            is_clock_counted=config.seed is not None,
            number=0 if upstream is None else upstream.block,
        ),
        store=store,
        source=None if upstream is None else ShieldedUpstream(upstream, limit),
        limit=limit,
    )
    rates = dev_constants.ERC20_RATES | {Address.parse(token): rate for token, rate in config.token_rates.items()}
    bundler, paymaster = DevBundler(chain, accounts.BUNDLER), DevPaymaster(chain, rates)
    opened = DevChain(chain, bundler, paymaster, upstream, _build_filters(config))
    chain.on_block = chain.mempool.on_ready = opened.subscriptions.record
    chain.on_replaced = opened.subscriptions.record_replaced
    return opened


def _build_filters(config: DevChainConfig) -> FilterStore:
    """Build the store of filters, whose ids are random or follow from the seed."""
    if config.seed is None:
        return FilterStore()
    return FilterStore(draw_bytes=SeededStream(config.seed, f"filters of chain {config.chain_id}").random_bytes)


def _pin_upstream(url: str, upstream: Upstream, store: SqliteStore) -> Upstream:
    """Return the forked chain at the block that the folder was created with."""
    pinned = store.get_fact(_FORK_BLOCK)
    if pinned is None:
        store.set_fact(_FORK_BLOCK, str(upstream.block))
        return upstream
    return upstream if int(pinned) == upstream.block else Upstream(url, block=int(pinned))


def _store(config: DevChainConfig) -> SqliteStore:
    kind = "" if config.fork_url is None else ", forked"
    if config.deployments is not None:
        kind += f", deployments {sha256(config.deployments.read_bytes()).hexdigest()[:8]}"
    return SqliteStore(config.folder, f"chain {config.chain_id}{kind}")


def _missing_account_values(genesis: Genesis, upstream: Upstream) -> Mapping[bytes, Value]:
    """Return the genesis accounts that the forked chain lacks, and the paymaster's deposit in its entry point."""
    found = upstream.fetch_many([code_key(address) for address in genesis])
    missing = {address: account for address, account in genesis.items() if not found[code_key(address)]}
    values = genesis_values(missing)
    if dev_constants.PAYMASTER in missing and ENTRY_POINT not in missing and ENTRY_POINT in genesis:
        values |= _deposit(genesis[ENTRY_POINT], found[balance_key(ENTRY_POINT)])
    return values


def _deposit(entry_point: GenesisAccount, balance: Value) -> Mapping[bytes, Value]:
    """Return the genesis deposits for the forked chain's entry point, and its balance raised by their amount."""
    deposits = {Address(ENTRY_POINT): GenesisAccount(storage=entry_point.storage)}
    values = genesis_values(deposits)
    slots = {key: value for key, value in values.items() if len(key) > 21}
    forked_balance = balance if isinstance(balance, int) else 0
    return {**slots, balance_key(ENTRY_POINT): forked_balance + entry_point.balance}
