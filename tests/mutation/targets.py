"""Modules to mutate, each with the tests that must detect the changes."""

from __future__ import annotations

from collections.abc import Sequence

TARGETS = {
    "wallet_rpc/domain/guard.py": (
        "tests/domain/test_guard.py",
        "tests/domain/test_classed_functions.py",
        "tests/domain/test_abilities.py",
    ),
    "wallet_rpc/domain/permission.py": (
        "tests/domain/test_validation_install.py",
        "tests/domain/test_guard.py",
        "tests/domain/test_abilities.py",
        "tests/domain/test_records.py",
    ),
    "wallet_rpc/domain/access.py": ("tests/domain/test_access.py",),
    "wallet_rpc/domain/ticket.py": ("tests/contract/test_jwt_tickets.py", "tests/access/test_tickets.py"),
    "wallet_rpc/adapters/jwt_tokens.py": ("tests/contract/test_jwt_tokens.py", "tests/contract/test_jwt_tickets.py"),
    "wallet_rpc/adapters/redis_tokens.py": ("tests/contract/test_tokens.py",),
    "wallet_rpc/adapters/redis_directory.py": ("tests/contract/test_directory.py",),
    "wallet_rpc/edge/authentication.py": ("tests/edge/test_authentication.py", "tests/tenants/test_authentication.py"),
    "wallet_rpc/operations/access_control.py": (
        "tests/access/test_token_operations.py",
        "tests/access/test_token_requests.py",
        "tests/tenants/test_token_wallets.py",
        "tests/tenants/test_token_scopes.py",
    ),
    "wallet_rpc/services/submission_tickets.py": (
        "tests/access/test_tickets.py",
        "tests/tenants/test_submission_tickets.py",
    ),
    "wallet_rpc/services/submission.py": (
        "tests/test_stated_numbers.py",
        "tests/operations/test_delivery.py",
        "tests/operations/test_delivery_workers.py",
        "tests/operations/test_earlier_records.py",
        "tests/operations/test_handing_over.py",
        "tests/operations/test_replacing.py",
        "tests/operations/test_slow_bundler.py",
        "tests/operations/test_not_sent.py",
    ),
    "wallet_rpc/domain/call_state.py": ("tests/domain/test_call_state.py",),
}

_STANDALONE = (
    "tests/domain/",
    "tests/contract/test_jwt_tokens.py",
    "tests/contract/test_jwt_tickets.py",
)
"""Tests without a server or a Redis: they run without the conftest, which imports the whole project."""


def options(tests: Sequence[str]) -> list[str]:
    """Return pytest's options for these tests."""
    always = ["-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "tests.mutation.unhurried"]
    always += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    is_standalone = all(test.startswith(_STANDALONE) for test in tests)
    return [*always, "--noconftest"] if is_standalone else always
