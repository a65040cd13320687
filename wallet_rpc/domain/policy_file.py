"""Parser of the policy file: TOML text to policies.

An unknown key or a value of the wrong type rejects the whole file, with an error that names the policy and the key. A
policy that is only partly understood would spend money. A webhook's URL and a service's context may hold secrets, so no
error repeats them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import PydanticCustomError

from wallet_rpc.domain.access import ORGANIZATION_ID
from wallet_rpc.domain.policy import (
    MAX_POLICY_OPERATIONS,
    MAX_POLICY_WEI,
    PaymasterServiceOptions,
    Policy,
    PolicyLimits,
    Webhook,
)
from wallet_rpc.domain.secret_text import format_received, toml_position
from wallet_rpc.domain.web_url import WEB_URL, is_web_url
from wallet_rpc.primitives import Address

_VERSION = 4
_LAST_SECOND = 2**48 - 1
_DIGITS = 40
"""Maximum digits of a number in text, more than any accepted number has."""
_SECRET = frozenset({"url", "context"})
"""Keys of secret values, which no error repeats."""


class PolicyFileError(Exception):
    """An invalid policy file; the message names the policy and the key."""


class _UnexpectedValue(Exception):
    """A value of the wrong type; the message is the expected type."""


def read_policies(text: str) -> tuple[Policy, ...]:
    """Parse TOML text of `[[policy]]` tables. Raises: PolicyFileError."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number of more digits than Python parses
        raise PolicyFileError(f"expected TOML, got a syntax error{toml_position(error)}") from None
    tables = document.pop("policy", None)
    if document or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise PolicyFileError("expected [[policy]] tables and nothing else")
    policies = tuple(_policy(table, number) for number, table in enumerate(tables, 1))
    ids = [policy.id for policy in policies]
    for policy_id in ids:
        if ids.count(policy_id) > 1:
            raise PolicyFileError(
                f"policy {policy_id}: id: expected once in the file, got {ids.count(policy_id)} times"
            )
    return policies


def _policy(table: dict[str, Any], number: int) -> Policy:
    at = f"policy {number}"
    values = _values(table, _POLICY, at)
    if "id" not in values:
        raise PolicyFileError(f"{at}: id: required, but absent")
    at = f"policy {values['id']}"
    limits = PolicyLimits(**_values(values.pop("limits", {}), _LIMITS, f"{at}: limits"))
    webhook = values.pop("webhook", None)
    if webhook is not None:
        webhook = _webhook(webhook, f"{at}: webhook")
    service = PaymasterServiceOptions(**_values(values.pop("service", {}), _SERVICE, f"{at}: service"))
    policy = Policy(**values, limits=limits, webhook=webhook, service=service)
    if policy.valid_from is not None and policy.valid_until is not None and policy.valid_from >= policy.valid_until:
        raise PolicyFileError(f"{at}: valid_until: expected a time after valid_from")
    return policy


def _webhook(table: dict[str, Any], at: str) -> Webhook:
    values = _values(table, _WEBHOOK, at)
    if "url" not in values:
        raise PolicyFileError(f"{at}: url: required, but absent")
    return Webhook(**values)


def _values(table: dict[str, Any], kinds: Mapping[str, Callable[[Any], Any]], at: str) -> dict[str, Any]:
    """Parse each value of a table with the parser of its key in `kinds`."""
    values = {}
    for key, given in table.items():
        if key not in kinds:
            raise PolicyFileError(f"{at}: expected no keys but {', '.join(kinds)}{format_received(key)}")
        try:
            values[key] = kinds[key](given)
        except _UnexpectedValue as expected:
            repeated = "" if key in _SECRET else format_received(given)
            raise PolicyFileError(f"{at}: {key}: expected {expected}{repeated}") from None
    return values


def _id(given: Any) -> UUID:
    try:
        found = UUID(given) if isinstance(given, str) else None
    except ValueError:
        found = None
    if found is None or found.version != _VERSION:
        raise _UnexpectedValue("a UUID of version 4")
    return found


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.isprintable():
        raise _UnexpectedValue("a line of text")
    return given


def _organization(given: Any) -> str:
    if not isinstance(given, str) or ORGANIZATION_ID.fullmatch(given) is None:
        raise _UnexpectedValue("an organisation's id, org_ and letters or digits")
    return given


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise _UnexpectedValue("true or false")
    return given


def _table(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _UnexpectedValue("a table")
    return given


def _json_table(given: Any) -> dict[str, Any]:
    """Check that a table can be written as JSON, without times, NaN or infinity, and return it."""
    try:
        json.dumps(given, allow_nan=False)
        return _table(given)
    except (TypeError, ValueError, _UnexpectedValue):
        raise _UnexpectedValue("a table of texts, numbers, flags, lists and tables") from None


def _integer_parser(minimum: int, maximum: int, noun: str) -> Callable[[Any], int]:
    def parse(given: Any) -> int:
        is_digits = isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= _DIGITS
        number = int(given) if is_digits else given
        if isinstance(number, bool) or not isinstance(number, int) or not minimum <= number <= maximum:
            raise _UnexpectedValue(f"{noun} from {minimum} to {maximum}")
        return number

    return parse


def _chains(given: Any) -> frozenset[int]:
    if not isinstance(given, list) or not given:
        raise _UnexpectedValue("a list of chain ids")
    chain_id = _integer_parser(1, 2**32 - 1, "a list of chain ids")
    return frozenset(chain_id(one) for one in given)


def _list(given: Any) -> list[Any]:
    """Return `given` if it is a list. Raises: ValueError."""
    if not isinstance(given, list):
        raise ValueError  # noqa: TRY004  # the caller turns it into a message
    return given


def _addresses(given: Any) -> frozenset[Address]:
    if not isinstance(given, list):
        raise _UnexpectedValue("a list of addresses, 0x and 40 hex digits each")
    return frozenset(_address(one) for one in given)


def _address(given: Any) -> Address:
    try:
        return Address.parse(given)
    except PydanticCustomError as error:
        expected = f"{(error.context or {})['expected']}{format_received(given)}"
        raise _UnexpectedValue(f"a list of addresses, each {expected}") from None


def _time(given: Any) -> int:
    match given:
        case datetime() if given.tzinfo is not None:
            return int(given.timestamp())
        case int() if not isinstance(given, bool) and 0 <= given <= _LAST_SECOND:
            return given
        case _:
            raise _UnexpectedValue("a time with its zone, such as 2027-01-31T12:00:00Z, or seconds since 1970")


def _url(given: Any) -> str:
    if not is_web_url(given):
        raise _UnexpectedValue(WEB_URL)
    return str(given)


def _seconds(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 20:
        raise _UnexpectedValue("seconds above 0, up to 20")
    return float(given)


_wei = _integer_parser(0, MAX_POLICY_WEI, "wei")
_count = _integer_parser(0, MAX_POLICY_OPERATIONS, "a count")
_open_count = _integer_parser(1, 1_000_000, "a count")
_LIMITS: Mapping[str, Callable[[Any], Any]] = {
    "operation_wei": _wei,
    "total_wei": _wei,
    "total_operations": _count,
    "sender_wei": _wei,
    "sender_operations": _count,
    "owner_open": _open_count,
    "token_open": _open_count,
    "key_open": _open_count,
    "window_seconds": _integer_parser(60, 366 * 86_400, "seconds"),
}
_WEBHOOK: Mapping[str, Callable[[Any], Any]] = {"url": _url, "timeout_seconds": _seconds}
_SERVICE: Mapping[str, Callable[[Any], Any]] = {
    "context": _json_table,
    "valid_seconds": _integer_parser(30, 30 * 86_400, "seconds"),
}
_POLICY: Mapping[str, Callable[[Any], Any]] = {
    "id": _id,
    "name": _text,
    "organization": _organization,
    "enabled": _flag,
    "chains": _chains,
    "allowed_senders": _addresses,
    "blocked_senders": _addresses,
    "allowed_targets": _addresses,
    "valid_from": _time,
    "valid_until": _time,
    "limits": _table,
    "sponsorship_seconds": _integer_parser(30, 3600, "seconds"),
    "webhook": _table,
    "service": _table,
}
