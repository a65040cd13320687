"""Errors about sessions that this server stops or bounds, whatever the chain allows."""

from __future__ import annotations

from typing import Any

from wallet_rpc.errors.base import WalletError


class SessionEnded(WalletError):
    """The session was revoked, or its registered expiry has passed."""

    code = 4100
    status = 409
    default_reason = "session_revoked"


class SessionPaused(WalletError):
    """The session is paused; the same request may pass once it is resumed."""

    code = 4100
    status = 409
    default_reason = "session_paused"


class RuleDenied(WalletError):
    """A rule of the session that this server keeps denies the operation."""

    code = 4100
    status = 403
    default_reason = "rule_denied"

    def __init__(self, text: str, *, rule_index: int | None = None, **rest: Any) -> None:
        super().__init__(text, ruleIndex=rule_index, **rest)
        self.rule_index = rule_index
        """Index of the rule among all rules of the session; None if no single rule denies the operation."""
