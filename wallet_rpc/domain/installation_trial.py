"""The trial of a grant: the call in which an account installs it without anything being stored, and its outcome.

The account calls itself, which its own functions always accept. One batch installs the grant and then reads what the
account has installed, so that a call that succeeds without an effect is noticed. It also reads two properties of the
owner's validation that make the account reject every grant.
Source: ModularAccountBase and SemiModularAccountBase of Modular Account v2 (validateUserOp, deferred actions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wallet_rpc.domain import abi
from wallet_rpc.domain.abi import keccak
from wallet_rpc.domain.abi_reader import Reader
from wallet_rpc.domain.account import PROXY_CODE, Call, execute_batch_call_data
from wallet_rpc.domain.account_code import IMPLEMENTATION_SLOT
from wallet_rpc.domain.contracts import SEMI_MODULAR_ACCOUNT_BYTECODE
from wallet_rpc.domain.guard import LAST_SECOND
from wallet_rpc.domain.nonce import FIRST_SESSION_ENTITY, OWNER_ENTITY
from wallet_rpc.domain.permission import Permission
from wallet_rpc.domain.revert import MAX_REVERT_BYTES, explain
from wallet_rpc.domain.validation import ValidationInstall
from wallet_rpc.domain.validation_install import SessionTerms, compile_permissions
from wallet_rpc.domain.views import encode_get_fallback_signer_data, encode_get_validation_data
from wallet_rpc.errors import UnreadableAnswer
from wallet_rpc.primitives import Address, Data

_STAND_INS = keccak(b"wallet-rpc: an account on which grants are tried")
STAND_IN = Address(_STAND_INS[12:])
"""The address at which an account that is not deployed yet is tried: an address without code, on every chain."""
_NO_KEY = Address(_STAND_INS[:20])
"""The owner and the session key of the trial on the stand-in. Neither has to sign anything."""
STAND_IN_OVERRIDE: Mapping[str, Any] = {
    "code": Data(PROXY_CODE + _NO_KEY).hex0x(),
    "stateDiff": {IMPLEMENTATION_SLOT.hex0x(): Data(abi.address(SEMI_MODULAR_ACCOUNT_BYTECODE)).hex0x()},
}
"""The state override, as JSON, that makes the stand-in a new account, as the factory deploys it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """The cause for which an account cannot install a grant: a text, and the contract's error if it reverted."""

    text: str
    errors: tuple[str, ...] = ()
    """The names of the contract's errors, outermost first."""
    revert: Data | None = None
    """The raw revert data."""


def encode_trial(account: Address, install: ValidationInstall) -> Data:
    """Encode the call of an account to itself that tries an installation."""
    calls = (
        install.call_data,
        encode_get_validation_data(install.entity_id),
        encode_get_validation_data(OWNER_ENTITY),
        encode_get_fallback_signer_data(),
    )
    return execute_batch_call_data([Call(to=account, data=each) for each in calls])


@lru_cache(maxsize=64)
def encode_stand_in_trial(permissions: tuple[Permission, ...], *, has_expiry: bool) -> Data:
    """Encode the trial of a grant on a new account.

    A new account has no state on which the installation could depend. So its address, the key, the entity id and the
    end of the grant have no influence on the outcome, and equal permissions have equal trials.
    """
    terms = SessionTerms(
        account=STAND_IN,
        key=_NO_KEY,
        entity_id=FIRST_SESSION_ENTITY,
        deadline=LAST_SECOND if has_expiry else 0,
        now=0,
    )
    return encode_trial(STAND_IN, compile_permissions(permissions, terms))


def explain_revert(revert: Data) -> Obstacle:
    """Return the obstacle that a reverted trial shows."""
    explanation = explain(revert)
    text = explanation.text or "the installation reverts without data, possibly for lack of gas"
    return Obstacle(text=text, errors=explanation.names, revert=Data(revert[:MAX_REVERT_BYTES]))


def find_obstacle(return_data: bytes) -> Obstacle | None:
    """Return the obstacle that a trial without a revert shows; None if the account accepts the grant.

    Raises: UnreadableAnswer when no semi-modular account returned them.
    """
    try:
        _, session, owner, signer = _read_results(return_data)
        is_installed = _read_flags(session) != 0
        has_hooks = _count_validation_hooks(owner) > 0
        is_disabled = Reader(signer).word(32) != 0
    except ValueError:
        raise UnreadableAnswer("executeBatch: expected four results, got other return data from the account") from None
    if not is_installed:
        return Obstacle(text="the account does not have the session after its installation")
    if has_hooks:
        text = "the owner's validation has validation hooks, and the account then accepts no grant of the owner"
        return Obstacle(text=text, errors=("DeferredValidationHasValidationHooks",))
    if is_disabled:
        text = "the owner's signatures are disabled on the account, so that it accepts no grant of the owner"
        return Obstacle(text=text, errors=("FallbackSignerDisabled",))
    return None


def _read_results(return_data: bytes) -> tuple[Data, ...]:
    """Read the results of `executeBatch`, a `bytes[]`. Raises: AbiDecodeError."""
    reader = Reader(return_data)
    array = reader.word(0)
    return tuple(reader.blob(array + 32 + reader.word(at)) for at in reader.items(array))


def _read_flags(validation: bytes) -> int:
    """Read the flags of a validation from the return data of `getValidationData`. Raises: AbiDecodeError."""
    reader = Reader(validation)
    return reader.word(reader.word(0))


def _count_validation_hooks(validation: bytes) -> int:
    """Read the number of validation hooks from the return data of `getValidationData`. Raises: AbiDecodeError."""
    reader = Reader(validation)
    start = reader.word(0)
    return reader.word(start + reader.word(start + 32))
