"""Checks of rules that a request sets: their parts agree, and their values have the type of the compared argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wallet_rpc.domain.function_text import parse_function
from wallet_rpc.domain.rules.arguments import find_type, name_type, parse_types, parse_value
from wallet_rpc.domain.rules.hours import HoursRule
from wallet_rpc.domain.rules.rule import ArgumentRule, RecipientsRule, SessionRule
from wallet_rpc.domain.rules.stored_rules import format_rules
from wallet_rpc.errors import InvalidParams

LONGEST_RULES = 16_384
"""Maximum length of one party's rules as JSON: they are stored, logged and read with each call of the session."""


def check_rule_parts(rules: Sequence[SessionRule], *, at: str) -> None:
    """Check rules whose members are valid one by one.

    Raises: InvalidParams (rule_malformed) for contradicting members, a value of another type, or rules that are too
    long together; (function_malformed) for a function without the types of its arguments.
    """
    length = len(format_rules(tuple(rules)))
    if length > LONGEST_RULES:
        raise _error(at, f"rules of at most {LONGEST_RULES} characters together, as JSON", f"{length}")
    for index, rule in enumerate(rules):
        field = f"{at}[{index}]"
        match rule:
            case RecipientsRule():
                _require_one({"allow": rule.allow, "block": rule.block}, at=field)
            case ArgumentRule():
                _check_argument(rule, at=field)
            case HoursRule():
                if len(set(rule.days)) < len(rule.days):
                    raise _error(f"{field}.days", "each day once", ", ".join(rule.days))
            case _:
                pass


def _check_argument(rule: ArgumentRule, *, at: str) -> None:
    values = {"equals": rule.equals, "atMost": rule.at_most, "oneOf": rule.one_of}
    name = _require_one(values, at=at)
    if "(" not in rule.function:
        raise InvalidParams(
            field=f"{at}.function",
            expected='a function with the types of its arguments, as "name(type,type)"',
            given=rule.function,
            reason="function_malformed",
        )
    parse_function(rule.function, at=f"{at}.function")
    kind = None if rule.function.endswith("()") else find_type(parse_types(rule.function), rule.steps)
    if kind is None:
        raise _error(f"{at}.path", f"the place of a single value among the arguments of {rule.function}", rule.path)
    if name == "atMost" and kind.base not in {"uint", "int"}:
        raise _error(f"{at}.atMost", "a path to a number", f"a path to a value of type {name_type(kind)}")
    texts = rule.one_of if rule.one_of is not None else (rule.equals if rule.equals is not None else rule.at_most,)
    for text in texts:
        try:
            parse_value(kind, text or "")
        except ValueError:
            raise _error(f"{at}.{name}", f"a value of type {name_type(kind)}", text or "") from None


def _require_one(values: Mapping[str, object], *, at: str) -> str:
    """Return the name of the only value that is given. Raises: InvalidParams for none or several."""
    given = [name for name, value in values.items() if value is not None]
    if len(given) != 1:
        raise _error(at, f"exactly one of {', '.join(values)}", " and ".join(given) or "none")
    return given[0]


def _error(field: str, expected: str, given: str) -> InvalidParams:
    return InvalidParams(f"expected {expected}, got {given}", field=field, reason="rule_malformed")
