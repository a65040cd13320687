"""Trials of grants on the chain before their owners sign: each kind of account installs the grant in an `eth_call`."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import NoReturn

from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_BYTECODE
from wallet_rpc.domain.installation_trial import (
    STAND_IN,
    STAND_IN_OVERRIDE,
    Obstacle,
    encode_stand_in_trial,
    encode_trial,
    explain_revert,
    find_obstacle,
)
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.errors import ExecutionReverted, InvalidParams, LimitExceeded, Unavailable, UnreadableAnswer
from wallet_rpc.ports import ChainPorts
from wallet_rpc.primitives import Address, Data

_NO_IMPLEMENTATION = Obstacle(text="the chain has no code of the account's implementation")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """The outcome of a trial."""

    obstacle: Obstacle | None = None
    """The cause for which the grant cannot be installed; None if it can, or if that is not known."""
    is_known: bool = True
    """False if the node could not run the trial."""

    def refuse_obstacle(self) -> None:
        """Raise InvalidParams (grant_not_installable) for a grant that cannot be installed."""
        if self.obstacle is not None:
            _refuse(self.obstacle)


NO_OUTCOME = TrialOutcome(is_known=False)
"""The outcome of a trial that the node could not run."""


async def try_on_new_account(
    chain: ChainPorts, permissions: tuple[Permission, ...], *, has_expiry: bool
) -> TrialOutcome:
    """Try a grant on an account that is not deployed yet: on a stand-in, with a new account's code."""
    data = encode_stand_in_trial(permissions, has_expiry=has_expiry)
    outcome = await _read_outcome(chain.node.call_stand_in(STAND_IN, data, STAND_IN_OVERRIDE))
    if outcome is not None:
        return outcome
    try:
        code = await chain.node.code(SEMI_MODULAR_ACCOUNT_BYTECODE)
    except Unavailable:
        return NO_OUTCOME
    return NO_OUTCOME if code else TrialOutcome(obstacle=_NO_IMPLEMENTATION)


async def try_on_account(chain: ChainPorts, account: Address, install: ValidationInstall) -> TrialOutcome:
    """Try a grant on an account with code, or with a delegation: on its own code and state."""
    return await _read_outcome(chain.node.call_itself(account, encode_trial(account, install))) or NO_OUTCOME


async def _read_outcome(trial: Awaitable[bytes]) -> TrialOutcome | None:
    """Return the outcome of a trial; None if no account answered it, as from a node that ignores state overrides."""
    try:
        return TrialOutcome(obstacle=find_obstacle(await trial))
    except ExecutionReverted as error:
        return TrialOutcome(obstacle=explain_revert(Data() if error.revert is None else error.revert))
    except UnreadableAnswer:
        return None
    except (Unavailable, LimitExceeded):
        return NO_OUTCOME


def _refuse(obstacle: Obstacle) -> NoReturn:
    raise InvalidParams(
        f"expected a grant that the account can install; a trial of its installation on the chain failed: "
        f"{obstacle.text}",
        field="params.permissions",
        reason="grant_not_installable",
        errors=list(obstacle.errors),
        revert=obstacle.revert.hex0x() if obstacle.revert else None,
    )
