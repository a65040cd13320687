"""Review of a requested grant before its session is written: its trial on the chain, and the warnings about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from wallet_rpc.domain.grant_warnings import (
    GrantWarning,
    WarningCode,
    build_unchecked_warning,
    find_warnings,
)
from wallet_rpc.domain.guard import check_end
from wallet_rpc.domain.session_record import UnsignedSession
from wallet_rpc.errors import InvalidParams
from wallet_rpc.ports import ChainPorts, Ports
from wallet_rpc.primitives import UnixSeconds
from wallet_rpc.services.entity_ids import check_session_account
from wallet_rpc.services.grant_facts import read_grant_facts
from wallet_rpc.services.installation_trial import TrialOutcome, try_on_new_account

_ALL_CODES = frozenset(WarningCode)
_END_CODES = frozenset({WarningCode.NO_END, WarningCode.FAR_END})


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningPolicy:
    """The treatment of warnings: whether the caller gets them, and which of them the organisation refuses."""

    refused: frozenset[WarningCode]
    is_reported: bool
    deadline_at: str
    """The name of the request's field that holds the end of the grant."""

    @property
    def needed(self) -> frozenset[WarningCode]:
        """The codes of the warnings that have to be looked for."""
        return _ALL_CODES if self.is_reported else self.refused

    def refuse(self, warnings: Iterable[GrantWarning]) -> None:
        """Raise InvalidParams (warning_is_error) for the first warning that the organisation refuses."""
        for warning in warnings:
            if warning.code in self.refused:
                raise InvalidParams(
                    f"the organization's policy refuses a grant with the warning {warning.code}: {warning.message}",
                    field=self._field_of(warning),
                    reason="warning_is_error",
                    warning=warning.code.value,
                )

    def _field_of(self, warning: GrantWarning) -> str:
        """Return the path of the part of the request that a warning is about."""
        if warning.code in _END_CODES:
            return f"params.{self.deadline_at}"
        return "params.permissions" + ("" if warning.permission is None else f"[{warning.permission}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReview:
    """The result of a review."""

    has_code: bool
    """True if the account has code, a delegation included."""
    warnings: tuple[GrantWarning, ...]

    def finish(self, trial: TrialOutcome, policy: WarningPolicy) -> tuple[GrantWarning, ...]:
        """Return the warnings, once the grant was tried on an account with code.

        Raises: InvalidParams for a grant that cannot be installed, and for a refused warning.
        """
        return (*self.warnings, *(_judge_trial(trial, policy) if self.has_code else ()))


async def review_grant(
    ports: Ports, chain: ChainPorts, unsigned: UnsignedSession, policy: WarningPolicy
) -> GrantReview:
    """Try the grant as on a new account, and find the warnings about it, with one POST to the node.

    The account's code comes in the same POST. So the trial is made for accounts with code too, and ignored there: they
    are tried on their own code and state, with the reads that choose the entity id.

    Raises: InvalidParams as `check_session_account`, for a grant that a new account cannot install, for an end before
    the newest block, and for a refused warning.
    """
    permissions, deadline = unsigned.permissions, unsigned.deadline
    code, sent, trial, facts, block_time = await asyncio.gather(
        chain.node.code(unsigned.account),
        chain.node.transaction_count(unsigned.account),
        try_on_new_account(chain, permissions, has_expiry=deadline != 0),
        read_grant_facts(chain, unsigned.account, permissions, policy.needed),
        _read_block_time(chain, deadline),
    )
    check_end(deadline, now=block_time, path=f"params.{policy.deadline_at}")
    await check_session_account(ports, chain, unsigned.account, code=code, sent=sent)
    unchecked = () if code else _judge_trial(trial, policy)
    warnings: tuple[GrantWarning, ...] = ()
    if policy.needed:
        warnings = find_warnings(permissions, deadline=deadline, now=ports.now_on(chain.chain_id), facts=facts)
        policy.refuse(warnings)
    return GrantReview(has_code=bool(code), warnings=(*warnings, *unchecked))


async def _read_block_time(chain: ChainPorts, deadline: UnixSeconds) -> UnixSeconds:
    """Return the newest block's time, which may be later than the server's; 0 where it decides nothing."""
    if deadline == 0 or chain.clock is not None:
        return 0
    head = await chain.node.block_head()
    return 0 if head is None else head.timestamp


def _judge_trial(trial: TrialOutcome, policy: WarningPolicy) -> tuple[GrantWarning, ...]:
    """Refuse a grant that cannot be installed; return a warning if that is not known, unless it is refused too."""
    trial.refuse_obstacle()
    if trial.is_known:
        return ()
    warning = build_unchecked_warning("the node did not run a trial of the grant's installation")
    policy.refuse([warning])
    return (warning,)
