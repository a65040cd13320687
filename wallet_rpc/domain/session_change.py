"""Changes of sessions that an account's owner signs: EIP-712 typed data with chain, account, session, nonce, deadline.

The domain has a name and a version, which no domain of an account or a module has. So no signature of a change is one
of a grant or of a message, and the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from wallet_rpc.domain.typed_data import typed_data_digest
from wallet_rpc.primitives import Address, ChainId, EntityId, Hash32, UnixSeconds

LONGEST_CONSENT_SECONDS = 86_400
"""Maximum time from now to the deadline of a signed change, in seconds; its nonce is stored as long."""
_FIELDS = (
    {"name": "action", "type": "string"},
    {"name": "account", "type": "address"},
    {"name": "entityId", "type": "uint32"},
    {"name": "content", "type": "string"},
    {"name": "nonce", "type": "uint256"},
    {"name": "deadline", "type": "uint48"},
)


class ChangeAction(StrEnum):
    """Kinds of change."""

    PAUSE = "pause"
    RESUME = "resume"
    REVOKE = "revoke"
    SET_RULES = "setRules"
    APPROVE_CALLS = "approveCalls"
    """Approve a call that waits; the content is its id."""
    REJECT_CALLS = "rejectCalls"
    """Reject a call that waits; the content is its id."""
    PAUSE_ACCOUNT = "pauseAccount"
    RESUME_ACCOUNT = "resumeAccount"
    REVOKE_ACCOUNT = "revokeAccount"


ACCOUNT_ACTIONS = frozenset({ChangeAction.PAUSE_ACCOUNT, ChangeAction.RESUME_ACCOUNT, ChangeAction.REVOKE_ACCOUNT})
"""Changes of all sessions of an account on a chain; their entity id is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange:
    """A change of one session, or of all sessions of an account."""

    action: ChangeAction
    account: Address
    chain_id: ChainId
    entity_id: EntityId
    """Entity id of the session; 0 for a change of all sessions of the account on the chain."""
    content: str = ""
    """Content of the change that `action` does not say, such as rules as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignableChange:
    """A change with a nonce, below 2**256, and the last second in which it may be presented."""

    change: SessionChange
    nonce: int
    deadline: UnixSeconds

    def typed_data(self) -> dict[str, Any]:
        """Return the JSON for `eth_signTypedData_v4`."""
        change = self.change
        return {
            "domain": {
                "name": "wallet-rpc",
                "version": "1",
                "chainId": change.chain_id,
                "verifyingContract": change.account.hex0x(),
            },
            "types": {"SessionChange": [dict(field) for field in _FIELDS]},
            "primaryType": "SessionChange",
            "message": {
                "action": change.action.value,
                "account": change.account.hex0x(),
                "entityId": int(change.entity_id),
                "content": change.content,
                "nonce": hex(self.nonce),
                "deadline": self.deadline,
            },
        }

    @property
    def digest(self) -> Hash32:
        """The EIP-712 digest that the owner signs."""
        return typed_data_digest(self.typed_data())
