"""Facts for the decision on a session's calls: its rules on chain or in its grant, and how the calls would run now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.account import PROXY_CODE, Call, execute_call_data
from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_BYTECODE
from wallet_rpc.domain.decision.account_call import read_account_call
from wallet_rpc.domain.decision.contract_rules import ContractRules, build_rules, rules_of_install
from wallet_rpc.domain.module_rows import ANY_CONTRACT
from wallet_rpc.domain.nonce import NonceKey
from wallet_rpc.domain.session_reference import NamedSession
from wallet_rpc.domain.validation import Hook
from wallet_rpc.domain.views import ValidationData
from wallet_rpc.errors import ExecutionReverted, InvalidParams, Unavailable, UnreadableAnswer
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import Address, Data, Selector
from wallet_rpc.services.account_facts import AccountFacts
from wallet_rpc.services.account_validation import read_account_with_validation
from wallet_rpc.services.session_rows import RowNames, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """An account, its session's rules, and what the chain says of the called addresses."""

    account: AccountFacts
    rules: ContractRules
    is_installed: bool
    nonce: int
    """Nonce that the session's next operation has, unless it has a parallel key."""
    balance: int
    """The account's balance in wei."""
    codeless: frozenset[Address]
    """Called addresses without code."""


async def read_session_facts(
    ports: Ports, chain: ChainPorts, named: NamedSession, calls: Sequence[Call], *, at: str
) -> SessionFacts:
    """Read the facts about a session and its calls; what remains of a limit is read from the chain.

    Raises: InvalidParams for an account that cannot have sessions, and for a session that is neither granted here nor
    installed; UnreadableAnswer.
    """
    account = named.reference.account
    targets = sorted({call.to for call in calls})
    (facts, validation, _), next_nonce, balance, codes = await asyncio.gather(
        read_account_with_validation(ports, chain, account, named.reference.entity_id, at=at),
        _read_next_nonce(chain, named),
        chain.node.balance(account),
        asyncio.gather(*(chain.node.code(target) for target in targets)),
    )
    if validation.is_installed:
        key = NonceKey(entity_id=named.reference.entity_id, is_global=validation.is_global).key
        rules, nonce = await asyncio.gather(
            _read_rules(chain, named, validation, calls), chain.node.user_operation_nonce(account, key)
        )
    else:
        rules, nonce = _read_grant(named, next_nonce, at=at)
    return SessionFacts(
        account=facts,
        rules=rules,
        is_installed=validation.is_installed,
        nonce=nonce,
        balance=balance,
        codeless=frozenset(target for target, code in zip(targets, codes, strict=True) if not code),
    )


def _grant_nonce(named: NamedSession) -> int | None:
    if named.grant is not None:
        return named.grant.action.nonce
    return None if named.session is None else named.session.nonce


async def _read_next_nonce(chain: ChainPorts, named: NamedSession) -> int | None:
    """Return the next nonce under the key of the grant's nonce; None without a known grant."""
    nonce = _grant_nonce(named)
    return None if nonce is None else await chain.node.user_operation_nonce(named.reference.account, nonce >> 64)


def _read_grant(named: NamedSession, next_nonce: int | None, *, at: str) -> tuple[ContractRules, int]:
    """Return the rules and the nonce of a grant that can be installed. Raises: InvalidParams (session_not_on_chain)."""
    nonce = _grant_nonce(named)
    if named.install is None or nonce is None or next_nonce is None or next_nonce > nonce:
        raise InvalidParams(
            f"the session with entity id {named.reference.entity_id} is not on chain, and no grant of it is known "
            "that can still be installed; create a new session",
            field=at,
            reason="session_not_on_chain",
        )
    return rules_of_install(named.install), nonce


async def _read_rules(
    chain: ChainPorts, named: NamedSession, validation: ValidationData, calls: Sequence[Call]
) -> ContractRules:
    """Read the rules of an installed session, as far as they are about the calls, or limits of the known grant."""
    hooks = tuple(map(_read_hook, (*validation.validation_hooks, *validation.execution_hooks)))
    rows = await read_rows(chain, named.reference.account, hooks, _name_rows(named, calls))
    return build_rules(named.reference.entity_id, validation.flags, validation.selectors, hooks, rows)


def _read_hook(config: bytes) -> Hook:
    """Return the hook of a configuration of 25 bytes, without installation data."""
    return Hook(Address(config[:20]), int.from_bytes(config[20:24]), config[24], Data())


def _name_rows(named: NamedSession, calls: Sequence[Call]) -> RowNames:
    """Return the rows that decide the calls: of each target with the called functions, and of any target."""
    account = named.reference.account
    operation = read_account_call(execute_call_data(account, calls))
    functions: dict[Address, set[Selector]] = {ANY_CONTRACT: set()}
    for element in operation.elements or ():
        functions.setdefault(element.to, set()).add(element.selector)
        functions[ANY_CONTRACT].add(element.selector)
    grant = None if named.install is None else rules_of_install(named.install)
    for target, examples in {} if grant is None else _pick_examples(grant).items():
        functions.setdefault(target, set()).update(examples)
    granted = frozenset() if grant is None else frozenset(grant.limits.tokens)
    names = {target: frozenset(selectors) for target, selectors in functions.items()}
    return granted | (frozenset(names) - {ANY_CONTRACT}), names


def _pick_examples(grant: ContractRules) -> dict[Address, frozenset[Selector]]:
    """Return a row of each kind of permission on contracts, since the reason of a denial names the granted kinds."""
    kinds = {grant.permission_of(target): target for target in grant.targets}
    examples = {target: frozenset(sorted(grant.targets[target] or ())[:1]) for target in kinds.values()}
    return {**examples, ANY_CONTRACT: frozenset(sorted(grant.everywhere)[:1])}


@dataclass(frozen=True, slots=True)
class CallTrial:
    """The outcome of calls that ran at the latest block: the number that succeed, and the revert data of the next."""

    succeeded: int
    revert: Data | None = None
    """The revert data of the first call that fails; None if none fails."""
    is_known: bool = True
    """False if the node could not run the calls."""


async def try_calls(chain: ChainPorts, account: AccountFacts, calls: Sequence[Call]) -> CallTrial:
    """Run calls from the account at the latest block, and find the first that fails by bisection.

    Calls run without the session's hooks, as the account's calls to itself are not checked. An account that is not
    deployed runs with the code that the factory would deploy.
    """
    try:
        failure = await _run(chain, account, calls)
        if failure is None:
            return CallTrial(len(calls))
        low, high = 0, len(calls)
        while high - low > 1:
            middle = (low + high) // 2
            found = await _run(chain, account, calls[:middle])
            low, high, failure = (middle, high, failure) if found is None else (low, middle, found)
        return CallTrial(low, failure)
    except (Unavailable, UnreadableAnswer):
        return CallTrial(0, is_known=False)


async def _run(chain: ChainPorts, account: AccountFacts, calls: Sequence[Call]) -> Data | None:
    """Run calls; return None for success, else the revert data."""
    override: Mapping[str, Any] | None = None
    if account.factory is not None:
        override = {
            "code": Data(PROXY_CODE + account.owner).hex0x(),
            "stateDiff": {IMPLEMENTATION_SLOT.hex0x(): Data(abi.address(SEMI_MODULAR_ACCOUNT_BYTECODE)).hex0x()},
        }
    call_data = execute_call_data(account.address, calls)
    try:
        answer = await chain.node.call_itself(account.address, call_data, override=override)
    except ExecutionReverted as error:
        return Data() if error.revert is None else error.revert
    if override is not None and not answer:  # as from a node that ignores overrides: no code ran
        raise UnreadableAnswer("expected return data of the account, got none")
    return None
