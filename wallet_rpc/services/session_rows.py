"""Reads of the modules' rows that limit a session. Reads that start together share POSTs to the node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from wallet_rpc.domain.contracts import ALLOWLIST_MODULE, NATIVE_TOKEN_LIMIT_MODULE, TIME_RANGE_MODULE
from wallet_rpc.domain.module_rows import ANY_CONTRACT, ModuleRows, TimeRange, find_hook
from wallet_rpc.domain.module_views import (
    decode_time_range,
    decode_words,
    encode_address_allowlist,
    encode_erc20_spend_limits,
    encode_limits,
    encode_selector_allowlist,
    encode_time_ranges,
)
from wallet_rpc.domain.validation import Hook, HookKind
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address, Selector

RowNames = tuple[frozenset[Address], Mapping[Address, frozenset[Selector]]]
"""The tokens and, for each target, the functions whose rows are read: a mapping on chain cannot be listed."""


def names_of(rows: ModuleRows) -> RowNames:
    """Return the names of the rows that a grant writes."""
    return frozenset(rows.tokens), {target: functions or frozenset() for target, functions in rows.targets.items()}


async def read_rows(chain: ChainPorts, account: Address, hooks: Iterable[Hook], names: RowNames) -> ModuleRows:
    """Read the rows that the hooks of a session use. Raises: Unavailable; UnreadableAnswer without the modules."""
    known = tuple(hooks)
    tokens, targets = names
    range_hook = find_hook(known, TIME_RANGE_MODULE, HookKind.VALIDATION)
    native_hook = find_hook(known, NATIVE_TOKEN_LIMIT_MODULE, HookKind.EXECUTION)
    gas_hook = find_hook(known, NATIVE_TOKEN_LIMIT_MODULE, HookKind.VALIDATION)
    token_hook = find_hook(known, ALLOWLIST_MODULE, HookKind.EXECUTION)
    target_hook = find_hook(known, ALLOWLIST_MODULE, HookKind.VALIDATION)
    time_range, native, gas, limits, functions = await asyncio.gather(
        _read_time_range(chain, account, range_hook),
        _read_limit(chain, account, native_hook),
        _read_limit(chain, account, gas_hook),
        _read_tokens(chain, account, token_hook, tokens),
        _read_targets(chain, account, target_hook, targets),
    )
    return ModuleRows(
        time_range=time_range,
        native=native,
        gas=gas,
        tokens=limits,
        has_allowlist=target_hook is not None,
        targets=functions,
    )


async def _read_time_range(chain: ChainPorts, account: Address, hook: Hook | None) -> TimeRange | None:
    if hook is None:
        return None
    return decode_time_range(await chain.node.call(hook.module, encode_time_ranges(hook.entity_id, account)))


async def _read_limit(chain: ChainPorts, account: Address, hook: Hook | None) -> int | None:
    if hook is None:
        return None
    (wei,) = decode_words(await chain.node.call(hook.module, encode_limits(hook.entity_id, account)), 1)
    return wei


async def _read_tokens(
    chain: ChainPorts, account: Address, hook: Hook | None, tokens: Iterable[Address]
) -> dict[Address, int]:
    """Read the rest of each token's limit; one without a limit is left out."""
    if hook is None:
        return {}
    names = list(tokens)

    async def read(token: Address) -> int | None:
        row, left = await asyncio.gather(
            chain.node.call(hook.module, encode_address_allowlist(hook.entity_id, token, account)),
            chain.node.call(hook.module, encode_erc20_spend_limits(hook.entity_id, token, account)),
        )
        return decode_words(left, 1)[0] if decode_words(row, 3)[2] else None

    found = await asyncio.gather(*map(read, names))
    return {token: left for token, left in zip(names, found, strict=True) if left is not None}


async def _read_targets(
    chain: ChainPorts, account: Address, hook: Hook | None, targets: Mapping[Address, frozenset[Selector]]
) -> dict[Address, frozenset[Selector] | None]:
    """Read the allowed functions of each target; a target that is not allowed is left out."""
    if hook is None:
        return {}

    async def read(target: Address, functions: frozenset[Selector]) -> tuple[bool, frozenset[Selector] | None]:
        listed = sorted(functions)
        entity_id, module = hook.entity_id, hook.module
        row, *marks = await asyncio.gather(
            chain.node.call(module, encode_address_allowlist(entity_id, target, account)),
            *(chain.node.call(module, encode_selector_allowlist(entity_id, one, target, account)) for one in listed),
        )
        allowed = frozenset(one for one, mark in zip(listed, marks, strict=True) if decode_words(mark, 1)[0])
        if target == ANY_CONTRACT:
            return bool(allowed), allowed
        is_allowed, is_selective, _ = decode_words(row, 3)
        return bool(is_allowed), allowed if is_selective else None

    found = await asyncio.gather(*(read(target, functions) for target, functions in targets.items()))
    return {target: functions for target, (is_allowed, functions) in zip(targets, found, strict=True) if is_allowed}
